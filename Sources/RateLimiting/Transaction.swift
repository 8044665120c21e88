import GRDB

/// One transaction on the limiter's file: everything in it happens at one moment.
struct Transaction {
    let db: Database
    /// Read after the file was locked, so that moments grow in the order of the transactions.
    let moment: Moment

    var now: Instant { moment.instant }

    /// Reads the clock, and sees whether the file's instants count from this boot.
    ///
    /// - Returns: nil when they do not and `adopting` is false, else the transaction, its file adopted.
    init?(_ db: Database, clock: any TurnstileClock, adopting: Bool) throws {
        self.db = db
        let statement = try db.cachedStatement(sql: "SELECT boot_id, instant, wall FROM ledger")
        guard let row = try Row.fetchOne(statement) else { throw TurnstileError.damaged("the ledger is empty") }
        let timeline = Timeline(bootID: row[0], instant: row[1], wall: row[2])
        moment = clock.now()
        guard let shift = timeline.shift(to: moment) else { return }
        guard adopting else { return nil }
        for (table, columns) in Schema.instants {
            let changes = columns.map { "\($0) = \($0) + \(shift)" }.joined(separator: ", ")
            try db.execute(sql: "UPDATE \(table) SET \(changes)")
        }
        try sign()
    }

    /// Records this moment as the file's last; belongs to every transaction that changes anything.
    func sign() throws {
        try run("UPDATE ledger SET boot_id = ?, instant = ?, wall = ?", [moment.bootID, now, moment.wall])
    }

    /// The next number of the file's sequence.
    func nextNumber() throws -> Int64 {
        let number = try one("UPDATE ledger SET sequence = sequence + 1 RETURNING sequence", as: Int64.self)
        guard let number else { throw TurnstileError.damaged("the ledger is empty") }
        return number
    }

    func run(_ sql: String, _ arguments: StatementArguments = []) throws {
        try db.cachedStatement(sql: sql).execute(arguments: arguments)
    }

    /// The first column of the first row; nil when there is no row or it is NULL.
    func one<Value: DatabaseValueConvertible & StatementColumnConvertible>(
        _ sql: String, _ arguments: StatementArguments = [], as: Value.Type = Value.self
    ) throws -> Value? {
        try Value.fetchOne(try db.cachedStatement(sql: sql), arguments: arguments)
    }

    func row(_ sql: String, _ arguments: StatementArguments = []) throws -> Row? {
        try Row.fetchOne(try db.cachedStatement(sql: sql), arguments: arguments)
    }

    func rows(_ sql: String, _ arguments: StatementArguments = []) throws -> [Row] {
        try Row.fetchAll(try db.cachedStatement(sql: sql), arguments: arguments)
    }
}
