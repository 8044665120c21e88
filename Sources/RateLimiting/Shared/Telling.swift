import Platform

/// A call that a host knows of.
struct KnownCall: Equatable {
    enum Origin: Equatable {
        case named(CallName)
        /// The host's own, made while it shared turns with nobody.
        case untold
        /// Nobody may have made it.
        case assumed
    }

    var instant: BootTime
    var isBackground = false
    var origin: Origin

    var name: CallName? { if case .named(let name) = origin { name } else { nil } }
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
    /// The number of the first call that was untold; each of the others has the next one.
    var firstUntold: Int64
    /// What was made before counts no more, and has no number.
    var since: BootTime

    /// How many are kept where so many fill a window: twice as many calls, since hosts date them a little differently and none must fall out of one's list
    /// that counts in another's, and once as many that are only assumed.
    static func room(_ most: Int) -> Int { 3 * most }

    /// Whether a host has to tell what it knows.
    /// - Parameter calls: in the order of their instants.
    /// - Parameter since: what was made before counts no more.
    static func isDue(_ calls: [KnownCall], listed: [StoreReport.Turn], since: BootTime, most: Int) -> Bool {
        // Whatever fills this host's window by its own reckoning, another's may be free.
        if calls.contains(where: { $0.origin == .untold && $0.instant > since }) { return true }
        let listed = Set(listed.compactMap(\.name))
        // What this host only assumes fills nobody else's window.
        return calls.filter { $0.origin != .assumed }.suffix(most).contains { call in
            guard call.instant > since else { return false }
            return call.name.map { !listed.contains($0) } ?? false
        }
    }
}

extension Telling {
    /// - Parameters:
    ///   - calls: of the host, in the order of their numbers in its file.
    ///   - report: what the store says, all of it.
    ///   - isFollowed: what the store says is true, and only not all. Else it has forgotten, and what was assumed is told, too.
    ///   - known: the last number that the host knows of.
    ///   - word: one that no epoch has had.
    init(
        _ calls: [KnownCall], of host: String, over report: StoreReport, isFollowed: Bool, known: Int64, since: BootTime, now: BootTime,
        most: Int,
        word: String
    ) {
        let last = max(known, report.turn, calls.compactMap { $0.name?.number }.max() ?? 0)
        var number = last
        var told: [(turn: StoreReport.Turn, instant: BootTime)] = []
        for call in calls {
            let name: CallName
            switch call.origin {
            case .named(let own): name = own
            case .untold:
                guard call.instant > since else { continue }
                number += 1
                name = CallName(host: host, number: number)
            case .assumed:
                // Who follows the store knows better.
                if isFollowed { continue }
                name = CallName(host: "", number: 0)
            }
            told.append((StoreReport.Turn(number: name.number, gap: .zero, isBackground: call.isBackground, host: name.host), call.instant))
        }
        if isFollowed { told += report.dated(now: now).filter { $0.turn.name == nil } }
        told = told.filter { $0.instant > since }.map { ($0, min($1, now)) }.sorted { $0.instant < $1.instant }
        var (named, unnamed) = (told.count { $0.turn.name != nil }, told.count { $0.turn.name == nil })
        told.removeAll { turn, _ in
            if turn.name != nil { named -= 1 } else { unnamed -= 1 }
            return turn.name != nil ? named >= 2 * most : unnamed >= most - 1
        }
        told.append((StoreReport.Turn(number: number + 1, gap: .zero, isBackground: false), now))
        var before = told[0].instant
        for index in told.indices {
            told[index].turn.gap = told[index].instant - before
            before = told[index].instant
        }
        // Numbers that were left out would be calls to who follows them.
        epoch = isFollowed && last == report.turn ? "\(report.life).\(word)" : word
        turn = number + 1
        turns = told.reversed().map(\.turn)
        firstUntold = last + 1
        self.since = since
    }
}
