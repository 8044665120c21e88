import GRDB
import Platform

/// What a transaction did to sessions that nobody asked for.
final class SessionEffects {
    /// Sessions that ended because the user is another one, or has another password.
    var ended: [(user: String, sessions: [String])] = []
    /// Users' sessions that began with a token that swingmusic made.
    var adopted: [(user: User, address: String)] = []
}

/// The statements that change `sessions.db`'s tables, within one transaction, beside those that read them.
struct SessionTables: SessionReading {
    let db: Database
    let reading: ClockReading
    /// What the transaction did that somebody else has to hear of, once it has been committed.
    let effects = SessionEffects()

    init(_ db: Database, _ reading: ClockReading) {
        self.db = db
        self.reading = reading
    }

    func execute(_ sql: String, _ arguments: StatementArguments) throws {
        try db.cachedStatement(sql: sql).execute(arguments: arguments)
    }

    func refuseAll(before second: Int64) throws {
        try execute(
            "INSERT INTO fact VALUES ('refusedBefore', ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)", [second])
    }

    func begin(session id: String, userID: Int64, now: Int64) throws {
        try execute("INSERT INTO session (id, userID, beganAt) VALUES (?, ?, ?)", [id, userID, now])
    }

    /// A token of ours.
    func add(_ token: FreshToken, to session: String) throws {
        try execute(
            "INSERT OR IGNORE INTO token (hash, sessionID, kind, expiresAt, clockID) VALUES (?, ?, ?, ?, \(ClockTable.present))",
            [token.hash.data, session, token.kind.rawValue, token.expiresAt])
    }

    /// A token that swingmusic made.
    func adopt(_ token: Token, into session: String) throws {
        try execute(
            "INSERT OR IGNORE INTO token (hash, sessionID, kind, expiresAt, adoptedIssuedAt, clockID) VALUES (?, ?, ?, ?, ?, \(ClockTable.present))",
            [token.hash.data, session, token.claims.kind.rawValue, token.claims.expiresAt, token.claims.issuedAt])
    }

    /// The ended session that refused tokens of a user are entered into, whatever their number: whoever can have swingmusic make them could
    /// else take all the sessions that the user may have. One whose tokens have all expired is left alone, since its end counts no more.
    func sessionOfRefused(userID: Int64, end: Int64, now: Int64) throws -> String {
        let sql = """
            SELECT id FROM session s WHERE userID = ?1 AND endedAt = beganAt AND endedAt <= ?2 AND EXISTS (
                SELECT 1 FROM token t WHERE t.sessionID = s.id AND (t.expiresAt IS NULL OR t.expiresAt > ?3))
            ORDER BY endedAt DESC, id LIMIT 1
            """
        let found = try String.fetchOne(db.cachedStatement(sql: sql), arguments: [userID, end, now / 1000])
        if let found { return found }
        let id = RandomName.letters(bits: 128)
        try begin(session: id, userID: userID, now: end)
        _ = try self.end(session: id, now: end)
        return id
    }

    /// A first user is being made, whose token swingmusic makes with it.
    func noteFirstUser(now: Int64) throws {
        try execute("INSERT OR REPLACE INTO fact (name, value) VALUES ('firstUserAt', ?)", [now])
    }

    /// Ends a session and the pair codes that it made. False where it had ended or never was.
    func end(session id: String, now: Int64) throws -> Bool {
        guard Self.isBindable(id) else { return false }
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

    /// Ends everybody's sessions and pair codes, those too whose tokens have expired by a clock that may be wrong.
    /// - Returns: the sessions that ended.
    func endEverybodys(now: Int64) throws -> [String] {
        let ended = try String.fetchAll(db.cachedStatement(sql: "SELECT id FROM session WHERE endedAt IS NULL"))
        try execute("UPDATE session SET endedAt = ? WHERE endedAt IS NULL", [now])
        try execute("DELETE FROM pairCode", [])
        return ended
    }

    /// - Parameter now: ms since 1970, kept as the instant since which the id is known to be this user's.
    func put(_ account: KnownAccount, now: Int64) throws {
        try execute(
            """
            INSERT INTO account (userID, name, fingerprint, sinceAt, refusedBefore, isGone) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT (userID) DO UPDATE SET name = excluded.name, fingerprint = excluded.fingerprint, sinceAt = excluded.sinceAt,
                refusedBefore = excluded.refusedBefore, isGone = excluded.isGone
            """,
            [account.userID, account.name, account.fingerprint.bytes.data, now, account.refusedBefore, account.isGone])
    }

    func expect(_ change: ExpectedChange, until: Int64) throws {
        try execute(
            "INSERT OR REPLACE INTO expectedChange (userID, name, fingerprint, sessionID, untilAt) VALUES (?, ?, ?, ?, ?)",
            [change.userID, change.name, change.fingerprint.bytes.data, change.sessionID, until])
    }

    /// A session in which the user is changing the own password; an empty one for somebody else who is. A session that said so a short while
    /// ago and did not do it is not heard again: it might go on saying so until somebody else changes the password, to be left when the others end.
    func expectPasswordChange(_ userID: Int64, session: String, until: Int64) throws {
        try execute(
            """
            INSERT OR REPLACE INTO passwordChange (userID, sessionID, untilAt) SELECT ?1, ?2, ?3 WHERE ?2 = '' OR NOT EXISTS (
                SELECT 1 FROM passwordChange WHERE userID = ?1 AND sessionID = ?2 AND untilAt > ?3 - ?4)
            """, [userID, session, until, Self.passwordPause])
    }

    /// Between two announcements of one session, in ms.
    private static let passwordPause: Int64 = 600_000

    func forgetPasswordChanges(_ userID: Int64) throws { try execute("DELETE FROM passwordChange WHERE userID = ?", [userID]) }

    /// Takes names for a moment, all of them or none; false where somebody else has one just now.
    func claim(names: [String], for claimant: String, now: Int64, until: Int64) throws -> Bool {
        try execute("DELETE FROM nameClaim WHERE untilAt <= ? OR untilAt > ?", [now, now + 60_000])
        let sql = "SELECT count(*) FROM nameClaim WHERE name = ? AND claimant <> ?"
        for name in names where try Int.fetchOne(db.cachedStatement(sql: sql), arguments: [name, claimant]) != 0 { return false }
        for name in names {
            try execute("INSERT OR REPLACE INTO nameClaim (name, claimant, untilAt) VALUES (?, ?, ?)", [name, claimant, until])
        }
        return true
    }

    /// A claim has come to its end when the name is somebody's; the empty name stands for the first user.
    func endClaims(metBy names: [String]) throws {
        for claimed in try String.fetchAll(db.cachedStatement(sql: "SELECT name FROM nameClaim"))
        where claimed.isEmpty ? !names.isEmpty : names.contains(where: { $0.isSpelled(claimed) }) {
            try execute("DELETE FROM nameClaim WHERE name = ?", [claimed])
        }
    }

    func endClaims(of claimant: String) throws { try execute("DELETE FROM nameClaim WHERE claimant = ?", [claimant]) }

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

    /// Removes what can no longer matter: tokens a day after they expired, sessions without tokens, what was expected or claimed.
    /// - Returns: whether there may be more.
    func purge(now: Int64, atMost limit: Int) throws -> Bool {
        let tokens = try purgeTokens(atMost: limit)
        try execute(
            """
            DELETE FROM session WHERE id IN (
                SELECT id FROM session s WHERE NOT EXISTS (SELECT 1 FROM token t WHERE t.sessionID = s.id) LIMIT ?)
            """, [limit])
        let sessions = db.changesCount
        try execute("DELETE FROM expectedChange WHERE untilAt <= ?", [now])
        try execute("DELETE FROM passwordChange WHERE untilAt <= ?", [now - Self.passwordPause])
        try execute("DELETE FROM pairCode WHERE untilAt <= ?", [now])
        let hasMoreOfClients = try purgeClientTokens(atMost: limit)
        return tokens == limit || sessions == limit || hasMoreOfClients
    }

    /// Not while the clock may be wrong: a token whose revocation is forgotten must have expired for good. The latest end of those that went is
    /// kept: a clock that says less than that was set back since.
    private func purgeTokens(atMost limit: Int) throws -> Int {
        guard try ClockTable(db, reading).isSettled() else { return 0 }
        let sql = """
            DELETE FROM token WHERE hash IN (
                SELECT hash FROM token t WHERE expiresAt < ?2 AND expiresAt < \(ClockTable.secondOfToken) - 86400 LIMIT ?1)
            RETURNING expiresAt
            """
        let arguments: StatementArguments = [limit, reading.wall / 1000 - 86_400, reading.boot, reading.bootID]
        let ends = try Int64.fetchAll(db.cachedStatement(sql: sql), arguments: arguments)
        if let last = ends.max() {
            try execute(
                "INSERT INTO fact VALUES ('purgedUpTo', ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)", [last])
        }
        return ends.count
    }

    // MARK: A person who is to be forgotten

    /// What a user was about to do, and sessions that no token needs.
    /// - Returns: how much of the first.
    func forgetPending(_ userID: Int64, names: [String]) throws -> Int {
        var count = 0
        for table in ["expectedChange", "passwordChange", "pairCode"] {
            try execute("DELETE FROM \(table) WHERE userID = ?", [userID])
            count += db.changesCount
        }
        for name in names where !name.isEmpty {
            try execute("DELETE FROM nameClaim WHERE name = ?", [name])
            count += db.changesCount
        }
        try execute("DELETE FROM session WHERE userID = ?1 AND NOT EXISTS (SELECT 1 FROM token t WHERE t.sessionID = session.id)", [userID])
        return count
    }

    /// Of a user who is gone: the id stays, so that whoever is given it is known to be another owner, and which tokens are refused.
    func forgetAccount(_ userID: Int64) throws {
        try execute("UPDATE account SET name = '', fingerprint = x'', isGone = 1 WHERE userID = ?", [userID])
    }
}
