import Platform

/// Which call it was, whatever becomes of the store and of the host's file.
struct CallName: Hashable {
    /// The host's name and a word, `kitchen.qwertyuiop`. Every process draws a word of its own and is given no number twice. So a host that is renamed knows its
    /// calls, and one that is made anew under an old name does not make those of the old one.
    var caller: String
    var number: Int64

    static func newCaller(of host: String) -> String { "\(host).\(RandomName.letters(bits: 50))" }

    /// The name that the host had.
    static func host(of caller: String) -> String { caller.lastIndex(of: ".").map { String(caller[..<$0]) } ?? caller }

    /// - Returns: empty where it is none; a host of an earlier release drew no word.
    static func caller(_ text: some StringProtocol) -> String {
        String(text).isHostName || host(of: String(text)).isHostName && text.utf8.count < 128 ? String(text) : ""
    }
}

/// How far a host has followed the turns that the store gives out.
struct SharedPosition: Equatable {
    /// Which list of the store's the number is of; as `StoreReport.epoch`.
    var epoch: String
    /// The last turn that this host knows of.
    var turn: Int64
    /// When the store last said so.
    var seen: BootTime
}

/// What the store says of itself.
struct StoreReport: Equatable {
    struct Turn: Equatable {
        var number: Int64
        /// From the turn before to this one, by the clock of the host that has this one: never more than it was.
        var gap: Duration
        var isBackground: Bool
        /// As `CallName` has it; empty: it is only assumed, or not known any more.
        var caller = ""

        /// nil: it cannot be told from others.
        var name: CallName? { caller.isEmpty ? nil : CallName(caller: caller, number: number) }
    }

    /// A word for the life of the store; after a point another one for each list that a host has put in the place of the one before, without a number lost.
    /// Empty: nothing has been founded there.
    var epoch: String
    var turn: Int64
    /// Newest first: those since the number that was asked from, or all that are kept.
    var turns: [Turn] = []
    /// All that are kept.
    var isWhole = false
    /// At least so long ago the newest was, as a host says that has followed the store since.
    var idle = Duration.zero
    /// Whether it is the server that it was, as far as it can tell: it has not been started anew, and was not exchanged.
    var isSameServer = true
    /// Whether the number can be believed to have only grown since the last look.
    var isContinuous = true

    var life: Substring { Self.life(of: epoch) }
    static func life(of epoch: String) -> Substring { epoch.prefix { $0 != "." } }

    /// Each with its instant: the newest at this moment or as long ago as is told, each other as much earlier. Newest first.
    func dated(now: BootTime) -> [(turn: Turn, instant: BootTime)] {
        var instant = now - idle
        return turns.map { turn in
            defer { instant = instant - max(turn.gap, .zero) }
            return (turn, instant)
        }
    }
}

/// A call of another host, or one that may have been made, by this host's clock.
struct SightedGrant: Equatable {
    var instant: BootTime
    /// Its number; nil for one that is only assumed.
    var turn: Int64?
    var isBackground = false
    /// As `CallName` has it; empty: not known.
    var caller = ""
}

/// What a host makes of what the store says: a decision, without a clock and without a file.
///
/// Whoever asks for turn n+1 has itself seen turn n, and by its own clock an interval has passed since. So a grant is dated when it was seen, never
/// earlier than it was; and what a host did not see, it assumes to have been as late and as often as the pace allows.
enum Sighting: Equatable {
    /// The store knows nothing, or less than this host: a new epoch has to be founded above all that is known.
    case unfounded
    /// In the order of their instants.
    case grants([SightedGrant])

    /// - Parameter calls: those that the host knows of; of no account where it has followed this very list.
    /// - Parameter most: so many calls fill a window; more need not be known.
    init(known: SharedPosition?, calls: Set<CallName>, report: StoreReport, now: BootTime, interval: Duration, most: Int) {
        guard !report.epoch.isEmpty, report.isSameServer else {
            self = .unfounded
            return
        }
        guard let known else {
            self = .grants(Self.new(report, besides: calls, now: now, interval: interval, most: most))
            return
        }
        let isSameLife = StoreReport.life(of: known.epoch) == report.life
        guard !isSameLife || report.turn >= known.turn else {
            self = .unfounded
            return
        }
        guard isSameLife, report.isContinuous else {
            // What is listed may have been long before, and so is no part of what is assumed.
            let listed = report.dated(now: now).filter { $0.turn.name.map { !calls.contains($0) } ?? false }.prefix(most)
            let assumed = Self.assumed(from: known.seen, to: now, interval: interval, most: most)
            self = .grants((listed.map { SightedGrant($0, at: $1) } + assumed).sorted { $0.instant < $1.instant })
            return
        }
        // In the place of the list that was followed there may be one with calls that had not been told.
        let isFollowed = known.epoch == report.epoch
        // Whoever has just looked need not believe for how long nobody has called; and a turn that is new is none from before the last look.
        var report = report
        if now - known.seen < Self.freshness { report.idle = .zero }
        let listed = report.dated(now: now).filter { turn, _ in
            turn.number > known.turn || !isFollowed && turn.name.map { !calls.contains($0) } ?? false
        }.map { turn, instant in (turn: turn, instant: turn.number > known.turn ? max(instant, known.seen) : instant) }
        let counted = listed.filter { $0.turn.number > known.turn }
        let missing = max(0, Int(clamping: report.turn - known.turn) - counted.count)
        var instant = counted.last.map { $0.instant - max($0.turn.gap, .zero) } ?? now
        var unlisted: [SightedGrant] = []
        for _ in 0..<max(0, min(missing, most - listed.count)) {
            unlisted.append(SightedGrant(instant: instant))
            instant = instant - interval
        }
        self = .grants(
            (unlisted.reversed() + listed.prefix(most).reversed().map { SightedGrant($0, at: $1) }).sorted { $0.instant < $1.instant })
    }

    /// Hosts look once a second, and write it down every ten.
    private static let freshness = Duration.seconds(30)

    /// A host that is new assumes a call just now; the others as far ago as they are said to be.
    private static func new(
        _ report: StoreReport, besides calls: Set<CallName>, now: BootTime, interval: Duration, most: Int
    ) -> [SightedGrant] {
        let listed = report.dated(now: now).filter { $0.turn.name.map { !calls.contains($0) } ?? true }.prefix(most)
        let grants = listed.reversed().map { SightedGrant($0, at: $1) }
        guard !calls.isEmpty || listed.contains(where: { $0.turn.name != nil }) else {
            return grants + [SightedGrant(instant: strangersCall(now, interval))]
        }
        return listed.first?.instant == now ? grants : grants + [SightedGrant(instant: now)]
    }

    /// What a host reckons with that founds a new life over a store which has forgotten something, or may have: the calls that are listed there were made,
    /// whichever server lists them, and as far as the host has been blind somebody may have called.
    static func founding(
        over report: StoreReport, known: SharedPosition?, calls: Set<CallName>, now: BootTime, interval: Duration, most: Int
    ) -> (listed: [SightedGrant], assumed: [SightedGrant]) {
        var report = report
        report.idle = .zero
        let lines = report.dated(now: now).prefix(most)
        let listed = lines.filter { $0.turn.name.map { !calls.contains($0) } ?? false }.reversed().map { SightedGrant($0, at: $1) }
        if let known { return (listed, assumed(from: known.seen, to: now, interval: interval, most: most)) }
        guard !calls.isEmpty || !lines.isEmpty else { return ([], [SightedGrant(instant: strangersCall(now, interval))]) }
        return (listed, lines.filter { $0.turn.name == nil }.reversed().map { SightedGrant(instant: $1) } + [SightedGrant(instant: now)])
    }

    /// Where neither the store nor this host knows of a call, others may, that look once a second and tell what they know. Until they have it counts
    /// as if somebody called.
    static func strangersCall(_ now: BootTime, _ interval: Duration) -> BootTime { now + max(.zero, .seconds(3) - interval) }

    /// Blind from one instant to another: somebody may have called all the while, up to the last moment.
    static func assumed(from: BootTime, to: BootTime, interval: Duration, most: Int) -> [SightedGrant] {
        var grants: [SightedGrant] = []
        var instant = to
        while instant >= from || grants.isEmpty, grants.count < most {
            grants.append(SightedGrant(instant: instant))
            // Without an interval nothing but the window bounds the pace.
            if interval > .zero { instant = instant - interval }
        }
        return grants.reversed()
    }
}

extension SightedGrant {
    fileprivate init(_ turn: StoreReport.Turn, at instant: BootTime) {
        self.init(instant: instant, turn: turn.number, isBackground: turn.isBackground, caller: turn.caller)
    }
}

/// Which other hosts there are, and which of them are silent. A host that went without a goodbye may be calling where nobody here can see it: with
/// another store, cut off from this one. So while S hosts are silent the pace is divided by 1 + S, on each side, and all sides together keep to it.
struct HostWatch: Equatable {
    private struct Host: Equatable {
        /// How often it had looked at the store; nil: it has not in this epoch.
        var beat: String?
        /// When it looked last, while this host watched.
        var heard: BootTime
        /// When this beat was first seen.
        var listed = BootTime.always
    }

    private var hosts: [String: Host] = [:]
    private var epoch = ""
    private var epochBegan = BootTime(nanoseconds: 0)

    /// Who has not looked for so long is silent; hosts look once a second.
    static let patience = Duration.seconds(10)

    /// - Parameter known: hosts of before, and when each was heard of last.
    init(known: [String: BootTime] = [:]) {
        hosts = known.mapValues { Host(beat: nil, heard: $0) }
    }

    /// Takes in how often each host has looked.
    mutating func note(_ beats: [String: String], of epoch: String, besides own: String, now: BootTime) {
        if epoch != self.epoch {
            (self.epoch, epochBegan) = (epoch, now)
            for name in hosts.keys { hosts[name]?.beat = nil }
        }
        for (name, beat) in beats where name != own {
            guard let host = hosts[name], let last = host.beat else {
                // Whether it is alive shows when it looks again; one that was never seen to is none.
                hosts[name] = Host(beat: beat, heard: hosts[name]?.heard ?? .always, listed: now)
                continue
            }
            if last != beat { hosts[name] = Host(beat: beat, heard: now, listed: now) }
        }
        // Who was heard in this epoch and is not listed any more has said goodbye.
        hosts = hosts.filter { $0.value.beat == nil || beats[$0.key] != nil }
    }

    /// How many were heard of within the window and are not now.
    func silent(now: BootTime, window: Duration) -> Int {
        hosts.values.count { now - $0.heard < window && ($0.beat == nil || now - $0.heard > Self.patience) }
    }

    /// While it is not known yet whether those are silent: nobody calls. nil: it is known.
    func undecided(now: BootTime, window: Duration) -> BootTime? {
        let end = epochBegan + Self.patience
        return now < end && hosts.values.contains { $0.beat == nil && now - $0.heard < window } ? end : nil
    }

    /// It has looked lately, while this host watched.
    func isAlive(_ name: String, now: BootTime) -> Bool {
        hosts[name].map { $0.beat != nil && now - $0.heard <= Self.patience } ?? false
    }

    /// It is alive, or it is not known yet that it is not.
    func mayBeAlive(_ name: String, now: BootTime) -> Bool {
        hosts[name].map { $0.beat != nil && now - $0.listed <= Self.patience } ?? false
    }

    /// Somebody said that the machine is gone for good.
    mutating func forget(_ name: String) { hosts[name] = nil }

    var heard: [String: BootTime] { hosts.mapValues(\.heard).filter { $0.value > .always } }

    /// The pace that is left to this side.
    static func share(of rateLimit: RateLimit, silent: Int) -> RateLimit {
        var share = rateLimit
        share.interval = rateLimit.interval * (1 + silent)
        share.callsPerWindow = max(1, rateLimit.callsPerWindow / (1 + silent))
        return share
    }
}
