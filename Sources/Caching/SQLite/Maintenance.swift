import GRDB
import GRDBSQLite
import Glibc
import Logging
import Platform
import Synchronization

/// What one process at a time does for all: purge, checkpoint, and the check of a large file.
///
/// A checkpoint runs under the write gate. SQLite 3.7.0 to 3.51.2 can corrupt a database when a commit resets the log at
/// the very moment a second checkpoint has read its header (sqlite.org/wal.html#walresetbug); here no writer of ours is
/// in a transaction while one runs, and nobody else runs any: automatic checkpoints are off in every connection.
final class Maintenance: Sendable {
    private let record: CacheDatabase
    private let log: Logger
    private let state = Mutex(State())
    /// One call of `step` at a time in this process.
    private let turn = Mutex(())

    private struct State {
        var checkpoint = CheckpointPlan()
        var hasBegunCheck = false
    }

    /// For so long one call purges when there is much to do.
    private static let purgeTime = Duration.milliseconds(100)

    init(record: CacheDatabase, log: Logger) {
        self.record = record
        self.log = log
    }

    /// One small step, when this process holds the maintenance lock or can take it; it then keeps it for life.
    func step() throws(CacheError) {
        guard record.shared.maintenance?.tryLock() == true else { return }
        let result = turn.withLockIfAvailable { _ in Result { try perform() } }
        do { try result?.get() } catch let error as CacheError { throw error } catch { throw .cannotWrite("\(error)") }
    }

    private func perform() throws {
        // First what makes room: a purge on a full disk throws.
        try checkpointWhenDue()
        beginCheckWhenDue()
        if try isWorkToDo() { try purge() }
    }

    // MARK: Purge

    /// Asked over a reading connection: an idle minute takes no lock and writes nothing.
    private func isWorkToDo() throws(CacheError) -> Bool {
        let now = record.clock.now
        let hasCleared = "EXISTS (SELECT 1 FROM clearings)"
        let hasOld = """
            EXISTS (SELECT 1 FROM entries INDEXED BY entries_expiry WHERE cache IN (1, 2, 3) AND expires_at <= ?1)
            OR EXISTS (SELECT 1 FROM uses WHERE used_at < ?2)
            """
        let isSettled = record.isClockSettled
        return try record.read { reader throws(SQLiteFailure) in
            guard isSettled else { return try reader.number("SELECT \(hasCleared)") != 0 }
            return try reader.number("SELECT \(hasCleared) OR \(hasOld)", [.integer(now), .integer(now - EntryWriter.useLifetime)]) != 0
        }
    }

    private func purge() throws(CacheError) {
        let end = record.clock.monotonic + Self.purgeTime
        while try record.write({ try $0.purge() }), record.clock.monotonic < end {
            // Whoever waits at the gate goes first.
            usleep(2000)
        }
    }

    // MARK: Checkpoint

    private func checkpointWhenDue() throws(CacheError) {
        let now = record.clock.monotonic
        let size = FileStamp(path: record.path + "-wal")?.size ?? 0
        guard state.withLock({ $0.checkpoint.isDue(size: size, now: now) }) else { return }
        let isDone = try record.tend { db in Self.checkpoint(db) } ?? false
        state.withLock { $0.checkpoint.note(isDone: isDone, now: now) }
    }

    /// TRUNCATE also takes SQLite's own write lock before it reads the log's header. Waits 10 ms for readers: what they
    /// prevent is done next time.
    static func checkpoint(_ db: Database) -> Bool {
        let connection = db.sqliteConnection
        sqlite3_busy_timeout(connection, 10)
        defer { sqlite3_busy_timeout(connection, 1000) }
        return sqlite3_wal_checkpoint_v2(connection, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil) == SQLITE_OK
    }

    // MARK: Check

    /// A file that was too large to be checked at its opening is checked on a thread of its own, once per holder and
    /// hour: it reads the whole file.
    private func beginCheckWhenDue() {
        guard
            state.withLock({ state in
                defer { state.hasBegunCheck = true }
                return !state.hasBegunCheck
            })
        else { return }
        let now = record.clock.now
        let sql = "SELECT (SELECT page_count FROM pragma_page_count) * 8192 > ?1 AND checked_at NOT BETWEEN ?2 AND ?3 FROM state"
        let isDue = try? record.read { reader throws(SQLiteFailure) in
            try reader.number(sql, [.integer(CacheDatabaseOpening.checkedAtOnce), .integer(now - 3_600_000), .integer(now)])
        }
        guard isDue == 1 else { return }
        do {
            _ = try WorkerThread.start(named: "quick_check", stackSize: 1 << 20) { [record, log] in Self.check(record, log) }
        } catch {
            log.warning("cache.db could not be checked: \(error)")
        }
    }

    private static func check(_ record: CacheDatabase, _ log: Logger) {
        do {
            let finding = try record.read { reader throws(SQLiteFailure) in
                var finding = ""
                try reader.query("SELECT quick_check FROM pragma_quick_check(1)") { columns in
                    finding = String(decoding: columns.bytes(0), as: UTF8.self)
                }
                return finding
            }
            if finding == "ok" {
                _ = try record.tend { try $0.execute(sql: "UPDATE state SET checked_at = ?", arguments: [record.clock.now]) }
                log.info("cache.db is sound (quick_check)")
            } else {
                try record.setAside(finding)
            }
        } catch {
            log.warning("cache.db could not be checked: \(error)")
        }
    }
}

/// When the log is carried over into the database: when it is large, and else once a minute.
struct CheckpointPlan {
    private var next = MonotonicTime(nanoseconds: 0)
    private var nextWhenLarge = MonotonicTime(nanoseconds: 0)

    static let large: Int64 = 4 << 20
    private static let interval = Duration.seconds(60)
    /// After an attempt that readers kept from its end.
    private static let pause = Duration.seconds(5)

    func isDue(size: Int64, now: MonotonicTime) -> Bool {
        size > 0 && (now >= next || size > Self.large && now >= nextWhenLarge)
    }

    mutating func note(isDone: Bool, now: MonotonicTime) {
        next = now + (isDone ? Self.interval : Self.pause)
        nextWhenLarge = now + (isDone ? .zero : Self.pause)
    }
}
