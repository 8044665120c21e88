import Foundation
import GRDB
import Logging
import Synchronization

/// The connection to `limiter.db`: opened when needed, given up when it fails or when the path names another
/// file by now, so that what an operator repairs is picked up at the next call.
final class LimiterDatabase: Sendable {
    private struct Connection {
        var queue: DatabaseQueue?
        var identity: FileIdentity?
        /// Counts openings.
        var generation: Int64 = 0
        /// The last error that was logged, so that it is logged once.
        var complaint: String?
    }

    let path: String
    private let clock: any LimiterClock
    private let log: Logger
    /// How long a locked file is waited for.
    private let patience: Duration
    private let creating: Bool
    /// Guards which connection is open, and is held through each transaction on it.
    private let connection = Mutex(Connection())

    init(path: String, patience: Duration, creating: Bool, clock: any LimiterClock, log: Logger) {
        self.path = path
        self.patience = patience
        self.creating = creating
        self.clock = clock
        self.log = log
    }

    /// An immediate transaction; an error rolls it back.
    func write<Value: Sendable>(_ body: (Transaction) throws -> Value) throws(RateLimiterError) -> Value {
        let value = try perform(.immediate, body)
        guard let value else { throw .failed("the file was not adopted into this boot") }
        return value
    }

    /// A transaction that only reads. The first in a new boot adopts the file, and so writes.
    func read<Value: Sendable>(_ body: (Transaction) throws -> Value) throws(RateLimiterError) -> Value {
        if let value = try perform(.deferred, body) { return value }
        return try write(body)
    }

    /// Changes when another connection has changed the file (sqlite.org/pragma.html#pragma_data_version), and
    /// when the file was opened anew.
    func changeCounter() throws(RateLimiterError) -> Int64 {
        try connected { db, generation in
            let version = try Int64.fetchOne(try db.cachedStatement(sql: "PRAGMA data_version")) ?? 0
            return generation << 32 | version & 0xFFFF_FFFF
        }
    }

    private func perform<Value: Sendable>(
        _ kind: Database.TransactionKind, _ body: (Transaction) throws -> Value
    ) throws(RateLimiterError) -> Value? {
        try connected { db, _ in
            var value: Value?
            try db.inTransaction(kind) {
                let changes = db.totalChangesCount
                guard let transaction = try Transaction(db, clock: clock, adopting: kind == .immediate) else {
                    return .rollback
                }
                value = try body(transaction)
                if db.totalChangesCount != changes { try transaction.sign() }
                return .commit
            }
            return value
        }
    }

    private func connected<Value: Sendable>(
        _ body: (Database, Int64) throws -> Value
    ) throws(RateLimiterError) -> Value {
        try connection.withLock { connection throws(RateLimiterError) in
            do {
                let queue = try open(&connection)
                let generation = connection.generation
                let value = try queue.writeWithoutTransaction { db in try body(db, generation) }
                if connection.complaint != nil { log.notice("The limiter's file can be used again.") }
                connection.complaint = nil
                return value
            } catch {
                let failure = RateLimiterError(error)
                if failure.concernsConnection { close(&connection) }
                complain(failure, &connection)
                throw failure
            }
        }
    }

    private func complain(_ failure: RateLimiterError, _ connection: inout Connection) {
        if case .storing = failure { return }
        guard connection.complaint != failure.description else { return }
        connection.complaint = failure.description
        log.error("No lookups: \(failure)", metadata: ["path": "\(path)"])
    }

    private func open(_ connection: inout Connection) throws -> DatabaseQueue {
        if let queue = connection.queue {
            if connection.identity == FileIdentity(path) { return queue }
            log.warning("The limiter's file was replaced; opening the new one.", metadata: ["path": "\(path)"])
            close(&connection)
        }
        if !creating, FileIdentity(path) == nil { throw RateLimiterError.cannotOpen("there is no such file") }
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        try queue.writeWithoutTransaction { db in
            let isNew = try LimiterSchema.prepare(db, at: clock.now())
            // The access token is in there. By its path: closing a descriptor of our own would drop SQLite's
            // locks (sqlite.org/howtocorrupt.html, 2.2).
            if isNew { _ = chmod(path, 0o600) }
            let verdict = try String.fetchOne(db, sql: "PRAGMA quick_check(1)") ?? "no verdict"
            guard verdict == "ok" else { throw RateLimiterError.damaged(verdict) }
        }
        connection.queue = queue
        connection.identity = FileIdentity(path)
        connection.generation += 1
        return queue
    }

    private func close(_ connection: inout Connection) {
        try? connection.queue?.close()
        connection.queue = nil
        connection.identity = nil
    }

    private var configuration: Configuration {
        var configuration = Configuration()
        configuration.label = "limiter"
        configuration.busyMode = .timeout(Double(patience.inNanoseconds) / 1e9)
        configuration.prepareDatabase { db in
            let mode = try String.fetchOne(db, sql: "PRAGMA journal_mode = PERSIST")
            guard mode == "persist" else {
                throw RateLimiterError.failed("the journal mode is \(mode ?? "unknown"), not persist")
            }
            try db.execute(sql: "PRAGMA synchronous = FULL")
        }
        return configuration
    }
}

/// Tells a file from another one that took its place.
private struct FileIdentity: Equatable {
    var device: UInt64
    var inode: UInt64

    init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
    }
}

/// One transaction on the limiter's file: everything in it happens at one moment.
struct Transaction {
    let db: Database
    /// Read after the file was locked, so that moments grow in the order of the transactions.
    let moment: Moment

    var now: Instant { moment.instant }

    /// Reads the clock, and sees whether the file's instants count from this boot.
    ///
    /// - Returns: nil when they do not and `adopting` is false, else the transaction, its file adopted.
    init?(_ db: Database, clock: any LimiterClock, adopting: Bool) throws {
        self.db = db
        let statement = try db.cachedStatement(sql: "SELECT boot_id, instant, wall FROM ledger")
        guard let row = try Row.fetchOne(statement) else { throw RateLimiterError.damaged("the ledger is empty") }
        let timeline = Timeline(bootID: row[0], instant: row[1], wall: row[2])
        moment = clock.now()
        guard let shift = timeline.shift(to: moment) else { return }
        guard adopting else { return nil }
        for (table, columns) in LimiterSchema.instants {
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
        guard let number else { throw RateLimiterError.damaged("the ledger is empty") }
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
