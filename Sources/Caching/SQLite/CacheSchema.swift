import GRDB

/// The tables of `cache.db` and how a file gets them. `PRAGMA user_version` is the number of steps a file has taken.
enum CacheSchema {
    static var version: Int { steps.count }
    /// `PRAGMA application_id`, "SFCc": a file of another program is not ours to change.
    static let applicationID = 0x5346_4363

    typealias Step = @Sendable (Database) throws -> Void

    /// One a version; a step is never changed once it was released. While workers are replaced, those of the version before go on
    /// with a file that has taken the next step, so a step only adds what their statements do not mind.
    static let steps: [Step] = [first]

    /// Takes the steps that are missing, in one transaction. Answers the version that was found.
    static func migrate(_ db: Database, through steps: [Step] = steps) throws -> Int {
        var found = try version(of: db)
        guard found < steps.count else { return found }
        try db.inTransaction(.immediate) {
            found = try version(of: db)  // another process may have been first
            guard found < steps.count else { return .rollback }
            for step in steps[found...] { try step(db) }
            try db.execute(sql: "PRAGMA user_version = \(steps.count)")
            return .commit
        }
        return found
    }

    private static func version(of db: Database) throws -> Int {
        try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
    }

    /// The value is the last column of a table with row ids: what comes before it is read without its overflow pages.
    /// `uses` is apart, dense, so that noting a use does not write a record's page again.
    private static func first(_ db: Database) throws {
        try db.execute(
            sql: """
                PRAGMA application_id = \(applicationID);
                CREATE TABLE state (
                    id INTEGER PRIMARY KEY CHECK (id = 1),
                    epoch INTEGER NOT NULL,
                    counter INTEGER NOT NULL,
                    checked_at INTEGER NOT NULL DEFAULT 0
                );
                INSERT INTO state (id, epoch, counter) VALUES (1, random(), 0);
                CREATE TABLE entries (
                    id INTEGER PRIMARY KEY,
                    cache INTEGER NOT NULL,
                    key BLOB NOT NULL,
                    version INTEGER NOT NULL,
                    stored_at INTEGER NOT NULL,
                    expires_at INTEGER NOT NULL,
                    value BLOB NOT NULL
                );
                CREATE UNIQUE INDEX entries_key ON entries (cache, key);
                CREATE INDEX entries_expiry ON entries (cache, expires_at);
                CREATE TABLE uses (
                    id INTEGER PRIMARY KEY,
                    used_at INTEGER NOT NULL,
                    expires_at INTEGER NOT NULL
                );
                CREATE INDEX uses_due ON uses (expires_at, used_at);
                CREATE INDEX uses_age ON uses (used_at);
                """)
        try counts(db)
    }

    private static func counts(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE clearings (
                    cache INTEGER NOT NULL,
                    prefix BLOB NOT NULL,
                    version INTEGER NOT NULL,
                    cursor BLOB NOT NULL DEFAULT x'',
                    PRIMARY KEY (cache, prefix)
                );
                CREATE TABLE totals (
                    cache INTEGER PRIMARY KEY,
                    rows INTEGER NOT NULL DEFAULT 0,
                    bytes INTEGER NOT NULL DEFAULT 0,
                    written_at INTEGER NOT NULL DEFAULT 0
                );
                INSERT INTO totals (cache) VALUES (0), (1), (2), (3);
                CREATE TABLE namespaces (
                    cache INTEGER NOT NULL,
                    name BLOB NOT NULL,
                    rows INTEGER NOT NULL,
                    bytes INTEGER NOT NULL,
                    written_at INTEGER NOT NULL,
                    PRIMARY KEY (cache, name)
                ) WITHOUT ROWID;
                """)
    }
}
