import GRDB

/// The tables of `sessions.db` and how they came to be. `PRAGMA user_version` is the number of steps a file has taken.
enum LedgerSchema {
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
            throw LedgerFault.cannotOpen("it has schema \(found), this release knows \(known): a newer release has written it")
        }
        let owner = try Int32.fetchOne(db, sql: "PRAGMA application_id") ?? 0
        let isEmpty = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") == 0
        // The first version had no application_id.
        guard owner == applicationID || owner == 0 && (found == 1 || isEmpty) else {
            throw LedgerFault.cannotOpen("it is another program's database (application_id \(owner))")
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

extension Sessions {
    /// The newest `PRAGMA user_version` of a `sessions.db` that this program reads.
    public static var schemaVersion: Int { LedgerSchema.version }
}
