import Foundation
import GRDB
import Glibc
import JSON
import Logging
import Platform
import Synchronization
import Testing

@testable import Sessions

/// A swingmusic folder as the reference instance left it, our data folder, and a clock that stands until it is moved.
final class Household: Sendable {
    let folder: String
    let swingmusic: String
    let data: String
    let records = MemoryRecords()
    let hands: ManualClock

    static let serverID = "bca1ef1852504ba6cd57391785ef6ad0029441a3b7961aeca797eda60b6a061c"
    static let hashOf: [String: String] = [
        "admin": "a506ae573db1178daccec6488334752a4405696f58e93da7cbcec9ff786d60b1",
        "bob": "ae485a05d043188fa1afa5209ebd3ed087a546cea8e004bf06e0b490746d7449",
        "carol": "e836f67d1dd698ef9f723e4312ceeb2ebe6919d4e98d714eddbdb5670db12581",
        "zoë": "8ef5a8729a0786354a84d479315300a70fbd2310c279564c28c5229e14b26585",
    ]

    /// - Parameter users: names with their roles as JSON; ids count from 1.
    init(users: [(String, String)] = [("admin", #"["admin"]"#), ("bob", "[]"), ("carol", "[]")], now: Int64 = 1_795_400_000_500) throws {
        folder = NSTemporaryDirectory() + "sessions-test-" + UUID().uuidString
        swingmusic = folder + "/swingmusic"
        data = folder + "/data"
        hands = ManualClock(wall: now)
        for path in [swingmusic, data] { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
        try writeSettings()
        try makeDatabase(at: database, users: users)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    var database: String { swingmusic + "/swingmusic.db" }
    var now: Int64 { hands.wall.milliseconds }
    func pass(seconds: Int64) { hands.advance(.seconds(seconds)) }
    /// Somebody sets the wall clock.
    func setClock(by seconds: Int64) { hands.set(wall: now + seconds * 1000) }
    func reboot(clockOff seconds: Int64 = 0) {
        hands.reboot("boot 2", down: .seconds(60))
        setClock(by: seconds)
    }

    /// The house stands for as long as somebody reads its clock.
    private struct Clock: HostClock {
        let house: Household
        var wall: WallTime { house.hands.wall }
        var monotonic: MonotonicTime { house.hands.monotonic }
        var boot: BootTime { house.hands.boot }
        var bootID: String { house.hands.bootID }
    }

    func writeSettings(serverID: String = Household.serverID, legacy: String = "", usersOnLogin: Bool = true) throws {
        let text = #"{"serverId":"\#(serverID)","legacy_serverId":"\#(legacy)","usersOnLogin":\#(usersOnLogin),"rootDirs":[]}"#
        try text.write(toFile: swingmusic + "/settings.json", atomically: true, encoding: .utf8)
    }

    /// The schema of the reference file.
    func makeDatabase(at path: String, users: [(String, String)]) throws {
        let queue = try DatabaseQueue(path: path)
        try queue.inDatabase { db in
            _ = try String.fetchOne(db, sql: "PRAGMA journal_mode = WAL")
            try db.execute(
                sql: """
                    CREATE TABLE user (id INTEGER NOT NULL, image VARCHAR, password VARCHAR NOT NULL, username VARCHAR NOT NULL,
                        roles JSON NOT NULL, extra JSON, PRIMARY KEY (id));
                    CREATE INDEX ix_user_username ON user (username)
                    """)
            for (name, roles) in users {
                try db.execute(
                    sql: "INSERT INTO user (password, username, roles) VALUES (?, ?, ?)",
                    arguments: [Household.hashOf[name] ?? "00", name, roles])
            }
        }
        try queue.close()
    }

    /// Runs `body` while another process has `sessions.db` to itself for writing, or altogether.
    func withSessionsLocked(_ kind: Database.TransactionKind = .immediate, _ body: () throws -> Void) throws {
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        configuration.busyMode = .timeout(5)
        let queue = try DatabaseQueue(path: data + "/sessions.db", configuration: configuration)
        try queue.inDatabase { try $0.execute(sql: "BEGIN \(kind.rawValue)") }
        try body()
        try queue.inDatabase { try $0.execute(sql: "ROLLBACK") }
        try queue.close()
    }

    /// As swingmusic would: another connection.
    func change(_ sql: String, _ arguments: StatementArguments = []) throws {
        let queue = try DatabaseQueue(path: database)
        try queue.inDatabase { try $0.execute(sql: sql, arguments: arguments) }
        try queue.close()
    }

    /// One worker: its own connections and memory on the same files.
    /// - Parameter named: as `SWINGMUSIC_CONFIG_DIR`; swingmusic's folder when left out.
    func worker(
        named: String? = nil, counts: any CountStore = MemoryCountStore(), open: Bool = false, records: (any SessionRecords)? = nil,
        adoption: TokenAdoption = .safe
    ) -> Sessions {
        let configuration = SessionsConfiguration(
            swingmusicFolder: named ?? swingmusic, dataFolder: data, isRegistrationOpen: open, origins: ["https://friend.example"],
            adoption: adoption)
        return Sessions(
            configuration, records: records ?? self.records, counts: counts, clock: Clock(house: self),
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    // MARK: tokens as swingmusic makes them

    func issuer(serverID: String = Household.serverID) throws -> TokenIssuer {
        TokenIssuer(key: try #require(SigningKey(serverID: serverID)))
    }

    func foreignToken(_ kind: TokenKind = .access, user: Int64, issuedAgo: Int64 = 0) throws -> String {
        let subject = JSONValue.object([JSONMember("id", .integer(user)), JSONMember("username", .string("old name"))])
        return try issuer().make(kind, subject: subject, second: now / 1000 - issuedAgo, identifier: RandomName.uuid()).text
    }

    func signed(_ payload: String, header: String = #"{"alg":"HS256","typ":"JWT"}"#, serverID: String = Household.serverID) throws -> String
    {
        let key = try #require(SigningKey(serverID: serverID))
        let input = Base64URL.encode(header.utf8) + [UInt8(ascii: ".")] + Base64URL.encode(payload.utf8)
        return String(decoding: input + [UInt8(ascii: ".")] + Base64URL.encode(key.sign(input)), as: UTF8.self)
    }
}

extension Sessions {
    /// Logs in and waits for the login thread.
    func logIn(_ body: String, _ caller: Caller = Caller(address: "192.0.2.1")) -> Answer {
        let box = Mutex<Answer?>(nil)
        let done = DispatchSemaphore(value: 0)
        let waiter = Waiter(box: box, done: done)
        let now = login(FormBody(bytes: Array(body.utf8), contentType: "application/json"), caller) { waiter.finish($0) }
        return now ?? waiter.wait()
    }

    func tokens(of name: String) throws -> (access: String, refresh: String) {
        let answer = logIn(#"{"username":"\#(name)","password":"\#(name == "zoë" ? "päss" : name + "pw")"}"#)
        try #require(answer.status == 200, "login of \(name): \(answer.text)")
        return (try answer.member("accesstoken"), try answer.member("refreshtoken"))
    }
}

final class Waiter: Sendable {
    private let answer: Mutex<Answer?>
    private let done: DispatchSemaphore

    init(box: consuming sending Mutex<Answer?>, done: DispatchSemaphore) {
        answer = box
        self.done = done
    }

    func finish(_ answer: Answer) {
        self.answer.withLock { $0 = answer }
        done.signal()
    }

    func wait() -> Answer {
        done.wait()
        return answer.withLock { $0 } ?? .unavailable
    }
}

extension Answer {
    var text: String { String(decoding: body, as: UTF8.self) }
    func member(_ name: String) throws -> String { try #require(JSONValue(reading: body)[name]?.text) }
    var message: String? { (try? JSONValue(reading: body))?["msg"]?.text }
}

extension Caller {
    static func cookie(_ token: String) -> Caller { Caller(cookies: ["access_token_cookie=\(token)"], address: "192.0.2.1") }
    static func bearer(_ token: String) -> Caller { Caller(authorization: ["Bearer \(token)"], address: "192.0.2.1") }
}

/// Shown records in memory.
final class MemoryRecords: SessionRecords {
    private let kept = Mutex<[String: SessionRecord]>([:])

    func records(_ ids: [String]) -> [SessionRecord?] { kept.withLock { kept in ids.map { kept[$0] } } }
    func keep(_ record: SessionRecord, as id: String) { kept.withLock { $0[id] = record } }
    func remove(_ ids: [String]) { kept.withLock { kept in ids.forEach { kept[$0] = nil } } }
    func hasBegun() -> Bool { false }
    func markBegun() {}
    var count: Int { kept.withLock { $0.count } }
}
