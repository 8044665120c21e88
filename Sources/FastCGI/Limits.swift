import Glibc

/// What one caller, and all of them together, may take.
public struct Limits: Sendable {
    /// Bytes of all parameters (names, values and their length bytes) of one request.
    public var parameterBytes = 64 * 1024
    public var parameterCount = 1000
    /// From the first byte of a request that is not whole yet until the connection is closed.
    public var receiveTimeout: Duration = .seconds(10)
    /// From the first time an answer does not fit the socket until the connection is closed.
    public var sendTimeout: Duration = .seconds(10)
    /// Open connections, beyond which new ones wait in the backlog.
    public var connections: Int
    /// Parked requests, beyond which a ticket ends as `.refused`.
    public var parked: Int

    /// Derives the numbers of connections and parked requests from RLIMIT_NOFILE: 64 descriptors stay for files and other sockets, and
    /// an eighth of the connections for requests that need no waiting.
    public init() {
        connections = max(8, Self.descriptors - 64)
        parked = connections - max(4, connections / 8)
    }

    /// The soft limit of descriptors, at most a million.
    static var descriptors: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        return Int(min(limit.rlim_cur, 1 << 20))
    }
}
