import Glibc
import GRDB

/// The file `sessions.db` and the mark beside it that tells a lost file from one that never was.
struct SessionDatabaseFile: Sendable {
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
    func prepare(now: Int64, knownToHaveBegun: Bool) throws(SessionDatabaseError) -> Opening {
        let wasBegun = knownToHaveBegun || access(mark, F_OK) == 0
        // Only we may read it. O_EXCL: a file that SQLite may have open is not opened by hand (sqlite.org/howtocorrupt.html, 2.2).
        let descriptor = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
        if descriptor >= 0 { close(descriptor) }
        let opening: Opening
        do {
            let queue = try connect(waiting: LockTimeout.long)
            defer { try? queue.close() }
            opening = try queue.inDatabase { db in try Self.makeTables(in: db, now: now, wasBegun: wasBegun) }
        } catch let fault as SessionDatabaseError {
            throw fault
        } catch {
            throw SessionDatabaseError.cannotOpen(SessionDatabaseError(error).words)
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
            if try SessionSchema.migrate(db) == 0 {
                opening = wasBegun ? .lost : .begun
                try db.execute(sql: "INSERT INTO fact VALUES ('begunAt', ?)", arguments: [now])
                if wasBegun { try db.execute(sql: "INSERT INTO fact VALUES ('refusedBefore', ?)", arguments: [now / 1000 + 1]) }
            } else {
                let check = try String.fetchOne(db, sql: "PRAGMA quick_check(1)")
                guard check == "ok" else { throw SessionDatabaseError.cannotOpen("damaged: \(check ?? "no answer")") }
            }
            return .commit
        }
        return opening
    }

    private func leaveMark() throws(SessionDatabaseError) {
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

/// The tables of `sessions.db` and how they came to be. `PRAGMA user_version` is the number of steps a file has taken.
enum SessionSchema {
    /// "SWMS": the file is ours (sqlite.org/pragma.html#pragma_application_id).
    static let applicationID: Int32 = 0x5357_4D53

    /// One a version; a step is never changed once it was released. While workers are replaced, those of the version before go on
    /// with a file that has taken the next step, so a step only adds what their statements do not mind.
    static let steps = [tables, "PRAGMA application_id = \(applicationID)"]

    static var version: Int { steps.count }

    /// Takes the steps that are missing. Call in a transaction.
    /// - Returns: the version that was found; 0 for a new file.
    static func migrate(_ db: Database, through steps: [String] = steps) throws -> Int {
        let found = try check(db, known: steps.count)
        for step in steps[found...] { try db.execute(sql: step) }
        if found < steps.count { try db.execute(sql: "PRAGMA user_version = \(steps.count)") }
        return found
    }

    private static func check(_ db: Database, known: Int) throws -> Int {
        let found = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        guard (0...known).contains(found) else {
            throw SessionDatabaseError.cannotOpen("it has schema \(found), this release knows \(known): a newer release has written it")
        }
        let owner = try Int32.fetchOne(db, sql: "PRAGMA application_id") ?? 0
        let isEmpty = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") == 0
        // The first version had no application_id.
        guard owner == applicationID || owner == 0 && (found == 1 || isEmpty) else {
            throw SessionDatabaseError.cannotOpen("it is another program's database (application_id \(owner))")
        }
        return found
    }

    // Instants in ms since 1970 end in `At`; `refusedBefore`, `issuedAt` and `expiresAt` of tokens are seconds, as in tokens.
    private static let tables = """
        CREATE TABLE fact (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

        CREATE TABLE session (
            id TEXT NOT NULL PRIMARY KEY,
            userID INTEGER NOT NULL,
            beganAt INTEGER NOT NULL,
            endedAt INTEGER
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX sessionOfUser ON session (userID);

        -- A token is known by its hash alone. expiresAt NULL: never. adoptedIssuedAt: of a token that swingmusic made, its `iat`.
        CREATE TABLE token (
            hash BLOB NOT NULL PRIMARY KEY,
            sessionID TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE,
            kind INTEGER NOT NULL,
            expiresAt INTEGER,
            adoptedIssuedAt INTEGER
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX tokenOfSession ON token (sessionID);
        CREATE INDEX tokenByEnd ON token (expiresAt) WHERE expiresAt IS NOT NULL;

        CREATE TABLE account (
            userID INTEGER NOT NULL PRIMARY KEY,
            name TEXT NOT NULL,
            fingerprint BLOB NOT NULL,
            sinceAt INTEGER NOT NULL,
            refusedBefore INTEGER,
            isGone INTEGER NOT NULL DEFAULT 0
        ) STRICT;

        -- Changes of a user's row that were asked for through us: sessionID NULL keeps all of the user's sessions, else only that one.
        CREATE TABLE expectedChange (
            userID INTEGER NOT NULL,
            name TEXT NOT NULL,
            fingerprint BLOB NOT NULL,
            sessionID TEXT,
            untilAt INTEGER NOT NULL,
            PRIMARY KEY (userID, name, fingerprint)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE pairCode (
            hash BLOB NOT NULL PRIMARY KEY,
            sessionID TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE,
            userID INTEGER NOT NULL,
            untilAt INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;

        -- Names that are being given out, so that two requests at once cannot both take one.
        CREATE TABLE nameClaim (
            name TEXT NOT NULL PRIMARY KEY,
            claimant TEXT NOT NULL,
            untilAt INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        """
}

/// Why `sessions.db` gave no answer. Nobody is let in then.
enum SessionDatabaseError: Error, Equatable, CustomStringConvertible {
    case busy
    case cannotOpen(String)
    case cannotUse(String)

    init(_ error: any Error) {
        switch error {
        case let fault as SessionDatabaseError: self = fault
        case let error as DatabaseError where error.resultCode.primaryResultCode == .SQLITE_BUSY: self = .busy
        case let error as DatabaseError: self = .cannotUse(error.message ?? "\(error.resultCode)")
        default: self = .cannotUse("\(error)")
        }
    }

    var description: String { "sessions.db \(words)" }

    var words: String {
        switch self {
        case .busy: "locked by another process"
        case .cannotOpen(let reason): "cannot be opened: \(reason)"
        case .cannotUse(let reason): "cannot be used: \(reason)"
        }
    }
}
