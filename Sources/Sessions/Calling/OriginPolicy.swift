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
            CookieText.mentions(of: CookieText.access, in: caller.cookies) > 0
            || CookieText.mentions(of: CookieText.refresh, in: caller.cookies) > 0
        return !(hasCookie && isForeign(caller))
    }

    /// Whether an Origin header names our own site or an origin that was allowed.
    public func isKnown(_ origin: String, _ site: OwnSite?) -> Bool { site?.isOrigin(origin) ?? false || isAllowed(origin) }

    /// Whether an Origin header names an origin that was allowed.
    public func isAllowed(_ origin: String) -> Bool { OriginText(origin).map(allowed.contains) ?? false }
}
