import Caching
import JSON
import Logging
import Platform

/// What is shown of a session. It may be lost at any time: nothing is decided by it.
struct SessionRecord: Sendable, Equatable {
    var userID: Int64
    var userName: String
    /// A few words made of the User-Agent.
    var device: String
    var userAgent: String
    var address: String
    /// ms since 1970.
    var createdAt: Int64
    var seenAt: Int64

    init(userID: Int64, userName: String, userAgent: String?, address: String, createdAt: Int64, seenAt: Int64) {
        self.userID = userID
        self.userName = userName
        device = Device.name(userAgent: userAgent)
        self.userAgent = String((userAgent ?? "").unicodeScalars.prefix(256).map(Character.init))
        self.address = address
        self.createdAt = createdAt
        self.seenAt = seenAt
    }

    var stored: [UInt8] {
        JSONWriter.token(
            .object([
                JSONMember("user", .integer(userID)), JSONMember("username", .string(userName)), JSONMember("agent", .string(userAgent)),
                JSONMember("address", .string(address)), JSONMember("created", .integer(createdAt)), JSONMember("seen", .integer(seenAt)),
            ]))
    }

    /// nil where the bytes are not a record.
    init?(stored: [UInt8]) {
        guard let value = try? JSONValue(reading: stored, .python), let userID = value["user"]?.pythonInteger,
            let createdAt = value["created"]?.pythonInteger, let seenAt = value["seen"]?.pythonInteger
        else { return nil }
        self.init(
            userID: userID, userName: value["username"]?.text ?? "", userAgent: value["agent"]?.text, address: value["address"]?.text ?? "",
            createdAt: createdAt, seenAt: seenAt)
    }
}

/// Where the shown records are kept, for the time that a session may go unused (24 h, begun anew at every write).
protocol SessionRecords: Sendable {
    /// In the order of `ids`; nil for one that lapsed.
    func records(_ ids: [String]) throws -> [SessionRecord?]
    func keep(_ record: SessionRecord, as id: String) throws
    func remove(_ ids: [String]) throws
    /// Whether `markBegun` was ever called on what is kept here: there has been a `sessions.db` then.
    func hasBegun() -> Bool
    func markBegun()
}

/// Shown records in the cache `session`, counts in `temp`.
struct CachesRecords: SessionRecords {
    let caches: Caches
    private let isMarked = Locked(false)  // guards whether the mark was left by this process

    init(caches: Caches) { self.caches = caches }

    func records(_ ids: [String]) throws -> [SessionRecord?] {
        try caches.get(.session, ids.map(Self.key)).map { $0.flatMap { SessionRecord(stored: $0.entry.value) } }
    }

    func keep(_ record: SessionRecord, as id: String) throws { try caches.put(.session, Self.key(id), record.stored) }

    func remove(_ ids: [String]) throws { for id in ids { try caches.delete(.session, Self.key(id)) } }

    func hasBegun() -> Bool { (try? caches.get(.user, Self.mark)) != nil }

    func markBegun() {
        guard !isMarked.withLock({ $0 }) else { return }
        if !hasBegun() { _ = try? caches.put(.user, Self.mark, [1], keep: true) }
        isMarked.withLock { $0 = true }
    }

    private static func key(_ id: String) -> [UInt8] { Array("shown/\(id)".utf8) }
    private static let mark = Array("sessions/begun".utf8)
}

struct CachesCounts: CountStore {
    let caches: Caches

    func change(_ key: String, lastingSeconds: Int64, _ change: ([UInt8]?) -> [UInt8]?) throws {
        try caches.update(.temp, Array(key.utf8), ttl: .seconds(lastingSeconds)) { change($0?.value) }
    }

    func read(_ key: String) throws -> [UInt8]? { try caches.get(.temp, Array(key.utf8))?.entry.value }

    func remove(_ key: String) throws -> Bool { try caches.delete(.temp, Array(key.utf8)) }
}

/// Sessions that were used since the last `take`, so that "last seen" is written off the requests' way.
final class SeenSessions: Sendable {
    struct Use: Sendable {
        var userID: Int64
        var userName: String
        var userAgent: String?
        var address: String
        var beganAt: Int64
        var seenAt: Int64
    }

    private let uses = Locked<[String: Use]>([:])  // guards the uses not yet written, by session
    private static let most = 10_000

    private func note(_ use: Use, of session: String) {
        uses.withLock { if $0.count < Self.most || $0[session] != nil { $0[session] = use } }
    }

    /// Notes that the session was used, once a minute for each token.
    /// - Parameter now: ms since 1970.
    func note(_ session: KnownSession, _ user: User, _ token: RememberedToken, _ caller: Caller, now: Int64) {
        guard token.isDueToBeNoted(now: now) else { return }
        note(
            Use(
                userID: user.id, userName: user.name, userAgent: caller.userAgent, address: caller.address, beganAt: session.beganAt,
                seenAt: now), of: session.id)
    }

    func take() -> [String: Use] {
        uses.withLock { uses in
            defer { uses = [:] }
            return uses
        }
    }

    func forget(_ session: String) { uses.withLock { _ = $0.removeValue(forKey: session) } }
}

/// A few words for a User-Agent (RFC 9110, section 10.1.5), so that a user recognises a session of theirs.
enum Device {
    static func name(userAgent: String?) -> String {
        guard let agent = userAgent, !agent.isEmpty else { return "Unknown device" }
        let program = programs.first { agent.contains($0.mark) }?.name
        let system = systems.first { agent.contains($0.mark) }?.name
        switch (program, system) {
        case (let program?, let system?): return "\(program) on \(system)"
        case (let program?, nil): return program
        case (nil, let system?): return "\(product(agent)) on \(system)"
        case (nil, nil): return product(agent)
        }
    }

    /// The first product's name, at most 40 letters, without anything that does not print.
    private static func product(_ agent: String) -> String {
        let name = agent.prefix { $0 != "/" && $0 != " " }.filter { $0.isLetter || $0.isNumber || "-_.".contains($0) }
        return name.isEmpty ? "Unknown device" : String(name.prefix(40))
    }

    // The order matters: most browsers name the ones that they want to be taken for as well.
    private static let programs: [(mark: String, name: String)] = [
        ("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox/", "Firefox"), ("FxiOS", "Firefox"),
        ("CriOS", "Chrome"), ("Chrome/", "Chrome"), ("Safari/", "Safari"), ("Dart/", "Swing Music app"), ("okhttp/", "Android app"),
        ("curl/", "curl"),
    ]

    private static let systems: [(mark: String, name: String)] = [
        ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS X", "macOS"), ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]
}
