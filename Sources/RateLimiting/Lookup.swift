import Platform

/// Why a lookup is in the queue. The order is the order of service.
public enum Priority: Int, Sendable, Comparable, CaseIterable {
    /// Somebody waits for it. Ranks as `unattended` from the moment nobody does (`Ask.attendedUntil`).
    case caller = 0
    /// Somebody asked for it and is not waiting (any more).
    case unattended = 1
    /// A record in use falls due.
    case renewal = 2
    /// Asked for by the operator, ahead of any use.
    case warming = 3

    public static func < (one: Priority, other: Priority) -> Bool { one.rawValue < other.rawValue }

    /// Served from what the callers' reserve leaves of the window.
    var isBackground: Bool { self >= .renewal }
}

/// A wish to have one key looked up.
public struct Ask: Sendable {
    /// What is to be looked up; equal keys are one lookup.
    public var key: String
    public var priority: Priority
    /// Who asks: callers are served in turn by this name. Not used for renewals and warming.
    public var client: String
    /// Until when somebody waits for the answer, in wall-clock milliseconds; 0 when nobody does.
    public var attendedUntil: Int64

    public init(key: String, priority: Priority, client: String, attendedUntil: Int64) {
        self.key = key
        self.priority = priority
        self.client = client
        self.attendedUntil = attendedUntil
    }
}

/// What became of an ask.
public enum Admission: Sendable, Equatable {
    /// In the queue with `ahead` lookups to be granted before it; its answer can be expected in `wait`. `wasQueued`: it was there, or
    /// being looked up, before it was asked for.
    case queued(ahead: Int, wait: Duration, wasQueued: Bool)
    /// Not in the queue; there should be room in `retryAfter`.
    case refused(Refusal, retryAfter: Duration)
}

public enum Refusal: Sendable, Equatable {
    /// The queue holds as many lookups of this kind as it may.
    case queueFull
    /// The client holds a quarter of the queue already.
    case clientShare
}

/// Where a lookup stands.
public enum LookupState: Sendable, Equatable {
    /// Not in the queue: done (the answer is in the cache), lapsed, or never asked for.
    case absent
    /// Not granted yet, or to be tried again after a failure.
    case waiting(ahead: Int, wait: Duration)
    /// A worker is fetching it.
    case leased
    /// Given up for the reason named. An ask before `retryAt` (wall-clock milliseconds) queues it again, to be
    /// granted no sooner than that.
    case failed(reason: String, retryAt: Int64)
}

/// The right to make one call, for one lookup. The slot is spent already.
public struct Lease: Sendable, Equatable {
    public let key: String
    /// Unique in the file and growing: an answer is stored only while this is still the lookup's number.
    public let number: Int64
    /// 1 for the lookup's first call; a lost permit is not counted.
    public let attempt: Int
    /// The rank in which it was granted.
    public let priority: Priority
    /// When the slot was spent.
    public let grantedAt: BootTime
    /// Other lookups that the same call asks for, under the same number; none of them has others.
    public let others: [Lease]
    /// How many things its call may ask for, itself included; 1 where each has a call of its own.
    public let places: Int
    /// A call that does not leave before that is not made.
    public let freshUntil: BootTime
    /// The number of the call among those of all hosts that share a store; nil where there is one host.
    public let turn: Int64?
    /// Until it was due; the rest of what its permit took was work.
    public internal(set) var waited = Duration.zero

    /// A slot is used within this time or lost: whoever sends later might send together with the next. Among several hosts it is less.
    public static let freshness: Duration = .milliseconds(50)

    public init(
        key: String, number: Int64, attempt: Int, priority: Priority, grantedAt: BootTime, others: [Lease] = [], places: Int = 1,
        freshUntil: BootTime? = nil, turn: Int64? = nil
    ) {
        self.key = key
        self.others = others
        self.places = places
        self.number = number
        self.attempt = attempt
        self.priority = priority
        self.grantedAt = grantedAt
        self.freshUntil = freshUntil ?? grantedAt + Self.freshness
        self.turn = turn
    }

    /// Whether the call may still begin.
    public func isFresh(now: BootTime) -> Bool { now <= freshUntil }
}

/// How a leased lookup went.
public enum LeaseResult: Sendable {
    /// Spotify answered, be it that there is no such thing. The lookup leaves the queue.
    case answered
    /// The same, and what was answered is the thing itself: Spotify serves this account. `known` is what may be asked for to see whether it
    /// still does; nil where that is no good for it.
    case served(known: String?)
    /// No answer to keep. With `final` the lookup is given up and says so until `retryAfter` has passed; else it
    /// waits in the queue and is granted again no sooner than that.
    case failed(reason: String, retryAfter: Duration, final: Bool)
    /// The call came to nothing that says anything of it: it is free again where it stood, and the attempt is not counted.
    /// `together`: how many may share its next call; nil: as many as may be.
    case givenBack(together: Int?)
}

/// The answer to a worker that asks for a permit.
public enum Permit: Sendable, Equatable {
    case granted(Lease)
    /// Nothing before that. A permit at exactly that moment is granted unless somebody else was first.
    case wait(Duration, WaitReason)
}

/// What `permit` would say.
public enum Prospect: Sendable, Equatable {
    case due
    case wait(Duration, WaitReason)
}
