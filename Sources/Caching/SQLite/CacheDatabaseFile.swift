import GRDB
import GRDBSQLite
import Glibc

enum OpeningFailure: Error {
    /// Not a database, or not a sound one: it is to be set aside.
    case damaged(String)
    case newerSchema(found: Int, known: Int)
    case failed(String)
}

/// The opening of `cache.db` for writing: settings, schema, and a first look at whether it is sound.
enum CacheFileOpening {
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
        guard found <= Schema.version else { throw OpeningFailure.newerSchema(found: found, known: Schema.version) }
        let tables = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") ?? 0
        if tables > 0, try Int.fetchOne(db, sql: "PRAGMA application_id") != Schema.applicationID {
            throw OpeningFailure.failed("cache.db is another program's database")
        }
        if try Schema.migrate(db) > 0 { try check(db) }
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
