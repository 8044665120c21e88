import Platform
import RateLimiting
import Synchronization

/// Where event threads leave what the lookup thread shall do: in memory, without a write to SQLite and without waiting.
///
/// The contents are the only shared state; their lock is held for an append or a swap.
public final class LookupInbox: Sendable {
    struct Contents: Sendable {
        var arrivals: [Waiter] = []
        var departures: [UInt64] = []
        /// Records that were served although they were due, with that time.
        var due: [Resource: WallTime] = [:]
        /// Records that were served.
        var used = PendingUses()
        var stopping = false
        fileprivate var rung = false
    }

    private let contents = Mutex(Contents())
    private let lastNumber = Atomic<UInt64>(0)
    /// Signalled when something was left.
    let bell: EventFD

    public init() throws(SystemError) { bell = try EventFD() }

    /// Waits for lookups of `resources`, and has those queued that nobody has yet.
    /// - Parameters:
    ///   - deadline: how long the caller is patient.
    ///   - tell: called once on the lookup thread, unless the number is given to `leave` before.
    /// - Returns: the number to leave with.
    public func wait(
        for resources: [Resource], client: String, until deadline: MonotonicTime, tell: @escaping @Sendable (WaitOutcome) -> Void
    ) -> UInt64 {
        let number = lastNumber.add(1, ordering: .relaxed).newValue
        put { $0.arrivals.append(Waiter(number: number, resources: resources, client: client, deadline: deadline, tell: tell)) }
        return number
    }

    /// The caller does not wait any more; the lookup stays queued for who comes next.
    public func leave(_ number: UInt64) { put { $0.departures.append(number) } }

    /// A record that was due at `dueAt` was served: renew it when nobody waits for anything.
    func noteDue(_ resource: Resource, since dueAt: WallTime) { put { $0.due[resource] = dueAt } }

    /// A record was served: it is in use. Not worth waking the thread for.
    func noteUse(_ key: [UInt8]) { contents.withLock { $0.used.add(key) } }

    func stop() { put { $0.stopping = true } }

    private func put(_ change: (inout Contents) -> Void) {
        let ring = contents.withLock { contents in
            change(&contents)
            defer { contents.rung = true }
            return !contents.rung
        }
        if ring { bell.signal() }
    }

    /// Everything that was left since the last time.
    func collect() -> Contents {
        contents.withLock { contents in
            defer { contents = Contents(stopping: contents.stopping) }
            return contents
        }
    }
}

/// How waiting for lookups ended, as far as one caller of this worker is concerned.
public enum WaitOutcome: Sendable, Equatable {
    /// The cache knows more now: read again. `joined` when every call was made for somebody else's request.
    case finished(joined: Bool)
    /// Nothing will come within the caller's patience; the lookups stay queued, so that a retry is a hit.
    case later(after: Duration, reason: String)
    /// A lookup was not taken: the queue is full, or this client holds its share of it.
    case refused(Refusal, after: Duration)
    /// Spotify was asked and did not give an answer, or could not be asked.
    case failed(reason: String, after: Duration)
}

/// One caller's interest in one or more lookups.
struct Waiter: Sendable {
    var number: UInt64
    /// What it has to wait for.
    var resources: [Resource]
    /// Who is charged for the places in the queue: the session's user, else the address.
    var client: String
    var deadline: MonotonicTime
    /// Called once, on the lookup thread.
    var tell: @Sendable (WaitOutcome) -> Void
}
