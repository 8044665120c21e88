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
struct OriginText: Equatable {
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
