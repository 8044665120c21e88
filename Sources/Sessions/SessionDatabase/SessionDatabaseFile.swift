import Glibc
import GRDB
import Platform

/// The file `sessions.db` and the mark beside it that tells a lost file from one that never was.
struct SessionDatabaseFile: Sendable {
    let path: String
    private let folder: String
    private let mark: String

    init(folder: String) {
        self.folder = folder
        path = folder + "/sessions.db"
        mark = folder + "/sessions.begun"
    }

    enum Opening: Equatable {
        case existing, begun
        /// There had been one: every token issued before now is refused.
        case lost
    }

    /// Makes the file and its tables where they are missing. Several processes may do so at once.
    func prepare(_ reading: ClockReading, knownToHaveBegun: Bool) throws(SessionDatabaseError) -> Opening {
        let wasBegun = knownToHaveBegun || access(mark, F_OK) == 0
        // Only we may read it. Where that cannot be, SQLite says why.
        _ = try? Files.createPrivate(path)
        let opening: Opening
        do {
            let queue = try sqlite(.long).open()
            defer { try? queue.close() }
            opening = try queue.inDatabase { db in try Self.makeTables(in: db, reading, wasBegun: wasBegun) }
        } catch {
            let fault = SessionDatabaseError(error)
            if case .cannotOpen = fault { throw fault }
            throw SessionDatabaseError.cannotOpen(fault.words)
        }
        try leaveMark()
        return opening
    }

    /// How the file is opened.
    func sqlite(_ lockWait: SQLiteFile.LockWait) -> SQLiteFile {
        SQLiteFile(path: path, label: "sessions.db", journal: .truncate, lockWait: lockWait)
    }

    /// How it is opened by who only looks and cannot wait. What a crash left to be rolled back is somebody else's to roll back.
    var lookedAt: SQLiteFile {
        SQLiteFile(path: path, label: "sessions.db", journal: .untouched, access: .readOnly, lockWait: .atMost(.zero))
    }

    private static func makeTables(in db: Database, _ reading: ClockReading, wasBegun: Bool) throws -> Opening {
        var opening = Opening.existing
        try db.inTransaction(.exclusive) {
            let found = try SessionSchema.steps.migrate(db) { db in
                opening = wasBegun ? .lost : .begun
                try db.execute(sql: "INSERT INTO fact VALUES ('begunAt', ?)", arguments: [reading.wall])
                if wasBegun { try db.execute(sql: "INSERT INTO fact VALUES ('refusedBefore', ?)", arguments: [reading.wall / 1000 + 1]) }
            }
            // Before anything is read: a damaged row may hold what its table does not allow, and who takes it for what it should be ends the worker.
            if found > 0 { try db.checkSoundness() }
            _ = try ClockTable(db, reading).settle(isNew: found == 0)
            return .commit
        }
        return opening
    }

    private func leaveMark() throws(SessionDatabaseError) {
        do throws(SystemError) {
            try Files.createPrivate(mark)
            try Files.synchronize(mark)
        } catch {
            throw .cannotOpen("\(mark): \(error.reason)")
        }
        try? Files.synchronize(folder)
    }
}

extension SQLiteFile.LockWait {
    /// While somebody waits for the answer, in short steps since locks here are held for a millisecond.
    static let brief = steps(of: .milliseconds(1), atMost: .milliseconds(250))
    /// Off the requests' way.
    static let long = steps(of: .milliseconds(2), atMost: .seconds(5))
}

/// The tables of `sessions.db` and how they came to be.
enum SessionSchema {
    /// "SWMS": the file is ours. The first version was without it.
    static let applicationID: Int32 = 0x5357_4D53

    static let steps = SchemaSteps(
        applicationID: applicationID, unmarked: [1],
        sql: [tables, "PRAGMA application_id = \(applicationID)", passwordChanges, clocks, clientKeys])

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

    // Sessions in which a user is changing the own password where we cannot see what it is going to be. sessionID empty: somebody else is.
    private static let passwordChanges = """
        CREATE TABLE passwordChange (
            userID INTEGER NOT NULL,
            sessionID TEXT NOT NULL,
            untilAt INTEGER NOT NULL,
            PRIMARY KEY (userID, sessionID)
        ) STRICT, WITHOUT ROWID;
        """

    // How the wall clock was set in this boot of the host (ClockSetting), the present setting last. clockID: the one that a token was entered
    // under; no such row: in an earlier boot. Numbers are not given out again.
    private static let clocks = """
        CREATE TABLE clock (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            bootID TEXT NOT NULL,
            offset INTEGER NOT NULL,
            since INTEGER NOT NULL
        ) STRICT;
        ALTER TABLE token ADD COLUMN clockID INTEGER;
        """

    // What clients of the mirror have in place of a Spotify app, and the tokens that they were given; secrets and tokens by their hash. What is
    // revoked goes, since nothing unknown is let in. expiresAt and clockID as in `token`.
    private static let clientKeys = """
        CREATE TABLE clientKey (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL UNIQUE,
            id TEXT NOT NULL UNIQUE,
            secretHash BLOB NOT NULL,
            madeAt INTEGER NOT NULL,
            usedAt INTEGER
        ) STRICT;

        CREATE TABLE clientToken (
            hash BLOB NOT NULL PRIMARY KEY,
            keyNumber INTEGER NOT NULL REFERENCES clientKey (number) ON DELETE CASCADE,
            expiresAt INTEGER NOT NULL,
            clockID INTEGER
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX clientTokenOfKey ON clientToken (keyNumber, expiresAt);
        """
}

/// Why `sessions.db` gave no answer. Nobody is let in then.
enum SessionDatabaseError: Error, Equatable, CustomStringConvertible {
    case busy
    /// It has to be opened, or made, by a thread that may wait.
    case unprepared
    case cannotOpen(String)
    case cannotUse(String)

    init(_ error: any Error) {
        switch error {
        case let fault as SessionDatabaseError: self = fault
        case DatabaseFault.newerSchema(let found, let known):
            self = .cannotOpen("it has schema \(found), this release knows \(known): a newer release has written it")
        case DatabaseFault.foreign(let owner): self = .cannotOpen("it is another program's database (application_id \(owner))")
        case DatabaseFault.damaged(let verdict): self = .cannotOpen("damaged: \(verdict)")
        case DatabaseFault.failed(let cause): self = .cannotUse(cause)
        case let error as DatabaseError where error.resultCode.primaryResultCode == .SQLITE_BUSY: self = .busy
        // For who can only read: what a process left that died in a commit has to be rolled back by who can write.
        case let error as DatabaseError where error.extendedResultCode == .SQLITE_READONLY_ROLLBACK: self = .busy
        case let error as DatabaseError: self = .cannotUse(error.message ?? "\(error.resultCode)")
        default: self = .cannotUse("\(error)")
        }
    }

    /// Whether who waits a moment finds it otherwise.
    var isMomentary: Bool { self == .busy || self == .unprepared }

    var description: String { "sessions.db \(words)" }

    var words: String {
        switch self {
        case .busy: "locked by another process"
        case .unprepared: "not open yet"
        case .cannotOpen(let reason): "cannot be opened: \(reason)"
        case .cannotUse(let reason): "cannot be used: \(reason)"
        }
    }
}
