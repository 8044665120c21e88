import GRDB
import Glibc

/// How one of the SQLite files is opened: the one opener, with what differs from file to file as values.
public struct SQLiteFile: Sendable {
    public enum Journal: Sendable, Equatable {
        /// Readers and a writer do not wait for each other; the last commits may be lost with the power (`synchronous = NORMAL`). Nobody
        /// makes checkpoints unasked: that is maintenance, under a gate (sqlite.org/wal.html#walresetbug).
        case writeAheadLog
        /// A rollback journal whose header is overwritten. What is committed outlives a power cut (`synchronous = FULL`).
        case persist
        /// A rollback journal that is cut to nothing, which a reader sees faster (8 µs where `persist` costs 19). `synchronous = FULL`.
        case truncate
        /// Another program's file, or one that is only looked at: its settings are left alone.
        case untouched
    }

    public enum Access: Sendable {
        case readWrite
        case readOnly
        /// Reads a file that nobody has open, also where its folder cannot be written. SQLite does not look for changes.
        case immutable
    }

    /// How long a statement waits for another process's lock.
    public enum LockWait: Sendable {
        /// In SQLite's own steps, of up to 100 ms.
        case atMost(Duration)
        /// In equal steps, the first ten of them shorter: for locks that are held for a millisecond.
        case steps(of: Duration, atMost: Duration)
    }

    public var path: String
    /// What GRDB calls it in errors and in Instruments.
    public var label: String
    public var journal: Journal
    public var access: Access
    public var lockWait: LockWait
    public var enforcesForeignKeys: Bool
    /// Of a file that is made by this opening.
    public var pageSize: Int?
    /// More settings of a connection, such as `cache_size = -2048`.
    public var pragmas: [String]

    public init(
        path: String, label: String, journal: Journal, access: Access = .readWrite, lockWait: LockWait, enforcesForeignKeys: Bool = true,
        pageSize: Int? = nil, pragmas: [String] = []
    ) {
        self.path = path
        self.label = label
        self.journal = journal
        self.access = access
        self.lockWait = lockWait
        self.enforcesForeignKeys = enforcesForeignKeys
        self.pageSize = pageSize
        self.pragmas = pragmas
    }

    // MARK: Opening

    /// Opens the file, and makes it where there is none and `access` allows it. Throws GRDB's error, or a `DatabaseFault` where the
    /// journal is not to be had.
    public func open() throws -> DatabaseQueue {
        try DatabaseQueue(path: access == .immutable ? Self.uri(path, immutable: true) : path, configuration: configuration)
    }

    /// Opens the file that `identity` was read of. Throws where the path names another one by then.
    public func open(expecting identity: FileIdentity) throws -> DatabaseQueue {
        for _ in 0..<3 {
            let queue = try open()
            // The file may have been replaced between the look at it and the opening.
            guard let now = FileIdentity(path: path) else { break }
            if now == identity { return queue }
            try? queue.close()
        }
        throw DatabaseError(resultCode: .SQLITE_CANTOPEN, message: "the file is being replaced")
    }

    /// The file's address (sqlite.org/uri.html).
    public static func uri(_ path: String, immutable: Bool = false) -> String {
        "file:" + PercentEncoding.encode(path, keeping: "/") + (immutable ? "?immutable=1" : "")
    }

    private var configuration: Configuration {
        var configuration = Configuration()
        configuration.label = label
        configuration.readonly = access != .readWrite
        configuration.foreignKeysEnabled = enforcesForeignKeys
        configuration.busyMode = lockWait.busyMode
        let (journal, pageSize, pragmas) = (journal, pageSize, pragmas)
        configuration.prepareDatabase { db in
            if let pageSize { try db.execute(sql: "PRAGMA page_size = \(pageSize)") }
            try journal.set(in: db)
            for pragma in pragmas { try db.execute(sql: "PRAGMA \(pragma)") }
        }
        return configuration
    }
}

extension SQLiteFile.Journal {
    fileprivate func set(in db: Database) throws {
        let (name, settings): (String, String) =
            switch self {
            case .writeAheadLog: ("wal", "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0")
            case .persist: ("persist", "PRAGMA synchronous = FULL")
            case .truncate: ("truncate", "PRAGMA synchronous = FULL")
            case .untouched: ("", "")
            }
        guard self != .untouched else { return }
        let mode = try String.fetchOne(db, sql: "PRAGMA journal_mode = \(name)") ?? "unknown"
        guard mode == name else { throw DatabaseFault.failed("the journal mode is \(mode), not \(name)") }
        try db.execute(sql: settings)
    }
}

extension SQLiteFile.LockWait {
    fileprivate var busyMode: Database.BusyMode {
        switch self {
        case .atMost(let limit): return .timeout(limit.fractionalSeconds)
        case .steps(let step, let limit):
            let attempts = Int(limit / step)
            let (usual, short) = (UInt32(step / .microseconds(1)), UInt32(step / .microseconds(1) * 0.3))
            return .callback { attempt in
                guard attempt < attempts else { return false }
                usleep(attempt < 10 ? short : usual)
                return true
            }
        }
    }
}
