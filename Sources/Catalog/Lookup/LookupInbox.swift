import Platform
import RateLimiting
import Synchronization

/// Where event threads leave what the lookup thread shall do: in memory, without a write to SQLite and without waiting.
///
/// The tray is the only shared state; its lock is held for an append or a swap.
public final class LookupInbox: Sendable {
    struct Contents: Sendable {
        var arrivals: [Waiter] = []
        var departures: [UInt64] = []
        /// Records that were served although they were due, with that time.
        var due: [Resource: Int64] = [:]
        /// Records that were served.
        var used = PendingUses()
        var stopping = false
        var rung = false
    }

    private let contents = Mutex(Contents())
    private let lastNumber = Atomic<UInt64>(0)
    /// Signalled when there is something in the tray. Without one the thread looks when its longest wait is over.
    let bell = try? EventFD()

    public init() {}

    /// Waits for lookups of `resources`, and has those queued that nobody has yet.
    /// - Parameters:
    ///   - deadline: CLOCK_MONOTONIC nanoseconds, until which the caller is patient.
    ///   - settle: called once on the lookup thread, unless the number is given to `leave` before.
    /// - Returns: the number to leave with.
    public func wait(
        for resources: [Resource], client: String, until deadline: UInt64, settle: @escaping @Sendable (WaitOutcome) -> Void
    ) -> UInt64 {
        let number = lastNumber.add(1, ordering: .relaxed).newValue
        put { $0.arrivals.append(Waiter(number: number, resources: resources, client: client, deadline: deadline, settle: settle)) }
        return number
    }

    /// The caller does not wait any more; the lookup stays queued for who comes next.
    public func leave(_ number: UInt64) { put { $0.departures.append(number) } }

    /// A record that was due at `dueAt` (wall-clock milliseconds) was served: renew it when nobody waits for anything.
    func noteDue(_ resource: Resource, since dueAt: Int64) { put { $0.due[resource] = dueAt } }

    /// A record was served: it is in use. Not worth waking the thread for.
    func noteUse(_ key: [UInt8]) { contents.withLock { $0.used.add(key) } }

    public func stop() { put { $0.stopping = true } }

    private func put(_ change: (inout Contents) -> Void) {
        let ring = contents.withLock { contents in
            change(&contents)
            defer { contents.rung = true }
            return !contents.rung
        }
        if ring { bell?.signal() }
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
public enum WaitOutcome: Sendable {
    /// The cache knows more now: read again. `joined` when every call was made for somebody else's request.
    case settled(joined: Bool)
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
    var resources: [Resource]
    /// Who is charged for the places in the queue: the session's user, else the address.
    var client: String
    /// CLOCK_MONOTONIC nanoseconds.
    var deadline: UInt64
    /// Called once, on the lookup thread.
    var settle: @Sendable (WaitOutcome) -> Void
}
