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
    /// Why no call is made, and until when; the lock is held for a load or a store.
    private let outage = Mutex<(obstacle: Obstacle, end: MonotonicTime)?>(nil)
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

    /// No call is made until `end`. nil: calls are made again.
    func note(_ obstacle: Obstacle?, until end: MonotonicTime) { outage.withLock { $0 = obstacle.map { ($0, end) } } }

    /// Why no call is made, where the lookup thread has found so lately; for who has waited long enough.
    public func obstacle(now: MonotonicTime) -> Obstacle? {
        outage.withLock { outage in outage.flatMap { now < $0.end + Self.outageMargin ? $0.obstacle : nil } }
    }

    /// A pause is over, and what comes of the next call is not known yet.
    private static let outageMargin = Duration.seconds(2)

    package func stop() { put { $0.stopping = true } }

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
    case later(after: Duration, Obstacle)
    /// A lookup was not taken: the queue is full, or this client holds its share of it.
    case refused(Refusal, after: Duration)
    /// Spotify was asked and did not give an answer, or could not be asked.
    case failed(Obstacle, after: Duration)
}

/// Why an answer is not here, and whether that is a matter of waiting.
public struct Obstacle: Sendable, Equatable {
    public enum Kind: String, Sendable {
        /// Its turn has not come: the pace, the hour, others before it, a call that is under way.
        case turn
        /// Spotify has told this server to wait.
        case cooldown
        /// There are no credentials, or Spotify refuses them.
        case credentials
        /// Spotify refuses this account.
        case account
        /// This server cannot: its limiter's file or its database, no room, a restart.
        case server
        /// Spotify failed, or cannot be reached.
        case spotify
        /// Spotify did not answer in time.
        case timeout
    }

    public var kind: Kind
    /// For the caller and the log.
    public var words: String

    public init(_ kind: Kind, _ words: String) {
        self.kind = kind
        self.words = words
    }

    /// As the limiter's file keeps it for other workers: `<kind>|<words>`.
    var encoded: String { "\(kind.rawValue)|\(words)" }

    /// Text without a kind is an earlier version's.
    init(encoded text: String) {
        let parts = text.split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false)
        let kind = parts.count == 2 ? Kind(rawValue: String(parts[0])) : nil
        self.init(kind ?? .spotify, kind == nil ? text : String(parts[1]))
    }
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

extension RateLimiterStatus {
    /// Why no call is made, when that is not the pace.
    var outage: Obstacle? {
        if let cooldown {
            let words = cooldown.quotaExceeded ? "Spotify's quota is spent" : "Spotify has told this server to wait"
            return Obstacle(.cooldown, "\(words) until \(WallTime(milliseconds: cooldown.endsAt).text)")
        }
        if let refusal = accountRefusal { return Obstacle(.account, "Spotify refuses this account: \(refusal.reason)") }
        // What is wrong with it is the operator's to know.
        if shared?.fault != nil { return Obstacle(.server, "nothing is looked up: the store that the hosts share cannot be used") }
        return tokenOutage.map { Obstacle(.credentials, $0.reason) } ?? upstream.map { Obstacle(.spotify, $0.reason) }
    }
}
