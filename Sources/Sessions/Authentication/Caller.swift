/// What a request says of who sends it, as the web server passed it on.
public struct Caller: Sendable {
    /// Every Cookie parameter as sent.
    public var cookies: [String]
    /// Every Authorization parameter as sent.
    public var authorization: [String]
    /// REMOTE_ADDR.
    public var address: String
    public var userAgent: String?
    /// The Origin header (RFC 6454).
    public var origin: String?
    /// The Sec-Fetch-Site header (W3C Fetch Metadata).
    public var fetchSite: String?
    /// Where we are reached, to tell our own pages from others.
    public var site: OwnSite?

    public init(
        cookies: [String] = [], authorization: [String] = [], address: String = "", userAgent: String? = nil, origin: String? = nil,
        fetchSite: String? = nil, site: OwnSite? = nil
    ) {
        self.cookies = cookies
        self.authorization = authorization
        self.address = address
        self.userAgent = userAgent
        self.origin = origin
        self.fetchSite = fetchSite
        self.site = site
    }
}
