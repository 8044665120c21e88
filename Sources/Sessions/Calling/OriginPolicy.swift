/// What pages of other sites may do (fetch.spec.whatwg.org, "CORS protocol").
public struct OriginPolicy: Sendable {
    private let allowed: [OriginText]

    /// - Parameter origins: those that may send cookies from elsewhere.
    public init(origins: [String] = []) { allowed = origins.compactMap { OriginText($0) } }

    /// What `Access-Control-Allow-Origin` says.
    public enum Sharing: Sendable, Equatable {
        /// No Origin header: nothing is said.
        case silent
        /// Echo the origin and allow credentials.
        case credentials(origin: String)
        /// `*`, without credentials.
        case anyone
    }

    public func sharing(with caller: Caller) -> Sharing {
        guard let origin = caller.origin, !origin.isEmpty else { return .silent }
        return isKnown(origin, caller.site) ? .credentials(origin: origin) : .anyone
    }

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

    private func isKnown(_ origin: String, _ site: OwnSite?) -> Bool {
        if let site, site.isOrigin(origin) { return true }
        guard let text = OriginText(origin) else { return false }
        return allowed.contains(text)
    }
}
