import GRDB

extension LedgerRows {
    func begin(session id: String, userID: Int64, now: Int64) throws {
        try execute("INSERT INTO session (id, userID, beganAt) VALUES (?, ?, ?)", [id, userID, now])
    }

    /// A token of ours.
    func add(_ token: FreshToken, to session: String) throws {
        try execute(
            "INSERT OR IGNORE INTO token (hash, sessionID, kind, expiresAt) VALUES (?, ?, ?, ?)",
            [token.hash.data, session, token.kind.rawValue, token.expiresAt])
    }

    /// Whether a session may have further tokens. None is forgotten before it has expired: it would be a stranger's then, and good again.
    func hasRoom(in session: String, for count: Int) throws -> Bool {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM token WHERE sessionID = ? LIMIT ?)"
        let known = try Int.fetchOne(db.cachedStatement(sql: sql), arguments: [session, Self.mostTokens]) ?? 0
        return known + count <= Self.mostTokens
    }

    /// Of one session, those of the last thirty-one days: a refresh every nine minutes, or 2 MB.
    static let mostTokens = 10_000

    /// A token that swingmusic made.
    func adopt(_ token: Token, into session: String) throws {
        try execute(
            "INSERT OR IGNORE INTO token (hash, sessionID, kind, expiresAt, adoptedIssuedAt) VALUES (?, ?, ?, ?, ?)",
            [token.hash.data, session, token.claims.kind.rawValue, token.claims.expiresAt, token.claims.issuedAt])
    }

    /// The session of the token that swingmusic made together with this one. A login there makes an access and a refresh token in the
    /// same second; nothing else ties them. One that has its pair already is not meant.
    func sessionOfTwin(_ token: Token, userID: Int64) throws -> KnownSession? {
        guard let issuedAt = token.claims.issuedAt else { return nil }
        let sql = """
            SELECT s.id, s.userID, s.beganAt, s.endedAt FROM session s JOIN token t ON t.sessionID = s.id
            WHERE s.userID = ?1 AND t.adoptedIssuedAt = ?2 AND t.kind = 1 - ?3 AND NOT EXISTS (
                SELECT 1 FROM token o WHERE o.sessionID = s.id AND o.adoptedIssuedAt = ?2 AND o.kind = ?3)
            ORDER BY s.endedAt IS NOT NULL, s.beganAt LIMIT 1
            """
        return try Row.fetchOne(
            db.cachedStatement(sql: sql), arguments: [userID, issuedAt, token.claims.kind.rawValue]
        ).map(Self.session)
    }

    func session(_ id: String) throws -> KnownSession? {
        let sql = "SELECT id, userID, beganAt, endedAt FROM session WHERE id = ?"
        return try Row.fetchOne(db.cachedStatement(sql: sql), arguments: [id]).map(Self.session)
    }

    /// Those that have not ended and have a token that is still good, the newest first.
    /// - Parameter userID: nil for everybody's.
    func openSessions(of userID: Int64?, now: Int64) throws -> [KnownSession] {
        let sql = """
            SELECT id, userID, beganAt, endedAt FROM session s WHERE (?1 IS NULL OR userID = ?1) AND endedAt IS NULL
            AND EXISTS (SELECT 1 FROM token t WHERE t.sessionID = s.id AND (t.expiresAt IS NULL OR t.expiresAt > ?2))
            ORDER BY beganAt DESC, id
            """
        return try Row.fetchAll(db.cachedStatement(sql: sql), arguments: [userID, now / 1000]).map(Self.session)
    }

    /// Ends a session and the pair codes that it made. False where it had ended or never was.
    func end(session id: String, now: Int64) throws -> Bool {
        try execute("UPDATE session SET endedAt = ? WHERE id = ? AND endedAt IS NULL", [now, id])
        let hasEnded = db.changesCount == 1
        try execute("DELETE FROM pairCode WHERE sessionID = ?", [id])
        return hasEnded
    }

    /// Ends the user's sessions and pair codes, but those of `kept`.
    /// - Returns: the sessions that ended.
    func endAll(of userID: Int64, except kept: String?, now: Int64) throws -> [String] {
        let ended = try String.fetchAll(
            db.cachedStatement(sql: "SELECT id FROM session WHERE userID = ? AND endedAt IS NULL AND id IS NOT ?"),
            arguments: [userID, kept])
        try execute("UPDATE session SET endedAt = ? WHERE userID = ? AND endedAt IS NULL AND id IS NOT ?", [now, userID, kept])
        try execute("DELETE FROM pairCode WHERE userID = ? AND sessionID IS NOT ?", [userID, kept])
        return ended
    }

    private static func session(_ row: Row) -> KnownSession {
        KnownSession(id: row[0], userID: row[1], beganAt: row[2], endedAt: row[3])
    }
}
