import GRDB
import Platform

/// The calls that this host knows of, its own and the others', as they stand in `limiter.db` where turns are shared: a call of another host has `@` and
/// its name in the worker's place, one that is only assumed has nothing there.
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

    /// Takes in what the store says.
    func observe(_ report: StoreReport, as host: String, rateLimit: RateLimit) throws -> Observation {
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
        let (since, most) = (now - rateLimit.countedWindow, rateLimit.callsPerWindow)
        guard report.isWhole else { return try hasUntold(since: since) ? .unlisted : .current }
        return Telling.isDue(try calls(of: host), listed: report.turns, since: since, most: most) ? .untold : .current
    }

    /// What this host would have the store list, and what it assumes itself from then on; nil: it has not seen that report, or another one since.
    func telling(
        _ report: StoreReport, as host: String, isFollowed: Bool, rateLimit: RateLimit, word: String
    ) throws -> (telling: Telling, assumed: [SightedGrant])? {
        let known = try position()
        if isFollowed, known?.epoch != report.epoch || known?.turn != report.turn { return nil }
        let calls = try calls(of: host)
        var assumed = [SightedGrant(instant: now)]
        if !isFollowed {
            if let known {
                assumed = Sighting.assumed(from: known.seen, to: now, interval: rateLimit.interval, most: rateLimit.callsPerWindow)
            } else if calls.isEmpty {
                assumed = [SightedGrant(instant: Sighting.strangersCall(now, rateLimit.interval))]
            }
        }
        let telling = Telling(
            calls + assumed.dropLast().map { KnownCall(instant: $0.instant, origin: .assumed) }, of: host, over: report,
            isFollowed: isFollowed,
            known: known?.turn ?? 0, since: now - rateLimit.countedWindow, now: now, most: rateLimit.callsPerWindow, word: word)
        return (telling, assumed)
    }

    /// The store lists it now.
    func adopt(_ telling: Telling, _ assumed: [SightedGrant], rateLimit: RateLimit) throws {
        let untold = try rows("SELECT id FROM grants WHERE instant > ? AND \(Self.isUntold) ORDER BY id", [telling.since])
        for (place, row) in untold.enumerated() {
            try run("UPDATE grants SET turn = ? WHERE id = ?", [telling.firstUntold + Int64(place), row[0] as Int64])
        }
        try note(assumed, rateLimit: rateLimit)
        try set(SharedPosition(epoch: telling.epoch, turn: telling.turn, seen: now))
    }

    /// In the order of their ids, which is that of their instants.
    private func calls(of host: String) throws -> [KnownCall] {
        try rows("SELECT instant, background, worker, turn, \(Self.isUntold) FROM grants ORDER BY id").map { row in
            let (worker, turn) = (row[2] as String, row[3] as Int64?)
            var origin = row[4] ? KnownCall.Origin.untold : .assumed
            if let turn, !worker.isEmpty {
                origin = .named(CallName(host: worker.hasPrefix("@") ? String(worker.dropFirst()) : host, number: turn))
            }
            return KnownCall(instant: row[0], isBackground: row[1], origin: origin)
        }
    }

    private func hasUntold(since: BootTime) throws -> Bool {
        try one("SELECT 1 FROM grants WHERE instant > ? AND \(Self.isUntold) LIMIT 1", [since], as: Int.self) != nil
    }

    private static let isUntold = "(turn IS NULL AND worker NOT IN ('', '\(assumedByRestore)') AND substr(worker, 1, 1) <> '@')"

    // MARK: Calls of other hosts

    /// Instants grow with the ids, so one that was before the newest moves others.
    private func note(_ grants: [SightedGrant], rateLimit: RateLimit) throws {
        let newest = try one("SELECT instant FROM grants ORDER BY id DESC LIMIT 1", as: BootTime.self) ?? .always
        let past = grants.filter { $0.instant < newest }
        if !past.isEmpty { try insert(past, since: now - rateLimit.countedWindow) }
        for grant in grants where grant.instant >= newest {
            let id = try spend(at: grant.instant, background: grant.isBackground, worker: grant.worker, rateLimit: rateLimit)
            try run("UPDATE grants SET turn = ? WHERE id = ?", [grant.turn, id])
        }
    }

    /// The newest keeps its id, and ids have no gaps.
    private func insert(_ grants: [SightedGrant], since: BootTime) throws {
        struct Line {
            var instant: BootTime
            var isBackground: Bool
            var worker: String
            var turn: Int64?
        }
        let inserted = grants.filter { $0.instant > since }.map {
            Line(instant: $0.instant, isBackground: $0.isBackground, worker: $0.worker, turn: $0.turn)
        }
        guard !inserted.isEmpty, let newest = try one("SELECT max(id) FROM grants", as: Int64.self) else { return }
        let known = try rows("SELECT instant, background, worker, turn FROM grants ORDER BY id").map {
            Line(instant: $0[0], isBackground: $0[1], worker: $0[2], turn: $0[3])
        }
        let lines = (inserted + known.filter { $0.instant > since }).sorted { $0.instant < $1.instant }
        try run("DELETE FROM grants")
        for (place, line) in lines.reversed().enumerated() {
            try run(
                "INSERT INTO grants (id, instant, background, worker, turn) VALUES (?, ?, ?, ?, ?)",
                [newest - Int64(place), line.instant, line.isBackground, line.worker, line.turn])
        }
    }

    /// Another process of this host may have seen this turn before the one whose it is has written it.
    func spend(turn: Int64, background: Bool, worker: String, rateLimit: RateLimit) throws -> Int64 {
        if let newest = try row("SELECT id, turn FROM grants ORDER BY id DESC LIMIT 1"), newest[1] as Int64? == turn {
            let id: Int64 = newest[0]
            try run("UPDATE grants SET instant = ?, background = ?, worker = ? WHERE id = ?", [now, background, worker, id])
            return id
        }
        let id = try spend(at: now, background: background, worker: worker, rateLimit: rateLimit)
        try run("UPDATE grants SET turn = ? WHERE id = ?", [turn, id])
        return id
    }
}

extension SightedGrant {
    fileprivate var worker: String { host.isEmpty ? "" : "@\(host)" }
}
