import Foundation
import GRDB
import Platform

/// The statements on `sessions.db`'s tables, within one connection (and, for those that write, one transaction).
struct SessionTables {
    let db: Database
    /// What the clocks said when the transaction had begun.
    let reading: ClockReading

    init(_ db: Database, _ reading: ClockReading) {
        self.db = db
        self.reading = reading
    }

    func answer(_ hash: TokenHash, userID: Int64) throws -> TokenRow {
        let statement = try db.cachedStatement(
            sql: """
                SELECT s.id, s.userID, s.beganAt, s.endedAt, a.name, a.fingerprint, a.refusedBefore, a.isGone, f.value,
                    c.offset
                FROM (SELECT 1)
                LEFT JOIN token t ON t.hash = ?
                LEFT JOIN session s ON s.id = t.sessionID
                LEFT JOIN clock c ON c.id = t.clockID AND c.bootID = ?
                LEFT JOIN account a ON a.userID = ?
                LEFT JOIN fact f ON f.name = 'refusedBefore'
                """)
        guard let row = try Row.fetchOne(statement, arguments: [hash.data, reading.bootID, userID]) else {
            return TokenRow()
        }
        var answer = TokenRow(refusedBefore: row[8], clockOffset: row[9])
        if let id: String = row[0] { answer.session = KnownSession(id: id, userID: row[1], beganAt: row[2], endedAt: row[3]) }
        if let name: String = row[4] {
            answer.account = KnownAccount(
                userID: userID, name: name, fingerprint: Fingerprint(stored: Array(row[5] as Data)), refusedBefore: row[6], isGone: row[7])
        }
        return answer
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
            "INSERT OR IGNORE INTO token (hash, sessionID, kind, expiresAt, adoptedIssuedAt, clockID) VALUES (?, ?, ?, ?, ?, \(ClockTable.present))",
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

    /// What `TokenAdoption` asks for. The first row of an empty table has the number 1 (sqlite.org/autoinc.html).
    func endedTokens(of userID: Int64, now: Int64) throws -> EndedTokens {
        let sql = """
            SELECT (SELECT min(endedAt) FROM session s WHERE userID = ?1 AND endedAt IS NOT NULL AND EXISTS (
                SELECT 1 FROM token t WHERE t.sessionID = s.id
                AND (t.expiresAt IS NULL OR t.expiresAt > min(?2, \(ClockTable.secondOfToken))))),
            (SELECT refusedBefore FROM account WHERE userID = ?1), (SELECT value FROM fact WHERE name = 'refusedBefore'),
            (SELECT value FROM fact WHERE name = 'begunAt'), (SELECT value FROM fact WHERE name = 'firstUserAt' AND ?1 = 1),
            (SELECT value FROM fact WHERE name = 'purgedUpTo')
            """
        let arguments: StatementArguments = [userID, now / 1000, reading.boot, reading.bootID]
        guard let row = try Row.fetchOne(db.cachedStatement(sql: sql), arguments: arguments) else { return EndedTokens() }
        return EndedTokens(
            endedAt: row[0], refusedBefore: [row[1] as Int64?, row[2] as Int64?].compactMap(\.self), begunAt: row[3], firstUserAt: row[4],
            purgedUpTo: row[5])
    }

    /// A first user is being made, whose token swingmusic makes with it.
    func noteFirstUser(now: Int64) throws {
        try execute("INSERT OR REPLACE INTO fact (name, value) VALUES ('firstUserAt', ?)", [now])
    }

    /// Whether the user may have one session more without having given a password for it.
    func hasRoomForSession(of userID: Int64) throws -> Bool {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM session WHERE userID = ? LIMIT ?)"
        return try Int.fetchOne(db.cachedStatement(sql: sql), arguments: [userID, Self.mostSessions]) ?? 0 < Self.mostSessions
    }

    /// Of one user, those that ended included for as long as they are known: a pair code every nine minutes, or 2 MB.
    static let mostSessions = 5000

    func session(_ id: String) throws -> KnownSession? {
        guard Self.isBindable(id) else { return nil }
        let sql = "SELECT id, userID, beganAt, endedAt FROM session WHERE id = ?"
        return try Row.fetchOne(db.cachedStatement(sql: sql), arguments: [id]).map(Self.session)
    }

    /// A statement's text ends at a NUL: what comes from a caller would name another session.
    private static func isBindable(_ text: String) -> Bool { !text.utf8.contains(0) }

    /// Those that have not ended and have a token that is still good, the newest first.
    /// - Parameter userID: nil for everybody's.
    func openSessions(of userID: Int64?, now: Int64) throws -> [KnownSession] {
        let sql = """
            SELECT id, userID, beganAt, endedAt FROM session s WHERE (?1 IS NULL OR userID = ?1) AND endedAt IS NULL
            AND EXISTS (SELECT 1 FROM token t WHERE t.sessionID = s.id AND (t.expiresAt IS NULL OR t.expiresAt > \(ClockTable.secondOfToken)))
            ORDER BY beganAt DESC, id
            """
        let arguments: StatementArguments = [userID, now / 1000, reading.boot, reading.bootID]
        return try Row.fetchAll(db.cachedStatement(sql: sql), arguments: arguments).map(Self.session)
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

    private static func session(_ row: Row) -> KnownSession {
        KnownSession(id: row[0], userID: row[1], beganAt: row[2], endedAt: row[3])
    }

    func account(_ userID: Int64) throws -> KnownAccount? {
        try accounts(where: "WHERE userID = ?", [userID]).first
    }

    func accounts() throws -> [KnownAccount] { try accounts(where: "", []) }

    private func accounts(where condition: String, _ arguments: StatementArguments) throws -> [KnownAccount] {
        let sql = "SELECT userID, name, fingerprint, refusedBefore, isGone FROM account \(condition)"
        return try Row.fetchAll(db.cachedStatement(sql: sql), arguments: arguments).map { row in
            KnownAccount(
                userID: row[0], name: row[1], fingerprint: Fingerprint(stored: Array(row[2] as Data)), refusedBefore: row[3], isGone: row[4]
            )
        }
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

    /// Changes of the user's row that were asked for through us and may show at any moment.
    func expectedChanges(_ userID: Int64, now: Int64) throws -> [ExpectedChange] {
        let sql = "SELECT name, fingerprint, sessionID FROM expectedChange WHERE userID = ? AND untilAt > ?"
        return try Row.fetchAll(db.cachedStatement(sql: sql), arguments: [userID, now]).map { row in
            ExpectedChange(userID: userID, name: row[0], fingerprint: Fingerprint(stored: Array(row[1] as Data)), sessionID: row[2])
        }
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

    func passwordChanges(_ userID: Int64, now: Int64) throws -> [String] {
        let sql = "SELECT sessionID FROM passwordChange WHERE userID = ? AND untilAt > ?"
        return try String.fetchAll(db.cachedStatement(sql: sql), arguments: [userID, now])
    }

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
        return tokens == limit || sessions == limit
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

    /// Those that ended included.
    func sessionIDs(of userID: Int64) throws -> [String] {
        try String.fetchAll(db.cachedStatement(sql: "SELECT id FROM session WHERE userID = ?"), arguments: [userID])
    }

    func countTokens(of userID: Int64) throws -> Int {
        let sql = "SELECT count(*) FROM token t JOIN session s ON s.id = t.sessionID WHERE s.userID = ?"
        return try Int.fetchOne(db.cachedStatement(sql: sql), arguments: [userID]) ?? 0
    }

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

extension [UInt8] {
    /// As GRDB stores it.
    var data: Data { Data(self) }
}

extension TokenHash {
    var data: Data { bytes.data }
}
