import GRDBSQLite

/// A SQLite result code and what the connection said about it.
struct SQLiteFailure: Error, Sendable {
    var code: CInt
    var message: String

    private var primary: CInt { code & 0xFF }
    /// The file is not a sound database: set it aside.
    var isDamage: Bool { primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB }
}

/// One row as it stands, with the clearing that applies to it.
struct StoredRow: Sendable {
    var seal: Seal
    var value: [UInt8]
}

/// A connection that reads, with its statements prepared once: the hit path from SQLite, without GRDB's rows between
/// SQLite's page and the array that is answered.
final class EntryReader: @unchecked Sendable {
    // One borrower at a time: the pool hands it out and takes it back.
    private let connection: OpaquePointer
    private let withValue: OpaquePointer
    private let withoutValue: OpaquePointer

    /// `uri` as in sqlite.org/uri.html.
    init(uri: String, readOnly: Bool) throws(SQLiteFailure) {
        var opened: OpaquePointer?
        let flags = (readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX
        let code = sqlite3_open_v2(uri, &opened, flags, nil)
        guard code == SQLITE_OK, let connection = opened else {
            let failure = Self.failure(code, opened)
            sqlite3_close_v2(opened)
            throw failure
        }
        do throws(SQLiteFailure) {
            sqlite3_extended_result_codes(connection, 1)
            sqlite3_busy_timeout(connection, 1000)
            for pragma in ["query_only = 1", "wal_autocheckpoint = 0", "cache_size = -1024"] {
                try Self.run("PRAGMA \(pragma)", connection)
            }
            withValue = try Self.prepare(Self.statement(columns: "e.value"), connection)
            withoutValue = try Self.prepare(Self.statement(columns: "NULL"), connection)
            self.connection = connection
        } catch {
            sqlite3_close_v2(connection)
            throw error
        }
    }

    deinit {
        sqlite3_finalize(withValue)
        sqlite3_finalize(withoutValue)
        sqlite3_close_v2(connection)
    }

    /// The row, its value left out unless asked for. A row that a clearing covers is absent, or due where rows are kept.
    func row(_ cache: CacheName, _ key: [UInt8], value wanted: Bool, now: Int64) throws(SQLiteFailure) -> StoredRow? {
        let statement = wanted ? withValue : withoutValue
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        return try key.withUnsafeBufferPointer { bytes throws(SQLiteFailure) -> StoredRow? in
            sqlite3_bind_int64(statement, 1, cache.number)
            // The bytes stay where they are until the statement is reset, so SQLite needs no copy of them.
            if bytes.isEmpty {
                sqlite3_bind_zeroblob(statement, 2, 0)
            } else {
                sqlite3_bind_blob(statement, 2, bytes.baseAddress, CInt(bytes.count), nil)
            }
            switch sqlite3_step(statement) {
            case SQLITE_ROW: return Self.read(statement, cache, now: now)
            case SQLITE_DONE: return nil
            case let code: throw Self.failure(code, connection)
            }
        }
    }

    /// The numbers of the rows under these keys; nothing is read but the index.
    func rows(_ cache: CacheName, _ keys: [[UInt8]]) throws(SQLiteFailure) -> [Int64] {
        let statement = try Self.prepare("SELECT id FROM entries WHERE cache = ?1 AND key = ?2", connection)
        defer { sqlite3_finalize(statement) }
        Argument.integer(cache.number).bind(statement, 1)
        var rows: [Int64] = []
        for key in keys {
            Argument.bytes(key).bind(statement, 2)
            let code = sqlite3_step(statement)
            if code == SQLITE_ROW { rows.append(sqlite3_column_int64(statement, 0)) }
            guard code == SQLITE_ROW || code == SQLITE_DONE else { throw Self.failure(code, connection) }
            sqlite3_reset(statement)
        }
        return rows
    }

    /// Reads the file's schema: fails when it is not a database, and opens the log and its index.
    func check() throws(SQLiteFailure) {
        try Self.run("SELECT count(*) FROM sqlite_schema", connection)
    }

    /// For what is asked seldom: prepares, binds, and calls `each` with every row. Answers nothing that is read later.
    func query(
        _ sql: String, _ arguments: [Argument] = [], each: (RowColumns) -> Void
    ) throws(SQLiteFailure) {
        let statement = try Self.prepare(sql, connection)
        defer { sqlite3_finalize(statement) }
        for (index, argument) in arguments.enumerated() { argument.bind(statement, CInt(index + 1)) }
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW: each(RowColumns(statement: statement))
            case SQLITE_DONE: return
            case let code: throw Self.failure(code, connection)
            }
        }
    }

    /// The first column of the first row, 0 when there is none.
    func number(_ sql: String, _ arguments: [Argument] = []) throws(SQLiteFailure) -> Int64 {
        var number: Int64?
        try query(sql, arguments) { columns in number = number ?? columns.integer(0) }
        return number ?? 0
    }

    private static func read(_ statement: OpaquePointer, _ cache: CacheName, now: Int64) -> StoredRow? {
        var seal = Seal(
            version: sqlite3_column_int64(statement, 0), storedAt: sqlite3_column_int64(statement, 1),
            expiresAt: sqlite3_column_int64(statement, 2))
        let cleared = sqlite3_column_int64(statement, 3)
        if cleared >= seal.version {
            guard cache.keepsDueRows else { return nil }
            seal.expiresAt = min(seal.expiresAt, EntryVersion.instant(of: cleared), now)
        }
        let count = Int(sqlite3_column_bytes(statement, 4))
        guard count > 0, let bytes = sqlite3_column_blob(statement, 4) else { return StoredRow(seal: seal, value: []) }
        return StoredRow(seal: seal, value: [UInt8](UnsafeRawBufferPointer(start: bytes, count: count)))
    }

    private static func statement(columns: String) -> String {
        """
        SELECT e.version, e.stored_at, e.expires_at,
            (SELECT max(c.version) FROM clearings c
             WHERE c.cache = e.cache AND substr(e.key, 1, length(c.prefix)) = c.prefix),
            \(columns)
        FROM entries e WHERE e.cache = ?1 AND e.key = ?2
        """
    }

    private static func prepare(_ sql: String, _ connection: OpaquePointer) throws(SQLiteFailure) -> OpaquePointer {
        var statement: OpaquePointer?
        let code = sqlite3_prepare_v3(connection, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard code == SQLITE_OK, let statement else { throw failure(code, connection) }
        return statement
    }

    private static func run(_ sql: String, _ connection: OpaquePointer) throws(SQLiteFailure) {
        let code = sqlite3_exec(connection, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw failure(code, connection) }
    }

    private static func failure(_ code: CInt, _ connection: OpaquePointer?) -> SQLiteFailure {
        let said = connection.flatMap { sqlite3_errmsg($0) }.map { String(cString: $0) }
        return SQLiteFailure(code: code, message: said ?? String(cString: sqlite3_errstr(code)))
    }
}

/// A value bound to a statement that is prepared for one use.
enum Argument {
    case integer(Int64)
    case bytes([UInt8])

    func bind(_ statement: OpaquePointer, _ index: CInt) {
        switch self {
        case .integer(let value): sqlite3_bind_int64(statement, index, value)
        case .bytes(let bytes) where bytes.isEmpty: sqlite3_bind_zeroblob(statement, index, 0)
        case .bytes(let bytes):
            // SQLITE_TRANSIENT, (sqlite3_destructor_type)-1: SQLite makes its own copy.
            let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
            sqlite3_bind_blob(statement, index, bytes, CInt(bytes.count), transient)
        }
    }
}

/// The columns of the row a statement stands on.
struct RowColumns {
    fileprivate let statement: OpaquePointer

    func integer(_ index: CInt) -> Int64 { sqlite3_column_int64(statement, index) }
    func bytes(_ index: CInt) -> [UInt8] {
        let count = Int(sqlite3_column_bytes(statement, index))
        guard count > 0, let start = sqlite3_column_blob(statement, index) else { return [] }
        return [UInt8](UnsafeRawBufferPointer(start: start, count: count))
    }
}
