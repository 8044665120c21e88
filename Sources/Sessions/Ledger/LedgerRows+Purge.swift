import GRDB

extension LedgerRows {
    /// Removes what can no longer matter: tokens a day after they expired, sessions without tokens, what was expected or claimed.
    /// - Returns: whether there may be more.
    func purge(now: Int64, atMost limit: Int) throws -> Bool {
        // A day, since clocks are set back: a token whose revocation is forgotten must have expired for good.
        let second = now / 1000 - 86_400
        try execute(
            "DELETE FROM token WHERE hash IN (SELECT hash FROM token WHERE expiresAt < ? LIMIT ?)", [second, limit])
        let tokens = db.changesCount
        try execute(
            """
            DELETE FROM session WHERE id IN (
                SELECT id FROM session s WHERE NOT EXISTS (SELECT 1 FROM token t WHERE t.sessionID = s.id) LIMIT ?)
            """, [limit])
        let sessions = db.changesCount
        try execute("DELETE FROM expectedChange WHERE untilAt <= ?", [now])
        try execute("DELETE FROM pairCode WHERE untilAt <= ?", [now])
        return tokens == limit || sessions == limit
    }
}
