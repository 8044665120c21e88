import Caching
import GRDB
import GRDBSQLite
import Glibc
import Platform
import RateLimiting
import Sessions

/// One of the program's databases, as commands that stand outside look at it.
struct DatabaseFile {
    let name: String
    /// How it is known, and the newest version that this program reads.
    let schema: SchemaSteps
    private let remedyWhenDamaged: String

    static let all = [cache, limiter, sessions]

    static let cache = DatabaseFile(
        name: "cache.db", schema: Caches.schema,
        remedyWhenDamaged: "restart 'serve': it sets the file aside and begins a new one; records come again as they are asked for")
    static let limiter = DatabaseFile(
        name: "limiter.db", schema: FileRateLimiter.schema,
        remedyWhenDamaged:
            "no call is made while it is damaged: stop 'serve', wait an hour (the calls of the last hour are lost with it), move it away, start"
    )
    static let sessions = DatabaseFile(
        name: "sessions.db", schema: Sessions.schema,
        remedyWhenDamaged: "stop 'serve' and restore a backup, or move it away: all users must then sign in again")

    /// What else lies in the data folder and all workers must be able to write.
    static let companions = [
        "limiter.db.sending", "sessions.begun", "cache.db.shared", "figures.shared", "guesses.shared", "history.shared", "admins.shared",
        "hashing.lock",
        "program.lock",
    ]

    /// Why this program must not be started on the data folder: one line for each database that a newer one has written.
    /// What cannot be read here, a damaged or locked file, is the business of the room that it belongs to.
    static func refusals(in folder: String) -> [String] {
        all.compactMap { file in
            let path = "\(folder)/\(file.name)"
            guard let found = try? file.version(path), found > file.schema.version else { return nil }
            let fault = DatabaseFault.newerSchema(found: found, known: file.schema.version)
            return "\(path) \(fault.words); \(file.remedy(for: fault))"
        }
    }

    /// Takes what an older version of the program left open to every user of the host from them, where it is this user's.
    static func closeToOthers(in folder: String) {
        for path in (all.flatMap(\.names) + companions).map({ "\(folder)/\($0)" }) {
            var status = stat()
            guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid(), status.st_mode & 0o007 != 0
            else { continue }
            chmod(path, status.st_mode & 0o770)
        }
    }

    /// The file and those that SQLite keeps beside it.
    var names: [String] { ["", "-wal", "-shm", "-journal"].map { name + $0 } }

    static var libraryVersion: String { String(cString: sqlite3_libversion()) }

    /// Opens the file and checks it: that it is this program's, not of a newer version, and sound. Answers its schema, 0 for one that holds
    /// nothing. Throws `DatabaseFault` or GRDB's error.
    /// - Parameter access: `.readWrite` where nobody else has it open: what a power cut left half done is then undone first.
    func examine(_ path: String, access: SQLiteFile.Access = .readOnly) throws -> Int {
        try reading(path, waiting: .seconds(5), access: access) { db in
            let version = try schema.check(db)
            try db.checkSoundness()
            return version
        }
    }

    /// Opens the file for reading and looks whether this program can use it. Throws `DatabaseFault` or GRDB's error.
    func glance(_ path: String) throws {
        let found = try version(path)
        guard found <= schema.version else { throw DatabaseFault.newerSchema(found: found, known: schema.version) }
    }

    /// Waits only briefly for a lock: every worker asks this before it starts.
    private func version(_ path: String) throws -> Int {
        try reading(path, waiting: .milliseconds(300), SchemaSteps.version)
    }

    /// Opens the file, whoever else has it open, and changes nothing.
    func reading<Value: Sendable>(
        _ path: String, waiting limit: Duration, access: SQLiteFile.Access = .readOnly, _ body: @Sendable (Database) throws -> Value
    ) throws -> Value {
        let file = SQLiteFile(path: path, label: name, journal: .untouched, access: access, lockWait: .atMost(limit))
        let queue = try file.open()
        defer { try? queue.close() }
        return try queue.inDatabase(body)
    }

    func remedy(for fault: DatabaseFault) -> String {
        if case .newerSchema = fault { return "install that version again, or restore the backup made before the upgrade" }
        return remedyWhenDamaged
    }
}

extension DatabaseFault {
    /// What follows the file's name where commands speak of it.
    var words: String {
        if case .newerSchema(let found, let known) = self {
            return "was made by a newer version of the program (schema \(found), this one reads up to \(known))"
        }
        return description
    }
}
