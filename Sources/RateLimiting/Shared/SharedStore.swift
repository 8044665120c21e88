import Platform
import RESP

/// What the names of one account's keys in the store begin with, and the names. All are in one hash slot.
struct SharedKeys: Sendable {
    let prefix: String

    /// - Parameter account: tells the account from others; not a secret.
    init(account: String) { prefix = "swingmusic-fcgi:{\(account)}:" }

    var state: String { prefix + "state" }
    var turns: String { prefix + "turns" }
    var leases: String { prefix + "leases" }
    var wants: String { prefix + "wants" }
    var hosts: String { prefix + "hosts" }
    var cards: String { prefix + "cards" }
    var probe: String { prefix + "probe" }
    var token: String { prefix + "token" }
    var channel: String { prefix + "news" }
    func record(_ lookup: String) -> String { prefix + "record:" + lookup }
}

/// The store over one connection: each script as a call. One caller at a time; after a throw it connects anew at the next call.
final class SharedStore {
    /// What becomes of asking for a turn.
    enum Turn: Equatable {
        /// `shared`: which of the others are this host's, too.
        case granted(number: Int64, nextHost: String, shared: Set<String>)
        /// The number is not the last any more, or it is another life of the store.
        case late
        /// Another host has just ended it, with a record that this one has not seen.
        case answered
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
        /// What each says of itself, and what this one had said before.
        var cards: [String: HostCard]
        var cardBefore: HostCard?
        /// Whose the last turn was; nil: not known.
        var lastHost: String?
    }

    /// Whoever speaks another protocol must not take turns with this one.
    static let protocolNumber = "1"

    let keys: SharedKeys
    private let endpoint: RedisEndpoint
    /// Empty for who only looks.
    private let host: String
    /// Of the calls that are made from here.
    private let caller: String
    var card: HostCard
    private let longestRoundTrip: Duration
    private var connection: RedisConnection?
    /// The scripts' names in the server, in the order of `SharedScript.allCases`.
    private var digests: [SharedScript: String] = [:]
    /// What the server calls this life of its own (`run_id` of INFO); empty where it does not say.
    private var server = ""
    private(set) var info = StoreInfo("")
    /// The quickest of some answers, when the connection was made.
    private(set) var roundTrip: Duration?
    /// Until the first look over a connection nothing is known of what happened before it.
    private var hasLooked = false

    init(_ endpoint: RedisEndpoint, keys: SharedKeys, host: String, caller: String, card: HostCard, longestRoundTrip: Duration) {
        self.endpoint = endpoint
        self.keys = keys
        self.host = host
        self.caller = caller
        self.card = card
        self.longestRoundTrip = longestRoundTrip
    }

    /// The longest reply: a list of the turns of an hour, or a record.
    static let longestReply = 32 << 20

    // MARK: Calls

    /// Up to where the store's turns are believed, and by how much more those that a host knows of: more than hosts could count in a lifetime. A host
    /// that knows of none believes more than the others, for these may have been led as far as that, and go on from there.
    private static let farthest: Int64 = 1 << 51
    private static let mostAhead: Int64 = 1 << 31

    /// - Parameter known: the last turn that the host knows of.
    private static func isBelievable(_ turn: Int64, known: Int64?) -> Bool {
        guard let known else { return turn <= farthest + 1 << 40 }
        return turn <= max(farthest, known + mostAhead)
    }

    /// The number of a turn; nil for what cannot be one. Lua counts without a gap as far as this (its numbers are IEEE 754 doubles), and writes no number
    /// otherwise: the scripts compare texts.
    fileprivate static func turn(_ text: some StringProtocol) -> Int64? {
        Int64(text).flatMap { (0...1 << 52).contains($0) && "\($0)" == text ? $0 : nil }
    }

    /// A lease is the number of a call and the host that makes it.
    static func turn(ofLease lease: String) -> Int64? { turn(lease.prefix { $0 != " " }) }

    /// A time in milliseconds; nil for what cannot be one.
    fileprivate static func time(_ text: some StringProtocol) -> Duration? {
        Int64(text).flatMap { (0...SharedScript.longestTime).contains($0) ? .milliseconds($0) : nil }
    }

    /// Asks for turn `position.turn + 1`. Late before the first look over a connection: the server may be another.
    func turn(
        _ position: SharedPosition, lookup: String, takingOver lease: String?, seen: [String: [UInt8]], others: [String], gap: Duration,
        isBackground: Bool,
        rankLeft: Priority?, keeping: Int
    ) throws(StoreFault) -> Turn {
        _ = try connected()
        guard hasLooked else { return .late }
        let texts: [String] = [
            position.epoch, "\(position.turn)", host, lookup, lease ?? "", "\(max(0, gap.wholeMilliseconds))", isBackground ? "1" : "0",
            rankLeft.map { "\($0.rawValue)" } ?? "", "\(keeping)", keys.channel,
        ]
        var arguments: [[UInt8]] = texts.map { Array($0.utf8) }
        arguments += [seen[lookup] ?? [], Array(caller.utf8)]
        for other in others { arguments += [Array(other.utf8), seen[other] ?? []] }
        let said = try call(
            .turn, [keys.state, keys.turns, keys.leases, keys.wants, keys.record(lookup)] + others.map { keys.record($0) }, arguments)
        let parts = said.items?.map { $0.text ?? "" } ?? []
        switch parts.first {
        case "granted" where parts.count >= 3:
            guard let number = Int64(parts[1]), number == position.turn + 1 else { throw .foreign("a turn of another number") }
            return .granted(number: number, nextHost: parts[2], shared: Set(parts[3...]))
        case "taken" where parts.count == 2: return .taken(parts[1])
        case "answered": return .answered
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

    /// - Returns: whether it is longer than what is known to be left of another.
    func pause(_ cooldown: SharedCooldown) throws(StoreFault) -> Bool {
        let length = "\(cooldown.length.wholeMilliseconds)"
        return try call(
            .pause, [keys.state], [cooldown.name, length, cooldown.quotaExceeded ? "1" : "0", keys.channel]) == .integer(1)
    }

    func putToken(_ sealed: [UInt8]) throws(StoreFault) { _ = try call(.token, [keys.token], [sealed, Array(keys.channel.utf8)]) }
    func token() throws(StoreFault) -> [UInt8]? { try get(keys.token) }

    /// What other hosts left under each lookup, in order.
    func records(_ lookups: [String]) throws(StoreFault) -> [[UInt8]?] {
        try ask { commands in
            for lookup in lookups {
                commands.begin(2)
                commands.part("GET")
                commands.part(Array(keys.record(lookup).utf8))
            }
        }.map { if case .bytes(let bytes) = $0 { bytes } else { nil } }
    }

    /// Leaves records for the other hosts whose lookups nobody had leased.
    func put(_ records: [(lookup: String, record: [UInt8])], keeping: Duration) throws(StoreFault) {
        let said = try ask { commands in
            for (lookup, record) in records {
                commands.begin(5)
                commands.part("SET")
                commands.part(Array(keys.record(lookup).utf8))
                commands.part(record)
                commands.part("PX")
                commands.part(keeping.wholeMilliseconds)
                commands.begin(3)
                commands.part("PUBLISH")
                commands.part(Array(keys.channel.utf8))
                commands.part(Array("record \(lookup)".utf8))
            }
        }
        for case .error(let text) in said { throw StoreFault(reply: text) }
    }

    /// Founds a new epoch in the place of the one reported.
    /// - Returns: false when another host was first.
    func found(_ telling: Telling, inPlaceOf old: StoreReport) throws(StoreFault) -> Bool {
        let number = old.epoch.isEmpty ? "" : "\(old.turn)"
        return try call(
            .found, [keys.state, keys.turns],
            [old.epoch, number, telling.epoch, "\(telling.turn)", server, Self.protocolNumber, keys.channel]
                + telling.turns.map { "\($0.number) \($0.gap.wholeMilliseconds) \($0.isBackground ? "1" : "0") \($0.caller)" })
            == .integer(1)
    }

    /// What the store says, and a sign of life of this host.
    /// - Parameters:
    ///   - position: from which on is asked; nil: for all that is listed.
    ///   - known: the last turn that the host knows of, whatever it asks for; nil: it knows of none.
    ///   - idle: since the turn of that position nobody has called for so long.
    ///   - left: so much is left of the cooldown of that name.
    func look(
        from position: SharedPosition?, known: Int64? = nil, idle: Duration? = nil, left: SharedCooldown? = nil, most: Int
    ) throws(StoreFault) -> View {
        _ = try connected()
        let isContinuous = hasLooked || !server.isEmpty
        // A server that does not say which process it is may have lost some of what was followed: all of it is looked at, and nothing claimed.
        let followed = isContinuous ? position : nil
        let said = try call(
            .look, [keys.state, keys.turns, keys.hosts, keys.cards],
            [
                host, followed?.epoch ?? "", "\(followed?.turn ?? 0)", "\(most)", host.isEmpty ? "" : card.text,
                followed.flatMap { _ in idle.map { "\($0.wholeMilliseconds)" } } ?? "", left?.name ?? "",
                left.map { "\($0.length.wholeMilliseconds + 1)" } ?? "", card.secret ?? "",
            ])
        guard let parts = said.items, parts.count == 6, let state = parts[0].items?.map({ $0.text ?? "" }), state.count == 8,
            let turns = parts[1].items
        else { throw .foreign("what a look is answered with") }
        guard state[1].isEmpty || state[0] == Self.protocolNumber else {
            throw .refused("hosts of another release share turns there (protocol \(state[0]))")
        }
        let turn = state[2].isEmpty ? 0 : Self.turn(state[2])
        let isFounding = state[1].isEmpty && state[2].isEmpty || state[1].isHostName && !state[2].isEmpty
        guard isFounding, let turn, Self.isBelievable(turn, known: known) else {
            throw .unsuitable(
                "its turns have a number or an epoch that is of no host's: somebody else writes there; empty it (docs/hosts.md)")
        }
        defer { hasLooked = true }
        return View(
            report: StoreReport(
                epoch: state[1], turn: turn,
                // No call has a number that was not given out.
                turns: turns.compactMap { $0.text.flatMap(StoreReport.Turn.init) }.filter { $0.number <= turn },
                isWhole: followed?.epoch != state[1], idle: Self.idle(state[6], since: turn), isSameServer: state[3] == server,
                isContinuous: isContinuous),
            nextHost: state[4], cooldown: SharedCooldown(text: state[5])?.shortened(state[7]),
            beats: parts[2].table.filter { $0.key.isHostName },
            cards: Self.cards(parts[3].table),
            cardBefore: parts[4].text.flatMap(HostCard.init(text:)),
            lastHost: parts[5].items?.first?.text.flatMap(StoreReport.Turn.init)?.name.map { CallName.host(of: $0.caller) })
    }

    /// Each under the host's name, and under that with a mark behind it, which earlier releases pass over, what tells its secret.
    private static func cards(_ table: [String: String]) -> [String: HostCard] {
        var cards = table.filter { $0.key.isHostName }.compactMapValues(HostCard.init(text:))
        for name in cards.keys { cards[name]?.secret = table["\(name)!"] }
        return cards
    }

    /// Zero for what was said of another turn.
    private static func idle(_ text: String, since turn: Int64) -> Duration {
        let words = text.split(separator: " ")
        guard words.count == 2, Self.turn(words[0]) == turn else { return .zero }
        return time(words[1]) ?? .zero
    }

    /// Whether hosts count on this one: it has looked, and not said goodbye.
    func isListed() throws(StoreFault) -> Bool {
        let said = try ask { commands in
            commands.begin(3)
            for part in ["HEXISTS", keys.hosts, host] { commands.part(Array(part.utf8)) }
        }.first
        if case .error(let text) = said { throw StoreFault(reply: text) }
        return said == .integer(1)
    }

    /// How far its clock is ahead of this host's; nil: it has none. Nothing rests on it.
    func clockOffset() throws(StoreFault) -> Duration? {
        let said = try ask { $0.command("TIME") }.first
        guard let parts = said?.items, parts.count == 2, let seconds = parts[0].text.flatMap({ Int64($0) }), (0...1 << 40).contains(seconds)
        else { return nil }
        return WallTime(milliseconds: seconds * 1000) - SystemClock().wall
    }

    /// Whether it writes to a disk what it has; nil: it does not say.
    func keepsOverRestart() throws(StoreFault) -> Bool? {
        if info["aof_enabled"] == "1" { return true }
        let said = try ask { commands in
            commands.begin(3)
            for part in ["CONFIG", "GET", "save"] { commands.part(Array(part.utf8)) }
        }.first
        guard info["aof_enabled"] == "0", let parts = said?.items, parts.count == 2 else { return nil }
        return parts[1].text != ""
    }

    /// A goodbye: nobody has to reckon with this host any more.
    func leave() throws(StoreFault) { try remove(host) }

    /// A goodbye in the name of a machine that cannot say it.
    func forget(_ name: String) throws(StoreFault) {
        try remove(name)
        _ = try ask { commands in
            commands.begin(3)
            commands.part("PUBLISH")
            commands.part(Array(keys.channel.utf8))
            commands.part(Array("forget \(name)".utf8))
        }
    }

    private func remove(_ name: String) throws(StoreFault) {
        _ = try ask { commands in
            for (key, field) in [(keys.hosts, name), (keys.cards, name), (keys.cards, "\(name)!"), (keys.wants, name)] {
                commands.begin(3)
                for part in ["HDEL", key, field] { commands.part(Array(part.utf8)) }
            }
        }
    }

    func disconnect() { connection = nil }

    /// Makes a connection of its own, on which the news come.
    var subscription: @Sendable () throws(StoreFault) -> RedisConnection {
        { [endpoint, channel = keys.channel] () throws(StoreFault) in
            let connection = try RedisConnection(endpoint, longestReply: Self.longestReply)
            var commands = CommandBuffer()
            commands.begin(2)
            commands.part("SUBSCRIBE")
            commands.part(Array(channel.utf8))
            // News may be right behind the reply.
            _ = try connection.ask(commands, isFollowed: true)
            return connection
        }
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
        commands.command("INFO")
        for script in SharedScript.allCases {
            commands.begin(3)
            commands.part("SCRIPT")
            commands.part("LOAD")
            commands.part(Array(script.text.utf8))
        }
        let said = try fresh.ask(commands)
        for value in said { if case .error(let text) = value { throw StoreFault(reply: text) } }
        info = StoreInfo(said.first?.text ?? "")
        if let unfitness = info.unfitness { throw unfitness }
        server = info["run_id"] ?? ""
        try measure(fresh)
        digests = Dictionary(uniqueKeysWithValues: zip(SharedScript.allCases, said.dropFirst().map { $0.text ?? "" }))
        (connection, hasLooked) = (fresh, false)
        try probe()
        return fresh
    }

    /// A turn that takes longer to win than others keep off is lost.
    private func measure(_ connection: RedisConnection) throws(StoreFault) {
        var commands = CommandBuffer()
        commands.command("PING")
        var best = Duration.seconds(60)
        for _ in 0..<5 {
            let begin = SystemClock().monotonic
            _ = try connection.ask(commands)
            best = min(best, SystemClock().monotonic - begin)
        }
        roundTrip = best
        guard best > longestRoundTrip else { return }
        throw .unsuitable(
            "it is too far away: an answer takes \(best.wholeMilliseconds) ms, and may take \(longestRoundTrip.wholeMilliseconds); put it nearer"
        )
    }

    /// Whether it keeps what it says that it keeps.
    private func probe() throws(StoreFault) {
        let text = RandomName.letters(bits: 60)
        let key = keys.probe + ":" + text
        do throws(StoreFault) {
            guard try call(.probe, [key], [text]).text == text, try get(key).map({ String(decoding: $0, as: UTF8.self) }) == text else {
                throw .unsuitable("it does not keep what it is given: see what it is, or put DragonflyDB in its place")
            }
        } catch {
            connection = nil
            throw error
        }
    }
}

/// What a store says of itself (`INFO`).
struct StoreInfo {
    private let lines: [String: String]

    init(_ text: String) {
        lines = Dictionary(
            text.split(whereSeparator: \.isNewline).compactMap { line in
                line.firstIndex(of: ":").map { (String(line[..<$0]), String(line[line.index(after: $0)...])) }
            }, uniquingKeysWith: { first, _ in first })
    }

    subscript(name: String) -> String? { lines[name] }

    /// Why it is not fit to keep what hosts share; nil: nothing is known against it.
    var unfitness: StoreFault? {
        if let role = lines["role"], role != "master" {
            return .unsuitable("it is a copy of another store (role \(role)): name the one that it copies")
        }
        if let policy = lines["maxmemory_policy"], policy != "noeviction" {
            return .unsuitable(
                "it throws away what it should keep when its memory is full (maxmemory_policy \(policy)): set noeviction, or use another instance than that of the caches"
            )
        }
        return nil
    }

    /// `DragonflyDB 1.2`.
    var kind: String {
        if let version = lines["dragonfly_version"] { return "DragonflyDB \(version)" }
        if let version = lines["valkey_version"] { return "Valkey \(version)" }
        return lines["redis_version"].map { "Redis \($0)" } ?? "a store that does not say what it is"
    }
}

/// What a host says of itself to the others.
struct HostCard: Equatable, Sendable {
    /// Which file is its memory: two that call themselves the same differ in it.
    var folder: String
    var interval: Duration
    var calls: Int
    /// Of the API's address, not the address itself.
    var api: String
    /// Of the client secret; nil: a host of an earlier release does not say.
    var secret: String?

    /// Without the secret's.
    var text: String { "\(folder) \(interval.wholeMilliseconds) \(calls) \(api)" }

    init(folder: String, interval: Duration, calls: Int, api: String, secret: String?) {
        (self.folder, self.interval, self.calls, self.api, self.secret) = (folder, interval, calls, api, secret)
    }

    init?(text: String) {
        let parts = text.split(separator: " ")
        guard parts.count == 4, let interval = SharedStore.time(parts[1]), let calls = Int(parts[2]), (1...1_000_000).contains(calls)
        else {
            return nil
        }
        self.init(
            folder: String(parts[0]), interval: interval, calls: calls, api: String(parts[3]),
            secret: nil)
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

    /// As those know it who have heard of it before: its name, and how many milliseconds were left.
    func shortened(_ text: String) -> SharedCooldown {
        let parts = text.split(separator: " ")
        guard parts.count == 2, parts[0] == name, let left = SharedStore.time(parts[1]), left < length else { return self }
        return SharedCooldown(name: name, length: max(left, .milliseconds(1)), quotaExceeded: quotaExceeded)
    }

    /// As the store has it: name, the turn in which it began, milliseconds, 1 for a spent quota.
    init?(text: String) {
        let parts = text.split(separator: " ")
        guard parts.count == 4, let length = SharedStore.time(parts[2]), length > .zero else { return nil }
        self.init(name: String(parts[0]), length: length, quotaExceeded: parts[3] == "1")
    }
}

extension RedisValue {
    /// What `HGETALL` answers.
    fileprivate var table: [String: String] {
        let parts = items ?? []
        let pairs = stride(from: 0, to: parts.count - 1, by: 2).map { (parts[$0].text ?? "", parts[$0 + 1].text ?? "") }
        return Dictionary(pairs, uniquingKeysWith: { $1 })
    }
}

extension StoreReport.Turn {
    /// As the store's list has it: number, milliseconds, 1 for a renewal or warming, the caller's name.
    fileprivate init?(_ text: String) {
        let parts = text.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 4, let number = SharedStore.turn(parts[0]), let gap = SharedStore.time(parts[1]) else { return nil }
        self.init(number: number, gap: gap, isBackground: parts[2] == "1", caller: CallName.caller(parts[3]))
    }
}
