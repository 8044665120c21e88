import Foundation
import GRDB
import Platform
import Testing

@testable import RateLimiting

/// `limiter.db` as the releases so far write it, spelled out: workers of two releases share it while they are replaced.
@Suite("What a release has written the next one reads, and the other way round") struct ReleasedFileTests {
    private static let tables = """
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
    private static let settings = ["application_id", "user_version", "quick_check"]
    private static let now = ["1398230356", "6", "ok"]
    /// What schema 2 adds.
    private static let second = """
        ALTER TABLE pauses ADD COLUMN credentials TEXT NOT NULL DEFAULT '';
        ALTER TABLE pauses ADD COLUMN refused INTEGER NOT NULL DEFAULT 0;
        """
    /// What schema 3 adds.
    private static let third = """
        CREATE TABLE askers (
            key TEXT NOT NULL,
            client TEXT NOT NULL,
            until INTEGER NOT NULL,
            PRIMARY KEY (key, client)
        ) WITHOUT ROWID;
        CREATE TRIGGER askers_leave AFTER DELETE ON lookups BEGIN DELETE FROM askers WHERE key = old.key; END;
        """

    /// What schema 4 adds.
    private static let fourth = "ALTER TABLE lookups ADD COLUMN queued INTEGER;"

    /// What schema 5 adds.
    private static let fifth = """
        ALTER TABLE grants ADD COLUMN turn INTEGER;
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

    /// What schema 6 adds, but for what it makes of the rows that are there.
    private static let sixth = """
        ALTER TABLE grants ADD COLUMN caller TEXT;
        ALTER TABLE grants ADD COLUMN untold INTEGER NOT NULL DEFAULT 0;
        """

    private func settings(of queue: DatabaseQueue) throws -> [String?] {
        try queue.inDatabase { db in try Self.settings.map { try String.fetchOne(db, sql: "PRAGMA \($0)") } }
    }

    /// As sqlite3(1) shows it.
    private func row(_ queue: DatabaseQueue, _ sql: String) throws -> String? {
        try queue.read { db in
            try Row.fetchOne(db, sql: sql).map { row in
                row.databaseValues.map { String.fromDatabaseValue($0) ?? "\($0)" }.joined(separator: "|")
            }
        }
    }

    @Test("A file of schema 1 keeps its pace, its line, its pause and its token")
    func old() throws {
        let folder = try Folder()
        let clock = ManualClock()
        let (now, wall) = (clock.boot.nanoseconds, clock.wall.milliseconds)
        let queue = try folder.raw()
        try queue.inDatabase { db in
            try db.execute(
                sql: """
                    PRAGMA journal_mode = PERSIST; BEGIN; \(Self.tables)
                    PRAGMA application_id = 0x53574D54; PRAGMA user_version = 1;
                    INSERT INTO ledger VALUES (1, 'boot 1', \(now), \(wall), 41, 250000000);
                    INSERT INTO grants VALUES (7, \(now - 1_500_000_000), 0, 'one'), (8, \(now - 500_000_000), 0, 'one');
                    INSERT INTO lookups (number, key, priority, client, wanted_until) VALUES (40, 'a', 2, '', \(now));
                    INSERT INTO pauses VALUES ('token', \(now - 1000), \(now + 9_000_000_000), 3, 0, '401');
                    INSERT INTO token VALUES (1, 'secret', 'id', \(now + 60_000_000_000), \(now + 120_000_000_000), NULL, NULL);
                    INSERT INTO facts VALUES ('closed', 'top-tracks', \(now + 5_000_000_000));
                    COMMIT;
                    """)
        }
        try queue.close()
        let limiter = try folder.open(clock: clock)
        let status = try limiter.status()
        #expect(status.callsInWindow == 2 && status.waiting[.renewal] == 1 && status.callTime == .milliseconds(250))
        #expect(try limiter.queued(atMost: 10).map(\.queuedAt) == [nil])
        #expect(status.nextSlotAt == wall + 1500 && status.tokenExpiresAt == wall + 120_000)
        #expect(status.tokenOutage?.endsAt == wall + 9000 && status.tokenOutage?.failures == 3)
        #expect(try limiter.token()?.token == "secret" && limiter.recall("closed") == "top-tracks")
        #expect(try limiter.permitAndSend(worker: "one") == .wait(.milliseconds(1500), .interval))
        clock.advance(.milliseconds(1500))
        let lease = try #require(try limiter.permitAndSend(worker: "one").lease)
        #expect(lease.key == "a" && lease.number == 42 && lease.grantedAt == clock.boot)
        // As the release before reads it: integers, in nanoseconds since the boot.
        let raw = try folder.raw()
        #expect(try row(raw, "SELECT id, instant, typeof(instant) FROM grants ORDER BY id DESC") == "9|\(clock.boot.nanoseconds)|integer")
        let ledger = try row(raw, "SELECT boot_id, instant, wall, typeof(instant), typeof(wall) FROM ledger")
        #expect(ledger == "boot 1|\(clock.boot.nanoseconds)|\(clock.wall.milliseconds)|integer|integer")
        #expect(try settings(of: raw) == Self.now)
        // A worker of the release before writes on.
        try raw.writeWithoutTransaction {
            try $0.execute(
                sql: """
                    INSERT OR REPLACE INTO pauses (what, recorded, until, repeats, quota_exceeded, reason)
                    VALUES ('token', 0, \(clock.boot.nanoseconds + 1_000_000_000), 1, 0, '500')
                    """)
        }
        #expect(try limiter.status().tokenOutage?.reason == "500" && limiter.status().refusedCredentials == nil)
    }

    @Test("Schema 5 had whose a call is in the worker's place")
    func callers() throws {
        let folder = try Folder()
        let (queue, clock) = (try folder.raw(), ManualClock())
        try queue.inDatabase { db in
            try db.execute(
                sql: """
                    PRAGMA journal_mode = PERSIST; BEGIN; \(Self.tables + Self.second + Self.third + Self.fourth + Self.fifth)
                    PRAGMA application_id = 0x53574D54; PRAGMA user_version = 5;
                    INSERT INTO ledger VALUES (1, 'boot 1', \(clock.boot.nanoseconds), \(clock.wall.milliseconds), 41, 250000000);
                    INSERT INTO token (only, issued_for) VALUES (1, '');
                    INSERT INTO grants SELECT value, \(clock.boot.nanoseconds) - 9 + value, 0, worker, turn FROM (
                        SELECT 1 AS value, 'w' AS worker, 8 AS turn UNION ALL SELECT 2, '@other', 9 UNION ALL SELECT 3, '', NULL
                        UNION ALL SELECT 4, 'w', NULL UNION ALL SELECT 5, 'restore', NULL);
                    COMMIT;
                    """)
        }
        try queue.close()
        let limiter = try folder.open(clock: clock)
        try limiter.file.write { try $0.beginSharing(as: "me", isListed: true, rateLimit: RateLimit()) }
        let raw = try folder.raw()
        let lines = try raw.read {
            try String.fetchAll($0, sql: "SELECT worker || ' ' || coalesce(caller, '-') || ' ' || coalesce(turn, '-') FROM grants")
        }
        #expect(Array(lines.prefix(3)) == ["w - 8", " other 9", "  -"])
        #expect(lines[3].hasPrefix("w me.") && lines[3].hasSuffix("-1 0") && lines[4] == "restore  -")
    }

    @Test("A file that is made now has the tables and settings of schema 6, to the letter")
    func new() throws {
        let bench = try Bench()
        let raw = try bench.folder.raw()
        #expect(try settings(of: raw) == Self.now)
        func schema(_ queue: DatabaseQueue) throws -> [String] {
            try queue.inDatabase { try String.fetchAll($0, sql: "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name") }
        }
        let old = try DatabaseQueue()
        try old.inDatabase { try $0.execute(sql: Self.tables + Self.second + Self.third + Self.fourth + Self.fifth + Self.sixth) }
        #expect(try schema(raw) == schema(old))
        let ledger = try row(raw, "SELECT * FROM ledger")
        #expect(ledger == "1|boot 1|\(bench.clock.boot.nanoseconds)|\(bench.clock.wall.milliseconds)|0|500000000")
        #expect(try row(raw, "SELECT only, coalesce(token, 'none'), issued_for FROM token") == "1|none|")
        let attributes = try FileManager.default.attributesOfItem(atPath: bench.folder.limiter)
        #expect((attributes[.posixPermissions] as? Int) == 0o600)
    }
}
