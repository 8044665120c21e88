import GRDB
import Platform

/// The tables of `cache.db` and how a file gets them.
enum CacheSchema {
    /// The application_id is "SFCc".
    static let steps = SchemaSteps(applicationID: 0x5346_4363, [first])

    /// The value is the last column of a table with row ids: what comes before it is read without its overflow pages.
    /// `uses` is apart, dense, so that noting a use does not write a record's page again.
    @Sendable
    private static func first(_ db: Database) throws {
        try db.execute(
            sql: """
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
