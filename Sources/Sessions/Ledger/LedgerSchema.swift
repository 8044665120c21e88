import GRDB

/// The tables of `sessions.db`.
enum LedgerSchema {
    /// `PRAGMA user_version` of a file with these tables.
    static let version = 1

    static func create(in db: Database) throws {
        try db.execute(sql: tables)
        try db.execute(sql: "PRAGMA user_version = \(version)")
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
