import GRDB
import Platform

/// The calls that this host knows of, its own and the others', as they stand in `limiter.db` where turns are shared. `caller` says whose each is
/// (`CallName`): empty for one that is only assumed, NULL for one that this host made and has given no name yet.
extension Transaction {
    enum Observation {
        /// This host knows all that the store says.
        case current
        /// The same, and it has calls of its own that it may not have told of: all that is listed has to be asked for.
        case unlisted
        /// The store does not say all that this host knows: it has to be told.
        case untold
        /// A new life has to be founded; nothing was changed.
        case unfounded
    }

    /// What a host would have the store list, and what it assumes itself from then on.
    struct Draft {
        var telling: Telling
        var assumed: [SightedGrant]
        /// What it rests on.
        var known: SharedPosition?
    }

    /// Takes in what the store says.
    func observe(_ report: StoreReport, as host: String, rateLimit: RateLimit) throws -> Observation {
        try nameUntold(as: host, since: now - rateLimit.countedWindow)
        let known = try position()
        let isFollowed = known?.epoch == report.epoch && report.isContinuous
        let sighting = Sighting(
            known: known, calls: isFollowed ? [] : Set(try calls(of: host).compactMap(\.name)), report: report, now: now,
            interval: rateLimit.interval, most: rateLimit.callsPerWindow)
        guard case .grants(let grants) = sighting else { return .unfounded }
        try note(grants, rateLimit: rateLimit)
        let isNews = known?.epoch != report.epoch || known?.turn != report.turn || !grants.isEmpty
        if isNews || now - (known?.seen ?? now) > .seconds(10) {
            try set(SharedPosition(epoch: report.epoch, turn: report.turn, seen: now))
        }
        guard report.isWhole else { return try hasUntold(since: now - rateLimit.countedWindow) ? .unlisted : .current }
        let isDue = Telling.isDue(
            try calls(of: host), listed: report.turns, since: now - rateLimit.countedWindow, most: rateLimit.callsPerWindow)
        // An answer that was lost is made up for by the list itself.
        if !isDue { try noteTold() }
        return isDue ? .untold : .current
    }

    /// - Returns: nil where this host has not seen that report, or another one since.
    func draft(_ report: StoreReport, as host: String, isFollowed: Bool, rateLimit: RateLimit, word: String) throws -> Draft? {
        let since = now - rateLimit.countedWindow
        try nameUntold(as: host, since: since)
        let known = try position()
        if isFollowed, known?.epoch != report.epoch || known?.turn != report.turn { return nil }
        var assumed = [SightedGrant(instant: now)]
        if !isFollowed {
            let names = Set(try calls(of: host).compactMap(\.name))
            let sighted = Sighting.founding(
                over: report, known: known, calls: names, now: now, interval: rateLimit.interval, most: rateLimit.callsPerWindow)
            try note(sighted.listed, rateLimit: rateLimit)
            assumed = sighted.assumed
        }
        let calls = try calls(of: host)
        let telling = Telling(
            calls + assumed.dropLast().map { KnownCall(instant: $0.instant) }, over: report, isFollowed: isFollowed,
            known: known?.turn ?? 0,
            since: since, now: now, most: rateLimit.callsPerWindow, word: word)
        return Draft(telling: telling, assumed: assumed, known: known)
    }

    /// The store lists it now. Another process of this host may have seen so first, and has taken in what is assumed with the list.
    func adopt(_ draft: Draft, rateLimit: RateLimit) throws {
        try noteTold()
        let known = try position()
        guard known?.epoch == draft.known?.epoch, known?.turn == draft.known?.turn else { return }
        try note(draft.assumed, rateLimit: rateLimit)
        try set(SharedPosition(epoch: draft.telling.epoch, turn: draft.telling.turn, seen: now))
    }

    // MARK: Names

    /// Before a process has looked at the store. What `restore` took to be this host's calls of the last hour is told to the others, but where they know those:
    /// where the store still counts on this host, which has not said goodbye, and so made no call by itself.
    func beginSharing(as host: String, isListed: Bool, rateLimit: RateLimit) throws {
        if isListed { try run("UPDATE grants SET caller = '' WHERE caller IS NULL AND worker = '\(Self.assumedByRestore)'") }
        // The look that follows lists this host: who begins after it finds these named.
        try nameUntold(as: host, since: now - rateLimit.countedWindow)
    }

    /// Whether `restore` has left calls of which it is not known yet whether to tell them.
    func hasRestored() throws -> Bool {
        try one("SELECT 1 FROM grants WHERE caller IS NULL AND worker = '\(Self.assumedByRestore)' LIMIT 1", as: Int.self) != nil
    }

    /// Names what this host called by itself, before anybody is told of it: whatever becomes of the answer, the names stay. What was made before `since` counts
    /// no more and needs none. Their numbers are none of the store's.
    private func nameUntold(as host: String, since: BootTime) throws {
        let untold = try rows(
            """
            SELECT id FROM grants WHERE instant > ? AND caller IS NULL AND turn IS NULL AND worker <> '' AND substr(worker, 1, 1) <> '@'
            ORDER BY id
            """, [since])
        let caller = CallName.newCaller(of: host)
        for (place, row) in untold.enumerated() {
            try run("UPDATE grants SET caller = ?, turn = 0, untold = 1 WHERE id = ?", ["\(caller)-\(place + 1)", row[0] as Int64])
        }
    }

    private func hasUntold(since: BootTime) throws -> Bool {
        try one("SELECT 1 FROM grants WHERE untold AND instant > ? LIMIT 1", [since], as: Int.self) != nil
    }

    private func noteTold() throws { try run("UPDATE grants SET untold = 0 WHERE untold") }

    /// In the order of their ids, which is that of their instants.
    private func calls(of host: String) throws -> [KnownCall] {
        try rows("SELECT instant, background, \(Self.caller), turn, untold FROM grants ORDER BY id", ["host": host]).map { row in
            let (caller, turn) = (row[2] as String?, row[3] as Int64?)
            let name = if let caller, let turn, !caller.isEmpty { CallName(caller: caller, number: turn) } else { nil as CallName? }
            return KnownCall(instant: row[0], isBackground: row[1], name: name, isUntold: row[4])
        }
    }

    /// An earlier release, whose last workers may still be there, has it in the worker's place, and its own calls by the host's name.
    private static let caller = """
        CASE WHEN caller IS NOT NULL OR turn IS NULL OR worker = '' THEN caller
        WHEN substr(worker, 1, 1) = '@' THEN substr(worker, 2) ELSE :host END
        """

    // MARK: Calls of other hosts

    /// Instants grow with the ids, so one that was before the newest moves others.
    private func note(_ grants: [SightedGrant], rateLimit: RateLimit) throws {
        let newest = try one("SELECT instant FROM grants ORDER BY id DESC LIMIT 1", as: BootTime.self) ?? .always
        let past = grants.filter { $0.instant < newest }
        if !past.isEmpty { try insert(past, since: now - rateLimit.countedWindow) }
        for grant in grants where grant.instant >= newest {
            let id = try spend(at: grant.instant, background: grant.isBackground, worker: "", rateLimit: rateLimit)
            try run("UPDATE grants SET turn = ?, caller = ? WHERE id = ?", [grant.turn, grant.caller, id])
        }
    }

    /// The newest keeps its id, and ids have no gaps.
    private func insert(_ grants: [SightedGrant], since: BootTime) throws {
        struct Line {
            var instant: BootTime
            var isBackground: Bool
            var worker = ""
            var turn: Int64?
            var caller: String?
            var isUntold = false
        }
        let inserted = grants.filter { $0.instant > since }.map {
            Line(instant: $0.instant, isBackground: $0.isBackground, turn: $0.turn, caller: $0.caller)
        }
        guard !inserted.isEmpty, let newest = try one("SELECT max(id) FROM grants", as: Int64.self) else { return }
        let known = try rows("SELECT instant, background, worker, turn, caller, untold FROM grants ORDER BY id").map {
            Line(instant: $0[0], isBackground: $0[1], worker: $0[2], turn: $0[3], caller: $0[4], isUntold: $0[5])
        }
        let lines = (inserted + known.filter { $0.instant > since }).sorted { $0.instant < $1.instant }
        try run("DELETE FROM grants")
        for (place, line) in lines.reversed().enumerated() {
            try run(
                "INSERT INTO grants (id, instant, background, worker, turn, caller, untold) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [newest - Int64(place), line.instant, line.isBackground, line.worker, line.turn, line.caller, line.isUntold])
        }
    }

    /// Another process of this host may have seen this turn before the one whose it is has written it.
    func spend(_ name: CallName, background: Bool, worker: String, rateLimit: RateLimit) throws -> Int64 {
        let seen = try one("SELECT id FROM grants WHERE turn = ? AND caller = ?", [name.number, name.caller], as: Int64.self)
        if let id = seen {
            try run("UPDATE grants SET background = ?, worker = ? WHERE id = ?", [background, worker, id])
            try run("UPDATE grants SET instant = ? WHERE id = ? AND id = (SELECT max(id) FROM grants)", [now, id])
            return id
        }
        let id = try spend(at: now, background: background, worker: worker, rateLimit: rateLimit)
        try run("UPDATE grants SET turn = ?, caller = ? WHERE id = ?", [name.number, name.caller, id])
        return id
    }
}
