import Foundation
import GRDB
import Platform
import Testing

@testable import RateLimiting

@Suite("The file: whatever is wrong with it, nothing is granted, and what is repaired is used") struct LimiterDatabaseTests {
    private func failure(_ rateLimiter: FileRateLimiter) throws -> RateLimiterError? {
        do {
            _ = try rateLimiter.permitAndSend(worker: "one")
            return nil
        } catch {
            return error
        }
    }

    private func python(_ script: String, _ arguments: String...) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-c", script] + arguments
        process.standardOutput = Pipe()
        try process.run()
        return process
    }

    private func firstLine(_ process: Process) -> String {
        guard let pipe = process.standardOutput as? Pipe else { return "" }
        return String(decoding: pipe.fileHandleForReading.availableData, as: UTF8.self)
    }

    @Test("It is created for its owner alone, with a rollback journal that stays")
    func created() throws {
        let bench = try Bench()
        let attributes = try FileManager.default.attributesOfItem(atPath: bench.folder.limiter)
        #expect((attributes[.posixPermissions] as? Int) == 0o600)
        try bench.enqueue(bench.ask("a"))
        #expect(FileManager.default.fileExists(atPath: bench.folder.limiter + "-journal"))
    }

    @Test("Many that start at once on an empty folder all come up, on one and the same file")
    func race() throws {
        for _ in 0..<10 {
            let folder = try Folder()
            let clock = ManualClock()
            let failures = Tally()
            concurrently(8) { index in
                do {
                    let rateLimiter = try folder.open(clock: clock)
                    _ = try rateLimiter.enqueue([Ask(key: "a", priority: .warming, client: "", attendedUntil: 0)])
                    if try rateLimiter.permitAndSend(worker: "\(index)").lease != nil { failures.add("granted") }
                } catch {
                    failures.add("\(error)")
                }
            }
            #expect(failures.all == ["granted"])
        }
    }

    @Test("A locked file is an error after a short wait, and no more than that")
    func locked() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a"))
        let began = ContinuousClock.now
        try bench.folder.raw().writeWithoutTransaction { db in
            try db.execute(sql: "BEGIN EXCLUSIVE")
            guard case .file(.locked) = try failure(bench.rateLimiter) else { throw Bench.Stuck() }
            try db.execute(sql: "ROLLBACK")
        }
        #expect(ContinuousClock.now - began < .seconds(4))
        #expect(try bench.rateLimiter.permitAndSend(worker: "one").lease != nil)
    }

    @Test("Another process killed in the middle of a transaction leaves nothing behind")
    func killed() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a"))
        let script = """
            import sqlite3, sys, time
            db = sqlite3.connect(sys.argv[1], isolation_level=None)
            db.execute("PRAGMA journal_mode = PERSIST"); db.execute("PRAGMA cache_size = 1")
            db.execute("BEGIN IMMEDIATE")
            db.execute("DELETE FROM lookups")
            db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000) "
                       "INSERT INTO grants SELECT i, 0, 0, hex(randomblob(50)), NULL, NULL, 0 FROM n")
            print("written", flush=True); time.sleep(60)
            """
        let process = try python(script, bench.folder.limiter)
        #expect(firstLine(process).hasPrefix("written"))
        guard case .file(.locked) = try failure(bench.rateLimiter) else { throw Bench.Stuck() }
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        #expect(try bench.rateLimiter.permitAndSend(worker: "one").lease?.key == "a")
        #expect(try bench.rateLimiter.status().callsInWindow == 1)
    }

    @Test("When the journal cannot be written there is no turn, and there is one again when it can")
    func journal() throws {
        let folder = try Folder()
        let clock = ManualClock()
        let journal = folder.limiter + "-journal"
        let rateLimiter = try folder.open(clock: clock)
        _ = try rateLimiter.enqueue([Ask(key: "a", priority: .warming, client: "", attendedUntil: 0)])
        try FileManager.default.removeItem(atPath: journal)
        try FileManager.default.createDirectory(atPath: journal, withIntermediateDirectories: false)
        let fresh = try folder.open(clock: clock)
        #expect(try failure(fresh) != nil)
        try FileManager.default.removeItem(atPath: journal)
        #expect(try fresh.permitAndSend(worker: "one").lease != nil)
    }

    @Test("On a full disk there is no turn and no slot is spent; with room again there is one")
    func fullDisk() throws {
        let folder = try Folder()
        let clock = ManualClock()
        let rateLimiter = try folder.open(clock: clock)
        let keys = (0..<300).map { "a key that is long enough to fill some pages \($0)" }
        _ = try rateLimiter.enqueue(keys.prefix(10).map { Ask(key: $0, priority: .renewal, client: "", attendedUntil: 0) })
        // A journal that is the device that is always full.
        try FileManager.default.removeItem(atPath: folder.limiter + "-journal")
        try FileManager.default.createSymbolicLink(
            atPath: folder.limiter + "-journal", withDestinationPath: "/dev/full")
        let fresh = try folder.open(clock: clock)
        let error = try failure(fresh)
        #expect(error != nil, "\(String(describing: error))")
        try FileManager.default.removeItem(atPath: folder.limiter + "-journal")
        #expect(try fresh.status().callsInWindow == 0)
        #expect(try fresh.permitAndSend(worker: "one").lease != nil)
    }

    @Test("A damaged file is an error; the file that replaces it is used without a restart")
    func damaged() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a"))
        let copy = bench.folder.path + "/copy"
        try FileManager.default.copyItem(atPath: bench.folder.limiter, toPath: copy)
        try Data(repeating: 0x55, count: 20_000).write(to: URL(fileURLWithPath: bench.folder.path + "/garbage"))
        #expect(rename(bench.folder.path + "/garbage", bench.folder.limiter) == 0)
        guard case .file(.damaged) = try failure(bench.rateLimiter) else { throw Bench.Stuck() }
        guard case .file(.damaged) = try failure(bench.rateLimiter) else { throw Bench.Stuck() }
        #expect(rename(copy, bench.folder.limiter) == 0)
        #expect(try bench.rateLimiter.permitAndSend(worker: "one").lease?.key == "a")
    }

    @Test("A file that is damaged when the program starts does not end it")
    func damagedAtStart() throws {
        let folder = try Folder()
        try Data(repeating: 0x55, count: 20_000).write(to: URL(fileURLWithPath: folder.limiter))
        let rateLimiter = try folder.open(clock: ManualClock())
        guard case .file(.damaged) = try failure(rateLimiter) else { throw Bench.Stuck() }
        try FileManager.default.removeItem(atPath: folder.limiter)
        #expect(try failure(rateLimiter) == nil)
    }

    @Test("A folder that is not there is an error that ends when it appears")
    func missingFolder() throws {
        let folder = try Folder()
        try FileManager.default.removeItem(atPath: folder.path)
        let rateLimiter = try folder.open(clock: ManualClock())
        guard case .file(.cannotOpen) = try failure(rateLimiter) else { throw Bench.Stuck() }
        try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
        #expect(try failure(rateLimiter) == nil)
    }

    @Test("Who only looks does not create the file")
    func lookingOnly() throws {
        let folder = try Folder()
        let looking = try folder.open(clock: ManualClock(), creating: false)
        guard case .file(.cannotOpen) = try failure(looking) else { throw Bench.Stuck() }
        #expect(!FileManager.default.fileExists(atPath: folder.limiter))
        _ = try folder.open(clock: ManualClock())
        #expect(try looking.status().callsInWindow == 0)
    }

    @Test("When the file is lost under a running process, it still keeps the interval and the cooldown")
    func lost() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a"))
        _ = try bench.next()
        try FileManager.default.removeItem(atPath: bench.folder.limiter)
        try bench.enqueue(bench.ask("b"))
        #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(.seconds(2), .interval))
        _ = try bench.rateLimiter.coolDown(.seconds(60), quotaExceeded: false)
        try FileManager.default.removeItem(atPath: bench.folder.limiter)
        try bench.enqueue(bench.ask("b"))
        #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(.seconds(60), .cooldown))
    }

    /// There has been one schema so far: that a file takes the steps it lacks is shown with one that is yet to come.
    @Test("A file of the version before takes the missing steps, keeps its line and its pace, and those that have it open go on")
    func upgraded() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a"), bench.ask("b"))
        _ = try bench.next()
        let known = LimiterSchema.steps.version
        let next = LimiterSchema.steps.through(known, then: [{ try $0.execute(sql: "ALTER TABLE grants ADD COLUMN note TEXT") }])
        #expect(try bench.folder.raw().writeWithoutTransaction { try next.migrate($0) { _ in throw Bench.Stuck() } } == known)
        let raw = try bench.folder.raw()
        #expect(try raw.read { try Int.fetchOne($0, sql: "PRAGMA user_version") } == next.version)
        #expect(try bench.rateLimiter.status().callsInWindow == 1)
        bench.clock.advance(.seconds(3))
        #expect(try bench.rateLimiter.permitAndSend(worker: "one").lease?.key == "b")
        #expect(try raw.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM grants") } == 2)
        // What is started now and knows only the steps before makes no call.
        let fresh = try bench.folder.open(clock: bench.clock)
        guard case .file(.newerSchema(found: next.version, known: known)) = try failure(fresh) else { throw Bench.Stuck() }
    }

    @Test("A file of a newer version is refused and left alone")
    func newer() throws {
        let bench = try Bench()
        try bench.folder.raw().writeWithoutTransaction { try $0.execute(sql: "PRAGMA user_version = 99") }
        let fresh = try bench.folder.open(clock: bench.clock)
        guard case .file(.newerSchema(found: 99, known: LimiterSchema.steps.version)) = try failure(fresh) else { throw Bench.Stuck() }
        #expect(try failure(fresh)?.description.contains("99") == true)
    }

    @Test("Another application's database is refused and left alone")
    func foreign() throws {
        let folder = try Folder()
        try folder.raw().writeWithoutTransaction { try $0.execute(sql: "CREATE TABLE songs (name TEXT)") }
        guard case .file(.foreign) = try failure(try folder.open(clock: ManualClock())) else { throw Bench.Stuck() }
        let tables = try folder.raw().read { try String.fetchAll($0, sql: "SELECT name FROM sqlite_schema") }
        #expect(tables == ["songs"])
    }

    @Test("Settings that cannot be kept are refused")
    func settings() throws {
        let folder = try Folder()
        #expect(throws: RateLimiterError.self) { try folder.open(rateLimit: RateLimit(callsPerWindow: 0)) }
        #expect(throws: RateLimiterError.self) { try folder.open(rateLimit: RateLimit(interval: .seconds(-1))) }
        #expect(throws: RateLimiterError.self) { try folder.open(rateLimit: RateLimit(callerReserve: .nan)) }
        #expect(throws: RateLimiterError.self) { try folder.open(queueLimit: 0) }
    }

    @Test("Old calls are forgotten, and the queries walk indexes")
    func upkeep() throws {
        let bench = try Bench(rateLimit: RateLimit(interval: .seconds(1), callsPerWindow: 5, window: .seconds(10)))
        for index in 0..<40 {
            try bench.enqueue(bench.ask("\(index)"))
            #expect(try bench.rateLimiter.finish(try bench.next(), .answered))
        }
        let raw = try bench.folder.raw()
        #expect(try raw.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM grants") } ?? 99 <= 6)
        let plan = try raw.read { db in
            try Row.fetchAll(
                db,
                sql: """
                    EXPLAIN QUERY PLAN SELECT key FROM clients
                    CROSS JOIN lookups INDEXED BY lookups_in_line ON lookups.client = clients.client
                    WHERE failed = 0 AND priority <= 1
                    ORDER BY served, joined, number LIMIT 1
                    """
            ).map { $0["detail"] as String }
        }
        #expect(!plan.joined().contains("TEMP B-TREE"), "\(plan)")
    }
}
