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
    /// How far a cookie that it is given is to reach.
    public var reach: CookieReach

    public init(
        cookies: [String] = [], authorization: [String] = [], address: String = "", userAgent: String? = nil, origin: String? = nil,
        fetchSite: String? = nil, site: OwnSite? = nil, reach: CookieReach = .unsaid
    ) {
        self.cookies = cookies
        self.authorization = authorization
        self.address = address
        self.userAgent = userAgent
        self.origin = origin
        self.fetchSite = fetchSite
        self.site = site
        self.reach = reach
    }
}

extension Caller {
    /// Whether a browser says that this request is of a page of ours: its Origin is where we are reached, scheme, host and port. A request
    /// without Origin, which browsers send with every form, is not.
    /// - Parameter scheme: by which the browser came, as the servers on the way say; nil when nobody knows. A foreign page cannot make a
    ///   browser send a header about it. Where the browser itself says that page and request are of one origin it is not needed.
    public func isOfOwnPage(scheme: String?) -> Bool {
        guard let origin, let site else { return false }
        let isOwnByBrowser: Bool
        switch fetchSite ?? "" {
        case "same-origin": isOwnByBrowser = true
        case "": isOwnByBrowser = false
        default: return false
        }
        guard case .host(let host) = site, !isOwnByBrowser else { return site.isOrigin(origin) }
        return scheme.map { OwnSite.origin("\($0)://\(host)").isOrigin(origin) } ?? false
    }
}

/// Where this server is reached by browsers.
public enum OwnSite: Sendable, Equatable {
    /// Scheme and host (and port), as configured: `https://music.example`.
    case origin(String)
    /// Host (and port) of the request. The scheme is left open, since a proxy before us may have ended TLS.
    case host(String)

    /// Whether an Origin header names this site.
    func isOrigin(_ origin: String) -> Bool {
        guard let theirs = OriginText(origin) else { return false }
        switch self {
        case .origin(let own): return OriginText(own) == theirs
        case .host(let host): return OriginText("\(theirs.scheme)://\(host)") == theirs
        }
    }
}

/// A web origin, normalised for comparison (RFC 6454, section 4).
private struct OriginText: Equatable {
    let scheme: String
    let host: String
    let port: String

    /// nil for `null` and everything that is not `scheme://host[:port]`.
    init?(_ text: String) {
        let parts = text.lowercased().split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty else { return nil }
        var rest = parts[1]
        if rest.last == "/" { rest.removeLast() }
        guard !rest.isEmpty, !rest.utf8.contains(where: { $0 <= 32 || $0 >= 127 || "/?#@\\".utf8.contains($0) }) else { return nil }
        scheme = String(parts[0])
        var name = rest
        var number = Substring("")
        if let colon = rest.lastIndex(of: ":"), rest[colon...].dropFirst().allSatisfy(\.isNumber) {
            name = rest[..<colon]
            number = rest[colon...].dropFirst()
        }
        guard !name.isEmpty else { return nil }
        host = String(name)
        let usual = scheme == "https" ? "443" : "80"
        port = number.isEmpty ? usual : String(number)
    }
}

/// What pages of other sites may do (fetch.spec.whatwg.org, "CORS protocol").
public struct OriginPolicy: Sendable {
    private let allowed: [OriginText]

    /// - Parameter origins: those that may send cookies from elsewhere.
    public init(origins: [String] = []) { allowed = origins.compactMap { OriginText($0) } }

    /// Whether a page of another site made a browser send this request. `Sec-Fetch-Site` is the browser's own word on it.
    public func isForeign(_ caller: Caller) -> Bool {
        if let origin = caller.origin, !origin.isEmpty {
            return caller.fetchSite != "same-origin" && !isKnown(origin, caller.site)
        }
        return caller.fetchSite == "cross-site"
    }

    /// A request that changes something and is authorised by a cookie must come from a page of ours.
    func admits(_ caller: Caller) -> Bool {
        let hasCookie =
            CookieHeader.mentions(of: CookieHeader.access, in: caller.cookies) > 0
            || CookieHeader.mentions(of: CookieHeader.refresh, in: caller.cookies) > 0
        return !(hasCookie && isForeign(caller))
    }

    /// Whether an Origin header names our own site or an origin that was allowed.
    public func isKnown(_ origin: String, _ site: OwnSite?) -> Bool { site?.isOrigin(origin) ?? false || isAllowed(origin) }

    /// Whether an Origin header names an origin that was allowed.
    public func isAllowed(_ origin: String) -> Bool { OriginText(origin).map(allowed.contains) ?? false }
}

/// By what connections, and on whose requests, a browser is to send the session's cookie (RFC 6265bis, sections 5.6.5 and 5.6.7).
public enum CookieReach: Sendable {
    /// As swingmusic says it, which is nothing: plain HTTP.
    case unsaid
    /// Over HTTPS, on requests of our own pages, and where somebody follows a link to them.
    case own
    /// Over HTTPS, on requests of other sites' pages too: what may use it is seen to by the list of origins.
    case foreign

    var attributes: String {
        switch self {
        case .unsaid: ""
        case .own: "; Secure; SameSite=Lax"
        case .foreign: "; Secure; SameSite=None"
        }
    }
}
