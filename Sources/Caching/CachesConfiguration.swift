import Platform
import RESP

/// Where DragonflyDB is and how long one connect or command may take.
public struct DragonflyConfiguration: Sendable, Equatable, CustomStringConvertible {
    /// A host name or address, or `unix:` and a socket's path.
    public var host: String
    public var port: UInt16
    public var database: Int
    public var password: String?
    public var timeout: Duration
    /// What every key begins with.
    public var prefix: String

    public init(
        host: String, port: UInt16 = 6379, database: Int = 0, password: String? = nil,
        timeout: Duration = .milliseconds(250), prefix: String = "swingmusic-fcgi:"
    ) {
        self.host = host
        self.port = port
        self.database = database
        self.password = password
        self.timeout = timeout
        self.prefix = prefix
    }

    var endpoint: RedisEndpoint { RedisEndpoint(host: host, port: port, database: database, password: password, timeout: timeout) }

    /// Without the password: it may be logged.
    public var description: String { host.hasPrefix("unix:") ? "\(host)/\(database)" : "\(host):\(port)/\(database)" }
}

/// How long an entry lives when its writer names no time.
public struct CacheLifetimes: Sendable, Equatable {
    public var spotify: Duration
    public var session: Duration
    public var user: Duration
    public var temp: Duration

    public init(
        spotify: Duration = .seconds(12 * 3600), session: Duration = .seconds(24 * 3600),
        user: Duration = .seconds(30 * 86400), temp: Duration = .seconds(3600)
    ) {
        self.spotify = spotify
        self.session = session
        self.user = user
        self.temp = temp
    }

    public subscript(cache: CacheName) -> Duration {
        switch cache {
        case .spotify: spotify
        case .session: session
        case .user: user
        case .temp: temp
        }
    }
}

public struct CachesConfiguration: Sendable {
    /// The path of `cache.db`; its folder must exist. Files of that name with a suffix lie beside it.
    public var path: String
    public var ttl: CacheLifetimes
    /// nil: SQLite alone, and never a try to connect.
    public var dragonfly: DragonflyConfiguration?
    /// Bound of this worker's memory tier, keys and overhead included.
    public var memoryBytes: Int
    /// How long an entry of `spotify` may be served from memory; zero: memory is not used.
    public var memoryLifetime: Duration
    /// How many threads read at once: so many connections are opened ahead.
    public var threads: Int
    /// Caches whose writes are acknowledged only when they would outlive a power cut. What the others lose is what was written in the last
    /// seconds before it (see `Caches.maintain`).
    public var durable: Set<CacheName>

    public init(
        path: String, ttl: CacheLifetimes = CacheLifetimes(), dragonfly: DragonflyConfiguration? = nil,
        memoryBytes: Int = 16 << 20, memoryLifetime: Duration = .seconds(3), threads: Int = 4, durable: Set<CacheName> = [.user]
    ) {
        self.path = path
        self.ttl = ttl
        self.dragonfly = dragonfly
        self.memoryBytes = memoryBytes
        self.memoryLifetime = memoryLifetime
        self.threads = threads
        self.durable = durable
    }
}

/// How long a write is to live: the instants it gets, from the clock it is given.
struct Lifetime: Sendable, Equatable {
    /// Milliseconds; nil: for good (a preference).
    var length: Int64?

    init(_ ttl: Duration?, of cache: CacheName, keep: Bool, lifetimes: CacheLifetimes) {
        length = keep ? nil : max(0, (ttl ?? lifetimes[cache]).wholeMilliseconds)
    }

    func end(from now: Int64) -> Int64 {
        guard let length else { return .max }
        let (end, overflow) = now.addingReportingOverflow(length)
        return overflow ? .max : end
    }
}
