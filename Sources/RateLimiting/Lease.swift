/// The right to make one call, for one lookup. The slot is spent already.
public struct Lease: Sendable, Equatable {
    public let key: String
    /// Unique in the file and growing: an answer is stored only while this is still the lookup's number.
    public let number: Int64
    /// 1 for the lookup's first call; a lost turn is not counted.
    public let attempt: Int
    /// The rank in which it was granted.
    public let priority: Priority
    /// When the slot was spent: CLOCK_BOOTTIME in nanoseconds.
    public let grantedBoot: UInt64

    /// A slot is used within this time or lost: whoever sends later might send together with the next.
    public static let freshness: Duration = .milliseconds(50)

    public init(key: String, number: Int64, attempt: Int, priority: Priority, grantedBoot: UInt64) {
        self.key = key
        self.number = number
        self.attempt = attempt
        self.priority = priority
        self.grantedBoot = grantedBoot
    }

    /// Whether the call may still begin at `boot`, a reading of CLOCK_BOOTTIME in nanoseconds.
    public func isFresh(now boot: UInt64) -> Bool {
        boot <= grantedBoot || boot - grantedBoot <= UInt64(Self.freshness.inNanoseconds)
    }
}

/// How a leased lookup went.
public enum LeaseResult: Sendable {
    /// Spotify answered, be it that there is no such thing. The lookup leaves the queue.
    case answered
    /// No answer to keep. With `final` the lookup is given up and says so until `retryAfter` has passed; else it
    /// waits in the queue and is granted again no sooner than that.
    case failed(reason: String, retryAfter: Duration, final: Bool)
}

/// The answer to a worker that asks for a turn.
public enum Turn: Sendable, Equatable {
    case granted(Lease)
    /// Nothing before that. A turn at exactly that moment is granted unless somebody else was first.
    case wait(Duration, WaitReason)
}

/// What `turn` would say.
public enum Prospect: Sendable, Equatable {
    case due
    case wait(Duration, WaitReason)
}

/// Which of the rules holds a turn back.
public enum WaitReason: Sendable, Equatable {
    /// Nothing is queued. The wait named is only when to look again, in case that a worker of another process
    /// left something behind.
    case empty
    /// The last call was less than the interval ago.
    case interval
    /// The window is full.
    case hour
    /// Spotify told us to wait.
    case cooldown
    /// Due, but the worker that made the last call has a head start; or everything that is queued is leased.
    case turnOfAnother
    /// Upstream cannot be reached, or all that is queued failed lately.
    case backoff
}
