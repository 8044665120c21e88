import Caching
import Foundation
import GRDB
import GRDBSQLite
import Sessions
import RateLimiting

/// One of the program's databases, as commands that stand outside look at it.
struct DatabaseFile {
    enum Fault: Error {
        case damaged(String)
        case newer(found: Int, known: Int)
    }

    let name: String
    /// The newest `PRAGMA user_version` that this program reads.
    let schema: Int
    let remedyWhenDamaged: String

    static let all = [cache, limiter, sessions]

    static let cache = DatabaseFile(
        name: "cache.db", schema: Caches.schemaVersion,
        remedyWhenDamaged: "restart 'serve': it sets the file aside and begins a new one; records come again as they are asked for")
    static let limiter = DatabaseFile(
        name: "limiter.db", schema: RateLimiter.schemaVersion,
        remedyWhenDamaged:
            "no call is made while it is damaged: stop 'serve', wait an hour (the calls of the last hour are lost with it), move it away, start"
    )
    static let sessions = DatabaseFile(
        name: "sessions.db", schema: Sessions.schemaVersion,
        remedyWhenDamaged: "stop 'serve' and restore a backup, or move it away: all users must then sign in again")

    /// Why this program must not be started on the data folder: one line for each database that a newer one has written.
    /// What cannot be read here, a damaged or locked file, is the business of the room that it belongs to.
    static func refusals(in folder: String) -> [String] {
        all.compactMap { file in
            let path = "\(folder)/\(file.name)"
            guard let found = try? file.version(path), found > file.schema else { return nil }
            let fault = Fault.newer(found: found, known: file.schema)
            return "\(path) \(fault.words); \(fault.remedy(file))"
        }
    }

    static var libraryVersion: String { String(cString: sqlite3_libversion()) }

    /// Opens the file for reading and checks it. Answers its schema. Throws `Fault` or `DatabaseError`.
    func examine(_ path: String) throws -> Int {
        try reading(path, waiting: 5) { db in
            let version = try Self.version(of: db)
            guard version <= schema else { throw Fault.newer(found: version, known: schema) }
            let verdict = try String.fetchOne(db, sql: "PRAGMA quick_check(1)") ?? "no verdict"
            guard verdict == "ok" else { throw Fault.damaged(verdict) }
            return version
        }
    }

    /// Waits only briefly for a lock: every worker asks this before it starts.
    private func version(_ path: String) throws -> Int { try reading(path, waiting: 0.3, Self.version) }

    private static func version(of db: Database) throws -> Int { try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0 }

    private func reading<Value: Sendable>(_ path: String, waiting seconds: Double, _ body: @Sendable (Database) throws -> Value) throws
        -> Value
    {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(seconds)
        configuration.label = name
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        defer { try? queue.close() }
        return try queue.inDatabase(body)
    }
}

extension DatabaseFile.Fault {
    var words: String {
        switch self {
        case .damaged(let verdict): "is damaged: \(verdict)"
        case .newer(let found, let known): "was made by a newer version of the program (schema \(found), this one reads up to \(known))"
        }
    }

    func remedy(_ file: DatabaseFile) -> String {
        switch self {
        case .damaged: file.remedyWhenDamaged
        case .newer: "install that version again, or restore the backup made before the upgrade"
        }
    }
}
