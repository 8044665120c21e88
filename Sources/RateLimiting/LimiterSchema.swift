import GRDB
import Platform

/// The tables of `limiter.db` and how they came to be.
enum LimiterSchema {
    /// The application_id is "SWMT".
    static let steps = SchemaSteps(applicationID: 0x5357_4D54, sql: [first, second, third, fourth, fifth, sixth])

    private static let first =
        """
        CREATE TABLE ledger (
            only INTEGER PRIMARY KEY CHECK (only = 1),
            boot_id TEXT NOT NULL,          -- Timeline
            instant INTEGER NOT NULL,
            wall INTEGER NOT NULL,
            sequence INTEGER NOT NULL,      -- numbers leases, lookups and clients' turns
            call_time INTEGER NOT NULL      -- mean time from a grant to its answer
        );
        CREATE TABLE grants (               -- the calls of the last window; ids have no gaps
            id INTEGER PRIMARY KEY,
            instant INTEGER NOT NULL,
            background INTEGER NOT NULL,
            worker TEXT NOT NULL
        );
        CREATE INDEX background_grants ON grants (id) WHERE background;
        CREATE TABLE lookups (
            number INTEGER PRIMARY KEY,     -- place in the line
            key TEXT NOT NULL UNIQUE,
            priority INTEGER NOT NULL,
            client TEXT NOT NULL,
            wanted_until INTEGER NOT NULL,  -- somebody waits until then
            not_before INTEGER,             -- pausing after a failure
            attempts INTEGER NOT NULL DEFAULT 0,
            failure TEXT,
            failed INTEGER NOT NULL DEFAULT 0,  -- given up, kept to say so until not_before
            lease INTEGER,
            lease_until INTEGER
        );
        CREATE INDEX lookups_in_line ON lookups (client, number) WHERE failed = 0 AND priority <= 1;
        CREATE INDEX lookups_by_priority ON lookups (priority, number) WHERE failed = 0;
        CREATE INDEX lookups_by_end ON lookups (wanted_until) WHERE failed = 0 AND priority <= 1;
        CREATE INDEX lookups_given_up ON lookups (not_before) WHERE failed;
        CREATE TABLE clients (
            client TEXT PRIMARY KEY,
            served INTEGER NOT NULL,
            joined INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE UNIQUE INDEX clients_in_turn ON clients (served, joined);
        CREATE TABLE pauses (               -- cooldown and outages
            what TEXT PRIMARY KEY,
            recorded INTEGER NOT NULL,
            until INTEGER NOT NULL,
            repeats INTEGER NOT NULL,
            quota_exceeded INTEGER NOT NULL,
            reason TEXT NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE token (
            only INTEGER PRIMARY KEY CHECK (only = 1),
            token TEXT,
            issued_for TEXT NOT NULL,
            renew INTEGER,
            expires INTEGER,
            claimed_by TEXT,
            claimed_until INTEGER
        );
        CREATE TABLE facts (
            name TEXT PRIMARY KEY,
            value TEXT NOT NULL,
            until INTEGER
        ) WITHOUT ROWID;
        """

    /// Whose a pause of the token is: a mark of the credentials that it was met with, and whether they were refused.
    private static let second =
        """
        ALTER TABLE pauses ADD COLUMN credentials TEXT NOT NULL DEFAULT '';
        ALTER TABLE pauses ADD COLUMN refused INTEGER NOT NULL DEFAULT 0;
        """

    /// Which clients wait for a lookup, and until when; the rows go with it.
    private static let third =
        """
        CREATE TABLE askers (
            key TEXT NOT NULL,
            client TEXT NOT NULL,
            until INTEGER NOT NULL,
            PRIMARY KEY (key, client)
        ) WITHOUT ROWID;
        CREATE TRIGGER askers_leave AFTER DELETE ON lookups BEGIN DELETE FROM askers WHERE key = old.key; END;
        """

    /// Since when a lookup waits; nothing of those that an earlier version has queued.
    private static let fourth = "ALTER TABLE lookups ADD COLUMN queued INTEGER;"

    /// Calls of other hosts, and how far this one has followed the store that they share.
    private static let fifth =
        """
        ALTER TABLE grants ADD COLUMN turn INTEGER;  -- its number in the store
        CREATE TABLE shared (
            only INTEGER PRIMARY KEY CHECK (only = 1),
            epoch TEXT NOT NULL,            -- which life of the store
            turn INTEGER NOT NULL,          -- the last that this host knows of
            seen INTEGER NOT NULL,          -- when the store last said so
            cooldown TEXT NOT NULL DEFAULT ''  -- the name of the last one that it told of
        );
        CREATE TABLE hosts (
            name TEXT PRIMARY KEY,
            heard INTEGER NOT NULL
        ) WITHOUT ROWID;
        """

    /// Whose a call is, which the worker's place told of other hosts' until now: NULL for one of this host that has no name yet, empty for one that nobody may
    /// have made.
    private static let sixth =
        """
        ALTER TABLE grants ADD COLUMN caller TEXT;
        ALTER TABLE grants ADD COLUMN untold INTEGER NOT NULL DEFAULT 0;  -- the others may not know of it
        UPDATE grants SET caller = substr(worker, 2), worker = '' WHERE substr(worker, 1, 1) = '@';
        UPDATE grants SET caller = '' WHERE worker = '' AND caller IS NULL;
        """

    /// The first rows of a file that is new.
    static func fill(_ db: Database, at moment: Moment) throws {
        try db.execute(
            sql: "INSERT INTO ledger VALUES (1, ?, ?, ?, 0, 500000000)", arguments: [moment.bootID, moment.boot, moment.wall.milliseconds])
        try db.execute(sql: "INSERT INTO token (only, issued_for) VALUES (1, '')")
    }

    /// The columns that hold instants, for `Timeline`. The ledger's own is set with every write.
    static let instants = [
        "grants": ["instant"],
        "lookups": ["wanted_until", "not_before", "lease_until", "queued"],
        "pauses": ["recorded", "until"],
        "token": ["renew", "expires", "claimed_until"],
        "facts": ["until"],
        "askers": ["until"],
        "shared": ["seen"],
        "hosts": ["heard"],
    ]
}
