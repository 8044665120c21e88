import Logging
import Synchronization

/// The shared limiter and queue: one SQLite file that every process of the host locks for each turn.
///
/// A `Turnstile` may be used from any thread; its calls are carried out one after the other, wait up to two
/// seconds for a locked file, and write with an fsync, so none of them belongs on an event thread. Every call
/// that throws has changed nothing and granted nothing. The file is opened when it is needed and opened anew
/// after an error, so that a file that was repaired is used at the next call.
public final class Turnstile: Sendable {
    let file: LimiterFile
    let pace: Pace
    /// How many callers' lookups may wait; renewals and warming may each have half as many besides.
    let queueLimit: Int
    let leaseLifetime: Int64
    let clock: any TurnstileClock
    let log: Logger
    /// Guards what this process knows by itself.
    let memory = Mutex(Memory())

    /// What holds even if the file is lost or exchanged under a running process.
    struct Memory {
        var newestGrant: Instant?
        var cooldown: Instant?
        var cooldownIsSaved = true
        /// How long it lately took from reading the clock to having the grant on disk, where that is slow.
        var commit: Int64 = 0
    }

    /// - Parameters:
    ///   - path: the file.
    ///   - creating: whether to create it, with mode 0600, when it is not there. False is for those who only look
    ///     and may run as another user than the workers.
    ///   - queueLimit: how many callers' lookups may wait.
    ///   - leaseLifetime: after this time a lookup that its worker did not finish falls to another.
    /// - Throws: `settings` for values that make no sense. A file that cannot be used does not throw here: it is
    ///   logged, and every call throws the cause until the file can be used.
    public init(
        path: String, pace: Pace, queueLimit: Int, leaseLifetime: Duration,
        clock: any TurnstileClock = SystemClock(), creating: Bool = true, log: Logger
    ) throws(TurnstileError) {
        if let fault = pace.fault { throw .settings(fault) }
        if queueLimit < 1 { throw .settings("the queue holds fewer than one lookup") }
        if leaseLifetime <= .zero { throw .settings("leases end when they begin") }
        self.pace = pace
        self.queueLimit = queueLimit
        self.leaseLifetime = leaseLifetime.inNanoseconds
        self.clock = clock
        self.log = log
        file = LimiterFile(path: path, patience: .seconds(2), creating: creating, clock: clock, log: log)
        _ = try? file.changeCounter()  // opens the file; a failure has been logged
    }

    /// Differs from the last value when another process (or another `Turnstile`) changed the file, or when the
    /// file was opened anew; changes through this `Turnstile` do not show. Costs about as much as two fcntl(2)
    /// locks and one small read.
    public func changeCounter() throws(TurnstileError) -> Int64 {
        try file.changeCounter()
    }
}
