import Platform
import RESP

/// What the names of one account's keys in the store begin with, and the names. All are in one hash slot.
struct SharedKeys: Sendable {
    let prefix: String

    /// - Parameter account: tells the account and the API's address from others; not a secret.
    init(account: String) { prefix = "swingmusic-fcgi:{\(account)}:" }

    var state: String { prefix + "state" }
    var turns: String { prefix + "turns" }
    var leases: String { prefix + "leases" }
    var wants: String { prefix + "wants" }
    var hosts: String { prefix + "hosts" }
    var token: String { prefix + "token" }
    var channel: String { prefix + "news" }
    func record(_ lookup: String) -> String { prefix + "record:" + lookup }
}

/// The store over one connection: each script as a call. One caller at a time; after a throw it connects anew at the next call.
final class SharedStore {
    /// What becomes of asking for a turn.
    enum Turn: Equatable {
        case granted(number: Int64, nextHost: String)
        /// The number is not the last any more, or it is another life of the store.
        case late
        /// Another host has the lookup; its lease.
        case taken(String)
    }

    struct View: Equatable {
        var report: StoreReport
        /// Whose the next turn is before the others'; empty: nobody's.
        var nextHost: String
        /// A cooldown's name, length and whether it is a spent quota's.
        var cooldown: SharedCooldown?
        /// How often each host has looked.
        var beats: [String: String]
    }

    /// Whoever speaks another protocol must not take turns with this one.
    static let protocolNumber = "1"

    let keys: SharedKeys
    private let endpoint: RedisEndpoint
    private let host: String
    private var connection: RedisConnection?
    /// The scripts' names in the server, in the order of `SharedScript.allCases`.
    private var digests: [SharedScript: String] = [:]
    /// What the server calls this life of its own (`run_id` of INFO); empty where it does not say.
    private var server = ""
    /// Until the first look over a connection nothing is known of what happened before it.
    private var hasLooked = false

    init(_ endpoint: RedisEndpoint, keys: SharedKeys, host: String) {
        self.endpoint = endpoint
        self.keys = keys
        self.host = host
    }

    /// The longest reply: a list of the turns of an hour, or a record.
    static let longestReply = 32 << 20

    // MARK: Calls

    /// Asks for turn `position.turn + 1`. Late before the first look over a connection: the server may be another.
    func turn(
        _ position: SharedPosition, lookup: String, takingOver lease: String?, gap: Duration, isBackground: Bool, rankLeft: Priority?,
        keeping: Int
    ) throws(StoreFault) -> Turn {
        _ = try connected()
        guard hasLooked else { return .late }
        let said = try call(
            .turn, [keys.state, keys.turns, keys.leases, keys.wants],
            [
                position.epoch, "\(position.turn)", host, lookup, lease ?? "", "\(max(0, gap.wholeMilliseconds))", isBackground ? "1" : "0",
                rankLeft.map { "\($0.rawValue)" } ?? "", "\(keeping)", keys.channel,
            ])
        let parts = said.items?.map { $0.text ?? "" } ?? []
        switch parts.first {
        case "granted" where parts.count == 3:
            guard let number = Int64(parts[1]) else { throw .foreign("a turn without a number") }
            return .granted(number: number, nextHost: parts[2])
        case "taken" where parts.count == 2: return .taken(parts[1])
        case "late", "foreign": return .late
        default: throw .foreign("what a turn is answered with")
        }
    }

    /// Ends a lookup's lease for all hosts, and leaves its record for them.
    /// - Returns: false when another host has the lease by now.
    func finish(_ lookup: String, turn: Int64, record: [UInt8]?, keeping: Duration, isAnswered: Bool) throws(StoreFault) -> Bool {
        let said = try call(
            .finish, [keys.state, keys.leases, keys.record(lookup)],
            [lookup, "\(turn) \(host)"].map { Array($0.utf8) } + [record ?? []]
                + ["\(keeping.wholeMilliseconds)", isAnswered ? "1" : "0", keys.channel].map { Array($0.utf8) })
        return said == .integer(1)
    }

    /// Says how urgent this host's most urgent lookup is; nil: there is none.
    func want(_ rank: Priority?, epoch: String) throws(StoreFault) {
        _ = try call(.want, [keys.state, keys.wants], [epoch, host, rank.map { "\($0.rawValue)" } ?? "", keys.channel])
    }

    /// - Returns: whether it was not shorter than one that is known.
    func pause(_ cooldown: SharedCooldown) throws(StoreFault) -> Bool {
        let length = "\(cooldown.length.wholeMilliseconds)"
        return try call(
            .pause, [keys.state], [cooldown.name, length, cooldown.quotaExceeded ? "1" : "0", keys.channel]) == .integer(1)
    }

    func putToken(_ sealed: [UInt8]) throws(StoreFault) { _ = try call(.token, [keys.token], [sealed, Array(keys.channel.utf8)]) }
    func token() throws(StoreFault) -> [UInt8]? { try get(keys.token) }
    func record(_ lookup: String) throws(StoreFault) -> [UInt8]? { try get(keys.record(lookup)) }

    /// Founds a new epoch in the place of the one reported, unless another host was first.
    func found(_ epoch: String, turn: Int64, inPlaceOf old: StoreReport, turns: [StoreReport.Turn]) throws(StoreFault) {
        let number = old.epoch.isEmpty ? "" : "\(old.turn)"
        _ = try call(
            .found, [keys.state, keys.turns],
            [old.epoch, number, epoch, "\(turn)", server, Self.protocolNumber, keys.channel]
                + turns.map { "\($0.number) \($0.gap.wholeMilliseconds) \($0.isBackground ? "1" : "0")" })
    }

    /// What the store says, and a sign of life of this host.
    func look(from position: SharedPosition?, most: Int) throws(StoreFault) -> View {
        let said = try call(
            .look, [keys.state, keys.turns, keys.hosts], [host, position?.epoch ?? "", "\(position?.turn ?? 0)", "\(most)"])
        guard let parts = said.items, parts.count == 3, let state = parts[0].items?.map({ $0.text ?? "" }), state.count == 6,
            let turns = parts[1].items, let beats = parts[2].items
        else { throw .foreign("what a look is answered with") }
        guard state[1].isEmpty || state[0] == Self.protocolNumber else {
            throw .refused("hosts of another release share turns there (protocol \(state[0]))")
        }
        defer { hasLooked = true }
        let names = stride(from: 0, to: beats.count - 1, by: 2).map { (beats[$0].text ?? "", beats[$0 + 1].text ?? "") }
        return View(
            report: StoreReport(
                epoch: state[1], turn: Int64(state[2]) ?? 0, turns: turns.compactMap { $0.text.flatMap(StoreReport.Turn.init) },
                isSameServer: state[3] == server, isContinuous: hasLooked || !server.isEmpty),
            nextHost: state[4], cooldown: SharedCooldown(text: state[5]),
            beats: Dictionary(names, uniquingKeysWith: { $1 }))
    }

    /// A goodbye: nobody has to reckon with this host any more.
    func leave() throws(StoreFault) {
        _ = try ask { commands in
            for key in [keys.hosts, keys.wants] {
                commands.begin(3)
                for part in ["HDEL", key, host] { commands.part(Array(part.utf8)) }
            }
        }
    }

    func disconnect() { connection = nil }

    /// A connection of its own, on which the news come.
    func subscribed() throws(StoreFault) -> RedisConnection {
        let connection = try RedisConnection(endpoint, longestReply: Self.longestReply)
        var commands = CommandBuffer()
        commands.begin(2)
        commands.part("SUBSCRIBE")
        commands.part(Array(keys.channel.utf8))
        _ = try connection.ask(commands)
        return connection
    }

    // MARK: Scripts

    private func call(_ script: SharedScript, _ keys: [String], _ arguments: [String]) throws(StoreFault) -> RedisValue {
        try call(script, keys, arguments.map { Array($0.utf8) })
    }

    private func call(_ script: SharedScript, _ keys: [String], _ arguments: [[UInt8]]) throws(StoreFault) -> RedisValue {
        _ = try connected()
        func run(_ command: StaticString, _ name: String) throws(StoreFault) -> RedisValue {
            try ask { commands in
                commands.begin(3 + keys.count + arguments.count)
                commands.part(command)
                commands.part(Array(name.utf8))
                commands.part(Int64(keys.count))
                for key in keys { commands.part(Array(key.utf8)) }
                for argument in arguments { commands.part(argument) }
            }.first ?? .none
        }
        var said = try run("EVALSHA", digests[script] ?? "")
        if case .error(let text) = said, text.hasPrefix("NOSCRIPT") { said = try run("EVAL", script.text) }
        if case .error(let text) = said { throw StoreFault(reply: text) }
        return said
    }

    private func get(_ key: String) throws(StoreFault) -> [UInt8]? {
        let said = try ask { commands in
            commands.begin(2)
            commands.part("GET")
            commands.part(Array(key.utf8))
        }
        return if case .bytes(let bytes) = said.first { bytes } else { nil }
    }

    private func ask(_ fill: (inout CommandBuffer) -> Void) throws(StoreFault) -> [RedisValue] {
        let connection = try connected()
        var commands = CommandBuffer()
        fill(&commands)
        do throws(StoreFault) {
            return try connection.ask(commands)
        } catch {
            self.connection = nil
            throw error
        }
    }

    private func connected() throws(StoreFault) -> RedisConnection {
        if let connection, !connection.isStale { return connection }
        let fresh = try RedisConnection(endpoint, longestReply: Self.longestReply)
        var commands = CommandBuffer()
        commands.begin(2)
        commands.part("INFO")
        commands.part("server")
        for script in SharedScript.allCases {
            commands.begin(3)
            commands.part("SCRIPT")
            commands.part("LOAD")
            commands.part(Array(script.text.utf8))
        }
        let said = try fresh.ask(commands)
        for value in said { if case .error(let text) = value { throw StoreFault(reply: text) } }
        let lines = (said.first?.text ?? "").split(whereSeparator: \.isNewline)
        server = lines.first { $0.hasPrefix("run_id:") }.map { String($0.dropFirst(7)) } ?? ""
        digests = Dictionary(uniqueKeysWithValues: zip(SharedScript.allCases, said.dropFirst().map { $0.text ?? "" }))
        (connection, hasLooked) = (fresh, false)
        return fresh
    }
}

/// A cooldown as hosts tell each other of it. Its end is each host's own to know, by its own clock.
struct SharedCooldown: Equatable {
    var name: String
    var length: Duration
    var quotaExceeded: Bool

    init(name: String, length: Duration, quotaExceeded: Bool) {
        (self.name, self.length, self.quotaExceeded) = (name, length, quotaExceeded)
    }

    /// As the store has it: name, the turn in which it began, milliseconds, 1 for a spent quota.
    init?(text: String) {
        let parts = text.split(separator: " ")
        guard parts.count == 4, let length = Int64(parts[2]), length > 0 else { return nil }
        self.init(name: String(parts[0]), length: .milliseconds(length), quotaExceeded: parts[3] == "1")
    }
}

extension StoreReport.Turn {
    /// As the store's list has it: number, milliseconds, 1 for a renewal or warming.
    fileprivate init?(_ text: String) {
        let parts = text.split(separator: " ")
        guard parts.count == 3, let number = Int64(parts[0]), let gap = Int64(parts[1]), gap >= 0 else { return nil }
        self.init(number: number, gap: .milliseconds(gap), isBackground: parts[2] == "1")
    }
}
