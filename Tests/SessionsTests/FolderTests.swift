import Dispatch
import Foundation
import GRDB
import Glibc
import Platform
import Synchronization
import Testing

@testable import Sessions

@Suite struct FolderTests {
    let house: Household

    init() throws { house = try Household() }

    @Test("a missing swingmusic.db lets nobody in, and is found again without a restart")
    func missing() throws {
        let worker = house.worker()
        let token = try house.foreignToken(user: 2)
        #expect(worker.user(.bearer(token)).status == 200)
        try FileManager.default.moveItem(atPath: house.database, toPath: house.database + ".away")
        #expect(worker.user(.bearer(token)).status == 503)
        #expect(worker.verify(.bearer(token), method: "GET", role: nil).status == 403)
        #expect(worker.logIn(#"{"username":"bob","password":"bobpw"}"#).status == 503)
        try FileManager.default.moveItem(atPath: house.database + ".away", toPath: house.database)
        #expect(worker.user(.bearer(token)).status == 200)
    }

    @Test("a swingmusic.db replaced by a new file is read from the next request on")
    func replaced() throws {
        let worker = house.worker()
        let admin = try house.foreignToken(user: 1)
        let bob = try house.foreignToken(user: 2)
        #expect(worker.user(.bearer(bob)).status == 200)
        #expect(worker.user(.bearer(admin)).status == 200)
        try house.makeDatabase(at: house.database + ".new", users: [("admin", #"["admin"]"#)])
        for suffix in ["-wal", "-shm"] { unlink(house.database + suffix) }
        #expect(rename(house.database + ".new", house.database) == 0)
        #expect(worker.user(.bearer(bob)).message?.hasPrefix("Error loading the user") == true)
        #expect(worker.user(.bearer(admin)).status == 200)
    }

    @Test("a writer that holds swingmusic.db does not keep anybody out")
    func locked() throws {
        let worker = house.worker()
        let token = try house.foreignToken(user: 2)
        let writer = try DatabaseQueue(path: house.database)
        try writer.inDatabase { db in
            try db.execute(sql: "BEGIN EXCLUSIVE; UPDATE user SET username = 'x' WHERE id = 2")
            #expect(worker.user(.bearer(token)).text.contains(#""username":"bob""#))
            try db.execute(sql: "ROLLBACK")
        }
    }

    @Test("a login with a legacy hash works although swingmusic.db cannot be written")
    func unwritable() throws {
        let legacy = "0b7d6a9e-1111-4222-8333-444455556666"
        let old = try #require(PasswordHash.make(password: "bobpw", salt: legacy))
        try house.change("UPDATE user SET password = ? WHERE id = 2", [old])
        try house.change("CREATE TRIGGER refuse BEFORE UPDATE ON user BEGIN SELECT RAISE(ABORT, 'no'); END")
        try house.writeSettings(legacy: legacy)
        let tokens = try house.worker().tokens(of: "bob")
        #expect(house.worker().user(.bearer(tokens.access)).status == 200)
    }

    @Test("an immutable file is opened by an address, and anew when it changes")
    func immutable() throws {
        let path = house.folder + "/a b?c%.db"
        try house.makeDatabase(at: path, users: [("bob", "[]")])
        let pool = ConnectionPool<UserDatabase.Connection>()
        func names() throws -> [String] {
            let stamp = try #require(FileStamp(path: path))
            return try pool.borrow(
                if: { $0.isGood(at: stamp, hasLog: false) },
                opening: { try UserDatabase.Connection(to: path, at: stamp, isFrozen: true, .brief) }
            ) { try $0.queue.inDatabase { try String.fetchAll($0, sql: "SELECT username FROM user") } }
        }
        #expect(try names() == ["bob"])
        #expect(access(path + "-shm", F_OK) != 0)
        let queue = try DatabaseQueue(path: path)
        try queue.inDatabase { try $0.execute(sql: "UPDATE user SET username = 'robert'") }
        try queue.close()
        #expect(try names() == ["robert"])
    }

    @Test("another serverId counts at once: tokens of the old one are no longer good")
    func settings() throws {
        let worker = house.worker()
        let token = try house.foreignToken(user: 2)
        #expect(worker.user(.bearer(token)).status == 200)
        let other = String(repeating: "ab", count: 32)
        try house.writeSettings(serverID: other)
        #expect(worker.user(.bearer(token)).message == "Signature verification failed")
        let now = house.now / 1000
        #expect(worker.user(.bearer(try house.signed(#"{"sub":{"id":2},"iat":\#(now)}"#, serverID: other))).status == 200)
    }

    @Test("half-written or missing settings leave the last good ones; without any there are no sessions")
    func badSettings() throws {
        let worker = house.worker()
        let token = try house.foreignToken(user: 2)
        #expect(worker.user(.bearer(token)).status == 200)
        let path = house.swingmusic + "/settings.json"
        for text in ["", "{\"serverId\":", #"{"serverId":""}"#, #"{"serverId":7}"#] {
            try text.write(toFile: path, atomically: false, encoding: .utf8)
            #expect(worker.user(.bearer(token)).status == 200)
            #expect(house.worker().user(.bearer(token)).status == 503)
        }
        try FileManager.default.removeItem(atPath: path)
        #expect(worker.user(.bearer(token)).status == 200)
        #expect(house.worker().user(.bearer(token)).status == 503)
    }

    @Test("eight workers that start at once make one sessions.db")
    func creation() throws {
        let workers = (0..<8).map { _ in house.worker() }
        let token = try house.foreignToken(user: 2)
        let good = Mutex(0)
        DispatchQueue.concurrentPerform(iterations: 8) { index in
            if workers[index].user(.bearer(token)).status == 200 { good.withLock { $0 += 1 } }
        }
        #expect(good.withLock { $0 } == 8)
        #expect(try workers[0].database.read { try $0.count("session") } == 1)
        let mode = try FileManager.default.attributesOfItem(atPath: house.data + "/sessions.db")[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    @Test("a data folder that cannot be used lets nobody in and nobody log in")
    func noDatabase() throws {
        let token = try house.foreignToken(user: 2)
        try FileManager.default.removeItem(atPath: house.data)
        let worker = house.worker()
        #expect(worker.user(.bearer(token)).status == 503)
        #expect(worker.logIn(#"{"username":"bob","password":"bobpw"}"#).status == 503)
        #expect(worker.logout(.bearer(token)).status == 503)
        try FileManager.default.createDirectory(atPath: house.data, withIntermediateDirectories: true)
        house.pass(seconds: 2)
        #expect(worker.user(.bearer(token)).status == 200)
    }

    @Test("what is remembered of a token is forgotten with the next write by anybody")
    func memory() throws {
        let house = try Household(now: SystemClock().wall.milliseconds)
        let workers = [house.worker(), house.worker()]
        let tokens = try workers[0].tokens(of: "bob")
        #expect(workers[1].user(.bearer(tokens.access)).status == 200)
        // Make the last write look old, so that the answer may be remembered.
        let past = timeval(tv_sec: Int(house.now / 1000) - 100, tv_usec: 0)
        _ = withUnsafePointer(to: (past, past)) { pair in
            pair.withMemoryRebound(to: timeval.self, capacity: 2) { utimes(house.data + "/sessions.db", $0) }
        }
        #expect(workers[1].user(.bearer(tokens.access)).status == 200)
        let key = try #require(SigningKey(serverID: Household.serverID))
        let remembered = try #require(workers[1].authenticator.memory.find(TokenHash(of: Array(tokens.access.utf8)[...]), under: key.mark))
        #expect(remembered.answer(at: try workers[1].database.stamp()) != nil)
        _ = workers[0].logout(.bearer(tokens.access))
        #expect(remembered.answer(at: try workers[1].database.stamp()) == nil)
        #expect(workers[1].user(.bearer(tokens.access)).status == 401)
    }

}

@Suite struct PasswordTests {
    @Test("the reference hashes are made again")
    func vectors() {
        #expect(PasswordHash.make(password: "adminpw", salt: Household.serverID) == Household.hashOf["admin"])
        #expect(PasswordHash.make(password: "päss", salt: Household.serverID) == Household.hashOf["zoë"])
    }

    @Test("the legacy salt is tried first; a match there asks for a new hash")
    func legacy() {
        func decide(_ stored: String, _ legacy: String?) -> PasswordCheck {
            PasswordCheck.decide(password: "p", stored: stored, salt: "new", legacySalt: legacy) { "\($1)-\($0)" }
        }
        #expect(decide("new-p", nil) == .right)
        #expect(decide("new-p", "old") == .right)
        #expect(decide("old-p", "old") == .outdated(newHash: "new-p"))
        #expect(decide("old-p", nil) == .wrong)
        #expect(decide("NEW-p", nil) == .wrong)
    }
}
