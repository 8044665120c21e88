import Platform

/// How often Spotify may be called by all processes of the host together.
public struct RateLimit: Sendable, Equatable {
    /// At least this long from one call to the next.
    public var interval: Duration
    /// At most so many calls in any stretch of time as long as `window`.
    public var callsPerWindow: Int
    public var window: Duration
    /// The share of `callsPerWindow`, 0...1, that renewals and warming leave to callers.
    public var callerReserve: Double

    public init(
        interval: Duration = .seconds(2), callsPerWindow: Int = 1000, window: Duration = .seconds(3600),
        callerReserve: Double = 0.2
    ) {
        self.interval = interval
        self.callsPerWindow = callsPerWindow
        self.window = window
        self.callerReserve = callerReserve
    }

    /// Renewals and warming stop when the window holds so many calls of any kind.
    var backgroundLimit: Int {
        max(0, callsPerWindow - Int((Double(callsPerWindow) * callerReserve).rounded(.up)))
    }

    /// The length that is counted. Calls leave up to 50 ms after their grant and travel for a while, so the far
    /// side may see them closer together than they were granted: the window is longer by a 3600th, 50 ms at least.
    var countedWindow: Duration { window + max(.milliseconds(50), window / 3600) }

    /// The head start of the worker that made the last call: 30 ms, less when the pace is quick.
    var headStart: Duration { min(.milliseconds(30), interval / 10) }

    /// What makes this pace unusable; nil when it can be kept.
    var fault: String? {
        if interval < .zero { return "the interval between calls is negative" }
        if callsPerWindow < 1 { return "fewer than one call per window" }
        if window <= .zero { return "the window is empty" }
        if !(0...1).contains(callerReserve) { return "the callers' reserve is not a share between 0 and 1" }
        return nil
    }

    /// When the next call may be made for a caller, or for a renewal or warming.
    func nextSlot(background: Bool, history: History, blocks: Blocks) -> NextSlot {
        var nextSlot = NextSlot()
        nextSlot.wait(for: history.newest.map { $0 + interval }, .interval)
        nextSlot.wait(for: history.atLimit.map { $0 + countedWindow }, .hour)
        if background { nextSlot.wait(for: nextBackgroundSlot(history), .hour) }
        nextSlot.wait(for: blocks.outage, .backoff)
        nextSlot.wait(for: blocks.cooldown, .cooldown)
        return nextSlot
    }

    /// Whether a worker gets a slot now. Callers come first.
    static func decide(now: BootTime, callers: Candidate, background: Candidate, headStart: Duration) -> Decision {
        let first = callers.due(now: now, headStart: headStart)
        if let first, first.instant <= now { return .grant(background: false) }
        let second = background.due(now: now, headStart: headStart)
        if let second, second.instant <= now { return .grant(background: true) }
        guard let next = [first, second].compactMap({ $0 }).min(by: { $0.instant < $1.instant }) else { return .nothing }
        return .wait(until: next.instant, next.reason)
    }

    /// Renewals and warming may use their share of the window and no more. The first half of it as fast as the
    /// pace allows, the rest evenly spread: spent in one go, it would leave the callers with a full window for
    /// as long as it took to spend.
    private func nextBackgroundSlot(_ history: History) -> BootTime? {
        guard backgroundLimit > 0 else { return .never }
        let share = history.atShare.map { $0 + countedWindow }
        guard let half = history.atHalfShare, let newest = history.newestBackground else { return share }
        let spread = min(half + countedWindow, newest + countedWindow / backgroundLimit)
        return max(share ?? spread, spread)
    }
}

/// Which of the rules holds a permit back.
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

// When the next call may be made: arithmetic on instants, no clock and no file.
//
// Windows are half-open: a call at instant x is in every window [s, s + length) with s <= x < s + length, so it
// no longer counts from x + length on, and of `limit` calls the oldest must be that old before the next one.

/// The calls of the past that bear on the next one.
struct History: Equatable {
    var newest: BootTime?
    /// The newest that was a renewal or warming.
    var newestBackground: BootTime?
    /// The `callsPerWindow`-th newest: while it is in the window, the window is full.
    var atLimit: BootTime?
    /// The `backgroundLimit`-th newest: while it is in the window, what is left is the callers'.
    var atShare: BootTime?
    /// The newest but half of that.
    var atHalfShare: BootTime?

    /// The newest call left later than it was granted. A small window may know it under several names.
    mutating func move(_ granted: BootTime, to sent: BootTime) {
        for path in [\Self.newest, \.newestBackground, \.atLimit, \.atShare, \.atHalfShare] where self[keyPath: path] == granted {
            self[keyPath: path] = sent
        }
    }
}

/// Instants before which no call is made at all.
struct Blocks: Equatable {
    /// Spotify told us to wait until then.
    var cooldown: BootTime?
    /// Upstream could not be reached, or no token is to be had, until then.
    var outage: BootTime?
}

/// The first instant at which a slot is free, and the rule that says so.
struct NextSlot: Equatable {
    var instant = BootTime.always
    var reason: WaitReason = .interval

    mutating func wait(for other: BootTime?, _ reason: WaitReason) {
        guard let other, other > instant else { return }
        self = NextSlot(instant: other, reason: reason)
    }
}

/// The queue's side: when the first lookup of a kind is free to be taken.
struct ReadyLookup: Equatable {
    var instant: BootTime
    /// It is leased until then; else it is pausing after a failure.
    var isLeased: Bool
}

/// Openings and lookups of one kind, callers' or background.
struct Candidate: Equatable {
    var nextSlot: NextSlot
    /// Nil when nothing of that kind is queued.
    var ready: ReadyLookup?

    /// When a worker that has to give a head start may take it, and why not before.
    func due(now: BootTime, headStart: Duration) -> NextSlot? {
        guard let ready else { return nil }
        var due = nextSlot
        if headStart > .zero {
            due.instant = due.instant + headStart
            if nextSlot.instant <= now { due.reason = .turnOfAnother }
        }
        due.wait(for: ready.instant, ready.isLeased ? .turnOfAnother : .backoff)
        return due
    }
}

enum Decision: Equatable {
    case grant(background: Bool)
    case wait(until: BootTime, WaitReason)
    /// Nothing is queued.
    case nothing
}

extension BootTime {
    /// Before anything that can have happened: a slot that was always free.
    static let always = BootTime(nanoseconds: -BootTime.never.nanoseconds)
}
