import Crypto
import Foundation
import GRDB
import Platform

/// What `sessions.db` can be asked within one connection: by who only reads, and by who writes as well.
protocol SessionReading {
    var db: Database { get }
    /// What the clocks said when the transaction had begun.
    var reading: ClockReading { get }
}

/// `sessions.db` for who only reads.
struct SessionRows: SessionReading {
    let db: Database
    let reading: ClockReading

    init(_ db: Database, _ reading: ClockReading) {
        self.db = db
        self.reading = reading
    }
}

extension SessionReading {
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

    /// Whether a session may have further tokens. None is forgotten before it has expired: it would be a stranger's then, and good again.
    func hasRoom(in session: String, for count: Int) throws -> Bool {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM token WHERE sessionID = ? LIMIT ?)"
        let known = try Int.fetchOne(db.cachedStatement(sql: sql), arguments: [session, Self.mostTokens]) ?? 0
        return known + count <= Self.mostTokens
    }

    /// Of one session, those of the last thirty-one days: a refresh every nine minutes, or 2 MB.
    static var mostTokens: Int { 10_000 }

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

    /// Whether the user may have one session more without having given a password for it.
    func hasRoomForSession(of userID: Int64) throws -> Bool {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM session WHERE userID = ? LIMIT ?)"
        return try Int.fetchOne(db.cachedStatement(sql: sql), arguments: [userID, Self.mostSessions]) ?? 0 < Self.mostSessions
    }

    /// Of one user, those that ended included for as long as they are known: a pair code every nine minutes, or 2 MB.
    static var mostSessions: Int { 5000 }

    func session(_ id: String) throws -> KnownSession? {
        guard Self.isBindable(id) else { return nil }
        let sql = "SELECT id, userID, beganAt, endedAt FROM session WHERE id = ?"
        return try Row.fetchOne(db.cachedStatement(sql: sql), arguments: [id]).map(Self.session)
    }

    /// A statement's text ends at a NUL: what comes from a caller would name another session.
    static func isBindable(_ text: String) -> Bool { !text.utf8.contains(0) }

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

    /// Changes of the user's row that were asked for through us and may show at any moment.
    func expectedChanges(_ userID: Int64, now: Int64) throws -> [ExpectedChange] {
        let sql = "SELECT name, fingerprint, sessionID FROM expectedChange WHERE userID = ? AND untilAt > ?"
        return try Row.fetchAll(db.cachedStatement(sql: sql), arguments: [userID, now]).map { row in
            ExpectedChange(userID: userID, name: row[0], fingerprint: Fingerprint(stored: Array(row[1] as Data)), sessionID: row[2])
        }
    }

    func passwordChanges(_ userID: Int64, now: Int64) throws -> [String] {
        let sql = "SELECT sessionID FROM passwordChange WHERE userID = ? AND untilAt > ?"
        return try String.fetchAll(db.cachedStatement(sql: sql), arguments: [userID, now])
    }

    /// Those that ended included.
    func sessionIDs(of userID: Int64) throws -> [String] {
        try String.fetchAll(db.cachedStatement(sql: "SELECT id FROM session WHERE userID = ?"), arguments: [userID])
    }

    func countTokens(of userID: Int64) throws -> Int {
        let sql = "SELECT count(*) FROM token t JOIN session s ON s.id = t.sessionID WHERE s.userID = ?"
        return try Int.fetchOne(db.cachedStatement(sql: sql), arguments: [userID]) ?? 0
    }
}

extension [UInt8] {
    /// As GRDB stores it.
    var data: Data { Data(self) }
}

extension TokenHash {
    var data: Data { bytes.data }
}

/// What `sessions.db` knows of a user: who had the id when it was last looked at, and which unknown tokens are refused.
struct KnownAccount: Sendable, Equatable {
    var userID: Int64
    var name: String
    var fingerprint: Fingerprint
    /// Tokens not known here that were issued before this second (since 1970), or at no stated time, are refused. nil: none is.
    var refusedBefore: Int64?
    /// The user's row was seen missing.
    var isGone: Bool

    func isOwner(_ account: Account) -> Bool {
        !isGone && name.isSpelled(account.user.name) && fingerprint == Fingerprint(of: account)
    }
}

/// What `sessions.db` knows of a session: one login and all tokens that descend from it.
struct KnownSession: Sendable, Equatable {
    var id: String
    var userID: Int64
    /// ms since 1970.
    var beganAt: Int64
    var endedAt: Int64?
}

/// What `sessions.db` says about one token.
struct TokenRow: Sendable, Equatable {
    /// The session that the token belongs to, if the token is known.
    var session: KnownSession?
    var account: KnownAccount?
    /// As in the account, for everybody's tokens.
    var refusedBefore: Int64?
    /// Of a token that was entered in this boot: `ClockReading.offset` as it was then.
    var clockOffset: Int64?

    /// Whether a token that is not known here is too old to be let in.
    func isTooOld(issuedAt: Int64?) -> Bool {
        guard let limit = [refusedBefore, account?.refusedBefore].compactMap(\.self).max() else { return false }
        guard let issuedAt else { return true }
        return issuedAt < limit
    }
}

/// Tells whether a stored password hash is still the same one, without keeping it: a SHA-256 of it.
struct Fingerprint: Sendable, Equatable {
    let bytes: [UInt8]

    init(of account: Account) { self.init(passwordHash: account.passwordHash) }

    init(passwordHash: String) { bytes = Array(SHA256.hash(data: Array(passwordHash.utf8))) }

    /// As read from the database.
    init(stored: [UInt8]) { bytes = stored }
}

/// A change of a user's row that was asked for through us: when it shows, it is no reason to end everything.
struct ExpectedChange: Sendable, Equatable {
    var userID: Int64
    /// The row as it will be.
    var name: String
    var fingerprint: Fingerprint
    /// The session that changed its own password; nil where all sessions go on (a rename, our rehash).
    var sessionID: String?

    func isMet(by row: Account) -> Bool {
        userID == row.user.id && name.isSpelled(row.user.name) && fingerprint == Fingerprint(of: row)
    }
}
