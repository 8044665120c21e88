import Foundation
import GRDB

/// The statements on `sessions.db`'s tables, within one connection (and, for those that write, one transaction).
struct LedgerRows {
    let db: Database

    init(_ db: Database) { self.db = db }

    func answer(_ hash: TokenHash, userID: Int64) throws -> LedgerAnswer {
        let statement = try db.cachedStatement(
            sql: """
                SELECT s.id, s.userID, s.beganAt, s.endedAt, a.name, a.fingerprint, a.refusedBefore, a.isGone, f.value
                FROM (SELECT 1)
                LEFT JOIN token t ON t.hash = ?
                LEFT JOIN session s ON s.id = t.sessionID
                LEFT JOIN account a ON a.userID = ?
                LEFT JOIN fact f ON f.name = 'refusedBefore'
                """)
        guard let row = try Row.fetchOne(statement, arguments: [hash.data, userID]) else { return LedgerAnswer() }
        var answer = LedgerAnswer(refusedBefore: row[8])
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
}
