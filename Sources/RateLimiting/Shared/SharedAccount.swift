import Crypto
import Glibc
import Platform
import RESP

/// Which account several hosts share, over which store, and who this host is among them.
public struct SharedAccount: Sendable {
    /// The store's.
    public var endpoint: RedisEndpoint
    /// This host's name, which no other has; letters, digits and `.-_`.
    public var host: String
    /// Tells the account from others; not its id.
    private let account: String
    /// Tells the API's address from others.
    let api: String
    let seal: StoreSeal

    /// - Parameter secret: the account's, from which the keys of token and records are made.
    public init(endpoint: RedisEndpoint, host: String, clientID: String, secret: String, apiURL: String) {
        (self.endpoint, self.host, seal) = (endpoint, host, StoreSeal(secret: secret))
        (account, api) = (Self.digest(clientID), Self.digest(apiURL))
    }

    private static func digest(_ text: String) -> String { Hexadecimal.text(SHA256.hash(data: Array(text.utf8)).prefix(8)) }

    var keys: SharedKeys { SharedKeys(account: account) }

    /// - Parameter folder: which file is the host's memory.
    func card(_ rateLimit: RateLimit, folder: String) -> HostCard {
        HostCard(folder: folder, interval: rateLimit.interval, calls: rateLimit.callsPerWindow, api: api, secret: seal.mark)
    }
}

/// How a host stands among those that share its account.
public struct SharedStanding: Sendable, Equatable {
    /// This host's name; nil where turns are not shared (any more).
    public var host: String?
    /// Why no call is made; nil: the store can be used, or it was not this process that looked.
    public var fault: String?
    /// How long the last look took; nil: there was none.
    public var roundTrip: Duration?
    /// The last turn that this host knows of, and when the store last said so, in wall-clock milliseconds.
    public var turn: Int64 = 0
    public var seenAt: Int64?
    /// Other hosts of which this one has heard, and when last, in wall-clock milliseconds.
    public var heard: [String: Int64] = [:]
    /// Those that share turns now.
    public var living: [String] = []
    /// How many went within the window without a goodbye: the pace is divided by one more.
    public var silent = 0
    /// Living ones whose pace is set otherwise, the strictest is everybody's, or whose client secret is: what they fetch cannot be believed.
    public var mixed: [String] = []
    /// The pace of all, the strictest one's; nil: nobody has looked yet.
    public var interval: Duration?
    public var callsPerWindow: Int?
    /// Whose the last turn was; nil: not known.
    public var lastCaller: String?

    init(host: String? = nil) { self.host = host }

    /// The other hosts by name, and when each was heard of last.
    public var others: [(name: String, heardAt: Int64?)] {
        Set(heard.keys).union(living).sorted().map { ($0, heard[$0]) }
    }

    /// With what the file has.
    func joined(with file: SharedStanding?) -> SharedStanding {
        var both = self
        guard let file else { return both }
        (both.turn, both.seenAt, both.heard) = (file.turn, file.seenAt, file.heard)
        return both
    }
}

extension Transaction {
    /// What the file knows of other hosts; nil: this one never shared.
    func standing() throws -> SharedStanding? {
        guard let position = try position() else { return nil }
        var standing = SharedStanding()
        (standing.turn, standing.seenAt) = (position.turn, moment.wall(of: position.seen))
        standing.heard = try hosts().mapValues { moment.wall(of: $0) }
        return standing
    }
}

/// The hosts that share an account, and their store, as somebody sees them who takes no part.
public struct HostList: Sendable {
    /// One of them, as the store has it.
    public struct Host: Sendable {
        /// `SWINGMUSIC_FCGI_HOST_NAME`.
        public var name: String
        /// It looked at the store meanwhile.
        public var isAlive: Bool
        /// The pace that is set there; zero and 0 where it has not said.
        public var interval: Duration
        public var callsPerWindow: Int
        /// Of the turns that the store keeps.
        public var turns: Int
        /// The number of its last one of these.
        public var lastTurn: Int64?
        /// It asks another address of the API, which no hosts of one account may.
        public var asksElsewhere: Bool
        /// What it fetches this host cannot believe.
        public var hasOtherSecret: Bool
        /// Which data folder is its memory, until it starts again; as `FileRateLimiter.mark(ofFolder:)`.
        public var folder: String?
    }

    /// By name.
    public var hosts: [Host] = []
    /// 0: nobody has taken a turn yet.
    public var turn: Int64 = 0
    public var isFounded: Bool
    /// `DragonflyDB 1.2`.
    public var store: String
    /// The quickest of some answers.
    public var roundTrip: Duration
    /// How far the store's clock is from this host's; nil: it has none.
    public var clockOffset: Duration?
    /// nil: it does not say.
    public var keepsOverRestart: Bool?

    /// It answers to who gives no password, whether or not one is set here. Not told of a socket: there it goes by who may open that.
    public var asksForNoPassword: Bool

    /// Looks twice, so long apart, which shows who is alive. Hosts look once a second.
    public init(of account: SharedAccount, rateLimit: RateLimit, watching length: Duration) throws(StoreFault) {
        let store = Self.store(account, rateLimit)
        let first = try store.look(from: nil, most: 0)
        if length > .zero { usleep(UInt32(clamping: length.wholeNanoseconds / 1000)) }
        let view = try store.look(from: nil, most: rateLimit.callsPerWindow)
        (turn, isFounded) = (view.report.turn, !view.report.epoch.isEmpty)
        self.store = store.info.kind
        roundTrip = store.roundTrip ?? .zero
        clockOffset = try store.clockOffset()
        keepsOverRestart = try store.keepsOverRestart()
        var stranger = account
        stranger.endpoint.password = nil
        let isSocket = account.endpoint.host.hasPrefix("unix:") && account.endpoint.password == nil
        asksForNoPassword = !isSocket && (try? Self.store(stranger, rateLimit).clockOffset()) != nil
        hosts = view.beats.keys.sorted().map { name in
            let card = view.cards[name]
            let own = view.report.turns.filter { CallName.host(of: $0.caller) == name }
            return Host(
                name: name, isAlive: view.beats[name] != first.beats[name], interval: card?.interval ?? .zero,
                callsPerWindow: card?.calls ?? 0, turns: own.count, lastTurn: own.map(\.number).max(),
                asksElsewhere: card.map { $0.api != account.api } ?? false,
                hasOtherSecret: card?.secret.map { $0 != account.seal.mark } ?? false,
                folder: card?.folder)
        }
    }

    /// A goodbye in the name of a machine that is gone for good, so that the others need not keep a share of the pace for it.
    public static func forget(_ name: String, of account: SharedAccount, rateLimit: RateLimit) throws(StoreFault) {
        try store(account, rateLimit).forget(name)
    }

    private static func store(_ account: SharedAccount, _ rateLimit: RateLimit) -> SharedStore {
        SharedStore(
            account.endpoint, keys: account.keys, host: "", caller: "",
            card: account.card(rateLimit, folder: "-"), longestRoundTrip: rateLimit.headStart)
    }
}
