import GRDB
import Glibc

/// The file `sessions.db` and the mark beside it that tells a lost file from one that never was.
struct LedgerFile: Sendable {
    let path: String
    private let mark: String

    init(folder: String) {
        path = folder + "/sessions.db"
        mark = folder + "/sessions.begun"
    }

    enum Opening: Equatable {
        case existing, begun
        /// There had been one: every token issued before now is refused.
        case lost
    }

    /// Makes the file and its tables where they are missing. Several processes may do so at once.
    /// - Parameter now: ms since 1970.
    func prepare(now: Int64, knownToHaveBegun: Bool) throws(LedgerFault) -> Opening {
        let wasBegun = knownToHaveBegun || access(mark, F_OK) == 0
        // Only we may read it. O_EXCL: a file that SQLite may have open is not opened by hand (sqlite.org/howtocorrupt.html, 2.2).
        let descriptor = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
        if descriptor >= 0 { close(descriptor) }
        let opening: Opening
        do {
            let queue = try connect(waiting: Patience.long)
            defer { try? queue.close() }
            opening = try queue.inDatabase { db in try Self.makeTables(in: db, now: now, wasBegun: wasBegun) }
        } catch let fault as LedgerFault {
            throw fault
        } catch {
            throw LedgerFault.cannotOpen(LedgerFault(error).words)
        }
        try leaveMark()
        return opening
    }

    func connect(waiting: @escaping @Sendable (Int) -> Bool) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.busyMode = .callback(waiting)
        configuration.label = "sessions.db"
        configuration.prepareDatabase { db in
            // A rollback journal that is truncated costs a reader 8 µs where one that persists costs 19: it is looked into
            // at every read. What is committed outlives a power cut (sqlite.org/pragma.html, synchronous).
            try db.execute(sql: "PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL")
        }
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    private static func makeTables(in db: Database, now: Int64, wasBegun: Bool) throws -> Opening {
        var opening = Opening.existing
        try db.inTransaction(.exclusive) {
            if try LedgerSchema.migrate(db) == 0 {
                opening = wasBegun ? .lost : .begun
                try db.execute(sql: "INSERT INTO fact VALUES ('begunAt', ?)", arguments: [now])
                if wasBegun { try db.execute(sql: "INSERT INTO fact VALUES ('refusedBefore', ?)", arguments: [now / 1000 + 1]) }
            } else {
                let check = try String.fetchOne(db, sql: "PRAGMA quick_check(1)")
                guard check == "ok" else { throw LedgerFault.cannotOpen("damaged: \(check ?? "no answer")") }
            }
            return .commit
        }
        return opening
    }

    private func leaveMark() throws(LedgerFault) {
        let descriptor = open(mark, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
        guard descriptor >= 0, fsync(descriptor) == 0 else { throw .cannotOpen("\(mark): \(String(cString: strerror(errno)))") }
        close(descriptor)
        let folder = open(String(path.dropLast("/sessions.db".count)), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if folder >= 0 {
            fsync(folder)
            close(folder)
        }
    }
}
