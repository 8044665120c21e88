import GRDB
import Glibc
import Logging
import Platform
import RESP
import Synchronization

/// The connection to `limiter.db`: opened when needed, given up when it fails or when the path names another
/// file by now, so that what an operator repairs is picked up at the next call.
final class LimiterDatabase: Sendable {
    private struct Connection {
        var queue: DatabaseQueue?
        var identity: FileIdentity?
        /// Counts openings.
        var generation: Int64 = 0
    }

    private let file: SQLiteFile
    private let creating: Bool
    private let clock: any HostClock
    private let log: Logger
    private let trouble: LogOnce
    /// Guards which connection is open, and is held through each transaction on it.
    private let connection = Mutex(Connection())

    /// - Parameter patience: how long a locked file is waited for.
    init(path: String, patience: Duration, creating: Bool, clock: any HostClock, log: Logger) {
        file = SQLiteFile(path: path, label: "limiter", journal: .persist, lockWait: .atMost(patience))
        self.creating = creating
        self.clock = clock
        self.log = log
        trouble = LogOnce(log)
    }

    /// An immediate transaction; an error rolls it back.
    func write<Value: Sendable>(_ body: (Transaction) throws -> Value) throws(RateLimiterError) -> Value {
        let value = try perform(.immediate, body)
        guard let value else { throw .file(.failed("the file was not adopted into this boot")) }
        return value
    }

    /// A transaction that only reads. The first in a new boot adopts the file, and so writes.
    func read<Value: Sendable>(_ body: (Transaction) throws -> Value) throws(RateLimiterError) -> Value {
        if let value = try perform(.deferred, body) { return value }
        return try write(body)
    }

    /// Tells this host's folder from those of other hosts, until the host starts again.
    var mark: String { Self.mark(ofFolder: file.path.lastIndex(of: "/").map { String(file.path[..<$0]) } ?? ".", bootID: clock.bootID) }

    static func mark(ofFolder path: String, bootID: String) -> String {
        let folder = FileIdentity(path: path)
        return "\(bootID)-\(folder?.device ?? 0)-\(folder?.inode ?? 0)"
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
                trouble.settle("The limiter's file can be used again.")
                return value
            } catch {
                let failure = RateLimiterError(error)
                if failure.concernsConnection { close(&connection) }
                complain(failure)
                throw failure
            }
        }
    }

    private func complain(_ failure: RateLimiterError) {
        if case .storing = failure { return }
        trouble.raise(
            failure.description, now: clock.wall, level: .error, "No lookups: \(failure)", metadata: ["path": "\(file.path)"])
    }

    private func open(_ connection: inout Connection) throws -> DatabaseQueue {
        if let queue = connection.queue {
            if connection.identity == FileIdentity(path: file.path) { return queue }
            log.warning("The limiter's file was replaced; opening the new one.", metadata: ["path": "\(file.path)"])
            close(&connection)
        }
        if !creating, FileIdentity(path: file.path) == nil { throw DatabaseFault.cannotOpen("there is no such file") }
        let queue = try file.open()
        try queue.writeWithoutTransaction { db in
            let found = try LimiterSchema.steps.migrate(db) { try LimiterSchema.fill($0, at: Moment(clock)) }
            // The access token is in there. By its path: closing a descriptor of our own would drop SQLite's
            // locks (sqlite.org/howtocorrupt.html, 2.2).
            if found == 0 { _ = chmod(file.path, 0o600) }
            try db.checkSoundness()
        }
        connection.queue = queue
        connection.identity = FileIdentity(path: file.path)
        connection.generation += 1
        return queue
    }

    private func close(_ connection: inout Connection) {
        try? connection.queue?.close()
        connection.queue = nil
        connection.identity = nil
    }
}

/// One transaction on the limiter's file: everything in it happens at one moment.
struct Transaction {
    let db: Database
    /// Read after the file was locked, so that moments grow in the order of the transactions.
    let moment: Moment

    var now: BootTime { moment.boot }

    /// Reads the clock, and sees whether the file's instants count from this boot.
    ///
    /// - Returns: nil when they do not and `adopting` is false, else the transaction, its file adopted.
    init?(_ db: Database, clock: any HostClock, adopting: Bool) throws {
        self.db = db
        let statement = try db.cachedStatement(sql: "SELECT boot_id, instant, wall FROM ledger")
        guard let row = try Row.fetchOne(statement) else { throw DatabaseFault.damaged("the ledger is empty") }
        let timeline = Timeline(bootID: row[0], instant: row[1], wall: row[2])
        moment = Moment(clock)
        guard let shift = timeline.shift(to: moment) else { return }
        guard adopting else { return nil }
        for (table, columns) in LimiterSchema.instants {
            let changes = columns.map { "\($0) = \($0) + \(shift.wholeNanoseconds)" }.joined(separator: ", ")
            try db.execute(sql: "UPDATE \(table) SET \(changes)")
        }
        try sign()
    }

    /// Records this moment as the file's last; belongs to every transaction that changes anything.
    func sign() throws {
        try run("UPDATE ledger SET boot_id = ?, instant = ?, wall = ?", [moment.bootID, now, moment.wall.milliseconds])
    }

    /// The next number of the file's sequence.
    func nextNumber() throws -> Int64 {
        let number = try one("UPDATE ledger SET sequence = sequence + 1 RETURNING sequence", as: Int64.self)
        guard let number else { throw DatabaseFault.damaged("the ledger is empty") }
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

/// Why the limiter could not answer. Whatever the case: no permit was granted, so no call may be made.
public enum RateLimiterError: Error, CustomStringConvertible {
    /// The file cannot be used.
    case file(DatabaseFault)
    /// The store that hosts share cannot be used.
    case store(StoreFault)
    /// The settings given to `init` cannot be kept.
    case settings(String)
    /// The `storing` closure of `finish` threw this; nothing was changed.
    case storing(any Error)

    public var description: String {
        switch self {
        case .file(.foreign(let owner)):
            "the limiter's file belongs to something else: it is another application's database (application_id \(owner))"
        case .file(let fault): "the limiter's file \(fault)"
        case .store(let fault): "the shared store cannot be used: \(fault)"
        case .settings(let cause): "the limiter cannot work so: \(cause)"
        case .storing(let cause): "the answer could not be stored: \(cause)"
        }
    }

    fileprivate init(_ error: any Error) { self = error as? RateLimiterError ?? .file(DatabaseFault(error)) }

    /// Whether a fresh connection might do better.
    fileprivate var concernsConnection: Bool {
        switch self {
        case .file(.locked), .settings, .storing, .store: false
        case .file: true
        }
    }
}
