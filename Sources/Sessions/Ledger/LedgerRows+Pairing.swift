import GRDB

extension LedgerRows {
    /// False where the same code is in use.
    func insert(pairCode hash: TokenHash, session: String, userID: Int64, until: Int64, now: Int64) throws -> Bool {
        try execute("DELETE FROM pairCode WHERE untilAt <= ?", [now])
        try execute(
            "INSERT OR IGNORE INTO pairCode (hash, sessionID, userID, untilAt) VALUES (?, ?, ?, ?)", [hash.data, session, userID, until])
        return db.changesCount == 1
    }

    /// Takes the code out: whoever does so has redeemed it. The session that it belongs to, if it is still open.
    func take(pairCode hash: TokenHash, now: Int64) throws -> KnownSession? {
        let sql = "SELECT sessionID FROM pairCode WHERE hash = ? AND untilAt > ?"
        guard let id = try String.fetchOne(db.cachedStatement(sql: sql), arguments: [hash.data, now]) else { return nil }
        try execute("DELETE FROM pairCode WHERE hash = ?", [hash.data])
        guard let session = try session(id), session.endedAt == nil else { return nil }
        return session
    }
}
