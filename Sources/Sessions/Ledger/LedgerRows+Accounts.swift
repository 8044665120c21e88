import Foundation
import GRDB

extension LedgerRows {
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

    func forgetExpectedChanges(_ userID: Int64) throws {
        try execute("DELETE FROM expectedChange WHERE userID = ?", [userID])
    }

    /// Takes a name for a moment; false where somebody else has it just now.
    func claim(name: String, for claimant: String, now: Int64, until: Int64) throws -> Bool {
        try execute("DELETE FROM nameClaim WHERE untilAt <= ? OR untilAt > ?", [now, now + 60_000])
        try execute(
            """
            INSERT INTO nameClaim (name, claimant, untilAt) VALUES (?, ?, ?)
            ON CONFLICT (name) DO UPDATE SET untilAt = excluded.untilAt WHERE claimant = excluded.claimant
            """, [name, claimant, until])
        return db.changesCount == 1
    }
}
