import Platform

/// A call that a host knows of.
struct KnownCall: Equatable {
    var instant: BootTime
    var isBackground = false
    /// nil: nobody may have made it.
    var name: CallName?
    /// The host's own, made while it shared turns with nobody, and not told of for sure.
    var isUntold = false
}

/// What a host has the store list in the place of what it lists: a decision, without a clock and without a file.
///
/// What hosts have seen is in their files, and what one of them has made by itself, or saw over a store that has forgotten it since, the others learn from
/// the list. So a host that finds in it less than it knows puts a fuller one in its place. Each such list has all that the one before had, so hosts come to
/// an end with that.
struct Telling: Equatable {
    var epoch: String
    /// The number that is the last from then on: it counts as a call just now.
    var turn: Int64
    /// Newest first.
    var turns: [StoreReport.Turn]

    /// How many are kept where so many fill a window: twice as many calls, since hosts date them a little differently and none must fall out of one's list
    /// that counts in another's, and once as many that are only assumed.
    static func room(_ most: Int) -> Int { 3 * most }

    /// Whether a host has to tell what it knows.
    /// - Parameter calls: in the order of their instants.
    /// - Parameter since: what was made before counts no more.
    static func isDue(_ calls: [KnownCall], listed: [StoreReport.Turn], since: BootTime, most: Int) -> Bool {
        let listed = Set(listed.compactMap(\.name))
        func isMissing(_ call: KnownCall) -> Bool { call.instant > since && call.name.map { !listed.contains($0) } ?? false }
        // Whatever fills this host's window by its own reckoning, another's may be free. What this host only assumes fills nobody else's.
        return calls.contains { $0.isUntold && isMissing($0) } || calls.filter { $0.name != nil }.suffix(most).contains(where: isMissing)
    }
}

extension Telling {
    private struct Told {
        var turn: StoreReport.Turn
        var instant: BootTime
        var isUntold = false
    }

    /// - Parameters:
    ///   - calls: that the host knows of.
    ///   - report: what the store says, all of it.
    ///   - isFollowed: what the store says is true, and only not all. Else it has forgotten, and what was assumed is told, too.
    ///   - known: the last number that the host knows of.
    ///   - since: what was made before counts no more.
    ///   - word: one that no epoch has had.
    init(
        _ calls: [KnownCall], over report: StoreReport, isFollowed: Bool, known: Int64, since: BootTime, now: BootTime, most: Int,
        word: String
    ) {
        let last = max(known, report.turn, calls.compactMap { $0.name?.number }.max() ?? 0)
        // Of what is only assumed, who follows the store knows better.
        var told = calls.filter { $0.instant > since && !($0.name == nil && isFollowed) }.map { call in
            Told(
                turn: StoreReport.Turn(
                    number: call.name?.number ?? 0, gap: .zero, isBackground: call.isBackground, caller: call.name?.caller ?? ""),
                instant: min(call.instant, now), isUntold: call.isUntold)
        }
        if isFollowed {
            told += report.dated(now: now).filter { $0.turn.name == nil && $0.instant > since }.map {
                Told(turn: $0.turn, instant: $0.instant)
            }
        }
        told.sort { $0.instant < $1.instant }
        Self.cut(&told, most)
        turn = last + 1
        told.append(Told(turn: StoreReport.Turn(number: turn, gap: .zero, isBackground: false), instant: now))
        var before = told[0].instant
        for index in told.indices {
            told[index].turn.gap = told[index].instant - before
            before = told[index].instant
        }
        // Numbers that were left out would be calls to who follows them.
        epoch = isFollowed && last == report.turn ? "\(report.life).\(word)" : word
        turns = told.reversed().map(\.turn)
    }

    /// The oldest go that there is no room for, but for what nobody else can tell.
    private static func cut(_ told: inout [Told], _ most: Int) {
        var named = told.count { $0.turn.name != nil } - 2 * most
        var unnamed = told.count { $0.turn.name == nil } - (most - 1)
        told.removeAll { line in
            guard line.turn.name != nil else {
                unnamed -= 1
                return unnamed >= 0
            }
            if line.isUntold { return false }
            named -= 1
            return named >= 0
        }
    }
}
