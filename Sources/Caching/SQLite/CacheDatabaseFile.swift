import Glibc
import GRDB
import GRDBSQLite

/// One opening of `cache.db`: a connection that writes, and a pool of connections that read. It is replaced as a whole
/// when the file is.
final class CacheDatabaseFile: Sendable {
    let path: String
    let identity: FileIdentity
    /// The shared page's generation under which it was opened.
    let generation: UInt64
    /// Random, made with the file: a copy in DragonflyDB that names another is of another file.
    let epoch: Int64
    /// nil: the file cannot be written, and `refusal` says why.
    let writer: DatabaseQueue?
    let refusal: String?
    private let address: ReadAddress
    private let readers = Pool<EntryReader>()

    /// Opens the file, makes it when there is none, and takes the steps of the schema that are missing. The caller holds
    /// the gate, so that nobody moves the file meanwhile.
    init(path: String, generation: UInt64, threads: Int) throws(OpeningFailure) {
        self.path = path
        self.generation = generation
        switch try CacheDatabaseOpening.writer(path) {
        case .writable(let queue): (writer, refusal, address) = (queue, nil, ReadAddress(path))
        case .readOnly(let reason):
            (writer, refusal, address) = (nil, reason, ReadAddress(readOnly: path))
        }
        do throws(SQLiteFailure) {
            let reader = try Self.reader(address)
            identity = FileIdentity.of(path) ?? FileIdentity(device: 0, inode: 0, size: 0)
            epoch = try reader.number("SELECT epoch FROM state")
            readers.put(reader)
            for _ in 1..<max(threads, 1) { readers.put(try Self.reader(address)) }
        } catch {
            throw error.isDamage ? .damaged(error.message) : .failed(error.message)
        }
    }

    /// Lends a connection; `opening` makes one more when all are lent (the caller then holds the gate, see
    /// `CacheDatabase`).
    func borrow<Result>(
        opening: (() throws(SQLiteFailure) -> EntryReader) throws(SQLiteFailure) -> EntryReader,
        _ body: (EntryReader) throws(SQLiteFailure) -> Result
    ) throws(SQLiteFailure) -> Result {
        let reader =
            if let resting = readers.take() {
                resting
            } else {
                try opening { () throws(SQLiteFailure) in try Self.reader(self.address) }
            }
        // A connection that failed is not lent again.
        let result = try body(reader)
        readers.put(reader)
        return result
    }

    /// Lets go of the connections at rest; those that are lent go when they come back.
    func close() {
        readers.close()
        try? writer?.close()
    }

    private static func reader(_ address: ReadAddress) throws(SQLiteFailure) -> EntryReader {
        let reader = try EntryReader(uri: address.uri, readOnly: address.isReadOnly)
        try reader.check()
        return reader
    }
}

/// How the reading connections open the file.
struct ReadAddress: Sendable {
    var uri: String
    var isReadOnly: Bool

    init(_ path: String) {
        uri = "file:" + Self.escape(path)
        isReadOnly = false
    }

    /// A read-only WAL database without a log and its index can be read only when nobody changes it
    /// (sqlite.org/wal.html, "Read-Only Databases").
    init(readOnly path: String) {
        uri = "file:" + Self.escape(path)
        isReadOnly = true
        let hasLog = (FileIdentity.of(path + "-wal")?.size ?? 0) > 0
        if !hasLog { uri += "?immutable=1" }
    }

    private static func escape(_ path: String) -> String {
        let hex = Array("0123456789ABCDEF".utf8)
        var escaped: [UInt8] = []
        for byte in path.utf8 {
            if byte == UInt8(ascii: "%") || byte == UInt8(ascii: "?") || byte == UInt8(ascii: "#") {
                escaped += [UInt8(ascii: "%"), hex[Int(byte >> 4)], hex[Int(byte & 15)]]
            } else {
                escaped.append(byte)
            }
        }
        return String(decoding: escaped, as: UTF8.self)
    }
}

enum OpeningFailure: Error {
    /// Not a database, or not a sound one: it is to be set aside.
    case damaged(String)
    case newerSchema(found: Int, known: Int)
    case failed(String)
}

/// The opening of `cache.db` for writing: settings, schema, and a first look at whether it is sound.
enum CacheDatabaseOpening {
    enum Writer {
        case writable(DatabaseQueue)
        case readOnly(String)
    }

    /// Up to this size the whole file is checked before it is used (some 50 ms); a larger one is checked while it serves.
    static let checkedAtOnce: Int64 = 32 << 20

    static func writer(_ path: String) throws(OpeningFailure) -> Writer {
        if FileIdentity.of(path) == nil {
            // A log without its database is of a file that was moved away: it must not meet a new one.
            for suffix in ["-wal", "-shm", "-journal"] { unlink(path + suffix) }
        }
        do {
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            try queue.writeWithoutTransaction(prepare)
            return .writable(queue)
        } catch let failure as OpeningFailure {
            throw failure
        } catch let error as DatabaseError {
            switch error.resultCode {
            case .SQLITE_CORRUPT, .SQLITE_NOTADB: throw .damaged(error.message ?? "not a database")
            case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_FULL, .SQLITE_IOERR, .SQLITE_PERM:
                guard FileIdentity.of(path) != nil else { throw .failed(reason(error)) }
                return .readOnly(reason(error))
            default: throw .failed(reason(error))
            }
        } catch {
            throw .failed("\(error)")
        }
    }

    /// SQLite's words without the statement, which may hold a caller's key.
    static func reason(_ error: DatabaseError) -> String {
        "\(error.message ?? error.resultCode.description) (SQLite \(error.extendedResultCode.rawValue))"
    }

    private static var configuration: Configuration {
        var configuration = Configuration()
        configuration.busyMode = .timeout(1)
        configuration.foreignKeysEnabled = false
        configuration.label = "cache.db"
        configuration.prepareDatabase { db in
            // Has an effect on a new file only.
            try db.execute(sql: "PRAGMA page_size = 8192")
            let mode = try String.fetchOne(db, sql: "PRAGMA journal_mode = WAL")
            guard mode == "wal" else {
                throw OpeningFailure.failed("the file system does not allow write-ahead logging (journal mode \(mode ?? "none"))")
            }
            // A checkpoint only in `maintain()`: sqlite.org/wal.html#walresetbug, and a caller never pays for one.
            try db.execute(
                sql: """
                    PRAGMA synchronous = NORMAL;
                    PRAGMA wal_autocheckpoint = 0;
                    PRAGMA cache_size = -2048;
                    PRAGMA temp_store = MEMORY;
                    """)
        }
        return configuration
    }

    private static func prepare(_ db: Database) throws {
        let found = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        guard found <= CacheSchema.version else { throw OpeningFailure.newerSchema(found: found, known: CacheSchema.version) }
        let tables = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") ?? 0
        if tables > 0, try Int.fetchOne(db, sql: "PRAGMA application_id") != CacheSchema.applicationID {
            throw OpeningFailure.failed("cache.db is another program's database")
        }
        if try CacheSchema.migrate(db) > 0 { try check(db) }
    }

    /// The whole check of a small file, unless another worker has just made it.
    private static func check(_ db: Database) throws {
        let pages = try Int64.fetchOne(db, sql: "PRAGMA page_count") ?? 0
        let now = SystemClock().now
        let checked = try Int64.fetchOne(db, sql: "SELECT checked_at FROM state") ?? 0
        guard pages * 8192 <= checkedAtOnce, !(now - 60_000...now).contains(checked) else { return }
        let finding = try String.fetchOne(db, sql: "PRAGMA quick_check(1)")
        guard finding == "ok" else { throw OpeningFailure.damaged(finding ?? "quick_check did not answer") }
        try db.execute(sql: "UPDATE state SET checked_at = ?", arguments: [now])
    }
}

/// Which file a path names now: two openings with equal identities have the same file.
struct FileIdentity: Sendable, Equatable {
    var device: UInt64
    var inode: UInt64
    var size: Int64

    static func == (one: Self, other: Self) -> Bool { one.device == other.device && one.inode == other.inode }

    /// nil when there is no such file. Opens nothing, so SQLite's locks stay.
    static func of(_ path: String) -> FileIdentity? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int64(status.st_size))
    }
}
