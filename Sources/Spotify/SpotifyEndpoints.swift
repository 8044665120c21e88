/// Where the Web API and its accounts service are, and how long one call may take.
public struct SpotifyEndpoints: Sendable {
    /// Scheme and host of the Web API, without `/v1`.
    public var apiURL: String
    /// Scheme and host of the accounts service.
    public var accountsURL: String
    /// One call from beginning to end, name lookup and handshake included.
    public var timeout: Duration
    public var userAgent: String

    public init(
        apiURL: String = "https://api.spotify.com", accountsURL: String = "https://accounts.spotify.com",
        timeout: Duration = .seconds(10), userAgent: String = "swingmusic-fcgi"
    ) {
        self.apiURL = apiURL
        self.accountsURL = accountsURL
        self.timeout = timeout
        self.userAgent = userAgent
    }

    /// Whether an address can be used: http or https, a host, perhaps a port and a path; no user, query or fragment.
    public static func isUsable(_ address: String) -> Bool { BaseAddress(address) != nil }
}

/// An address split where a request target is put in: `https://host:port` and the path before `/v1`, often empty.
struct BaseAddress {
    let origin: String
    let path: String

    init?(_ text: String) {
        guard let scheme = ["https://", "http://"].first(where: { text.lowercased().hasPrefix($0) }) else { return nil }
        let rest = text.dropFirst(scheme.count)
        let host = rest.prefix { $0 != "/" }
        guard !host.isEmpty, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }), !text.contains(where: { "@?#\\".contains($0) }) else {
            return nil
        }
        origin = scheme + host
        var path = rest.dropFirst(host.count)
        while path.hasSuffix("/") { path = path.dropLast() }
        self.path = String(path)
    }
}
