/// For the command line.
extension Sessions {
    /// Everybody's open sessions, the newest first.
    public func all() throws -> [ShownSession] { try openSessions(of: nil, current: nil) }

    /// False where there is no such open session.
    public func end(session id: String) throws -> Bool {
        let now = clock.now()
        let hasEnded = try ledger.write(.background) { try $0.end(session: id, now: now) }
        if hasEnded { forgetRecords([id]) }
        return hasEnded
    }

    /// Ends all sessions of the user of that name, with every token that is not known here. nil where there is no such user.
    public func endAll(userNamed name: String) throws -> Int? {
        guard let row = try directory.account(named: name) else { return nil }
        let now = clock.now()
        let ended = try ledger.write(.background) { rows in
            try Settlement.settle(row.user.id, row: try directory.account(id: row.user.id), in: rows, now: now)
            return try endAll(row.user.id, except: nil, in: rows, now + 1000)
        }
        forgetRecords(ended)
        return ended.count
    }

    /// Refuses every token that was issued before now, whoever made it.
    public func endEverything() throws -> Int {
        let now = clock.now()
        let ended = try ledger.write(.background) { rows in
            try rows.refuseAll(before: now / 1000 + 1)
            return try rows.openSessions(of: nil, now: now).filter { try rows.end(session: $0.id, now: now) }.map(\.id)
        }
        forgetRecords(ended)
        return ended.count
    }
}
