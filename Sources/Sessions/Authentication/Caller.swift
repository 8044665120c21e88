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

/// Reads Cookie headers as swingmusic's library does, so that both see the same token.
enum CookieHeader {
    static let access = Array("access_token_cookie".utf8)
    static let refresh = Array("refresh_token_cookie".utf8)

    /// The values of the cookies of that name, in order, over all Cookie headers.
    static func values(of name: [UInt8], in headers: [String]) -> [[UInt8]] {
        var found: [[UInt8]] = []
        for header in headers { collect(name, Array(header.utf8), into: &found) }
        return found
    }

    /// How often a header could be read as carrying the cookie: any case of the name, after any separator. What stands behind us may
    /// read a header more freely than we do (nginx takes names in any case, and a comma as a separator).
    static func mentions(of name: [UInt8], in headers: [String]) -> Int {
        headers.reduce(0) { $0 + mentions(of: name, in: Array($1.utf8)) }
    }

    /// What nginx hands on as `$cookie_NAME` (ngx_http_parse_multi_header_lines), without the blanks at its end; nothing where it finds none.
    /// It takes the name at a header's beginning, and behind a semicolon or comma and spaces, but not behind a tab; and quotes for letters.
    static func handedOn(of name: [UInt8], in headers: [String]) -> [UInt8] {
        for header in headers {
            let text = Array(header.utf8)
            var start = 0
            while start < text.count {
                if let value = handedOn(of: name, in: text[start...]) { return value }
                guard let end = text[start...].firstIndex(where: { $0 == semicolon || $0 == comma }) else { break }
                start = text[(end + 1)...].firstIndex { $0 != space } ?? text.count
            }
        }
        return []
    }

    /// The value when the text begins with the name.
    private static func handedOn(of name: [UInt8], in text: ArraySlice<UInt8>) -> [UInt8]? {
        guard text.prefix(name.count).elementsEqual(name, by: { (65...90).contains($0) ? $0 + 32 == $1 : $0 == $1 }) else { return nil }
        var rest = text.dropFirst(name.count).drop { $0 == space }
        guard rest.popFirst() == equals else { return nil }
        rest = rest.drop { $0 == space }.prefix { $0 != semicolon }
        while let last = rest.last, isBlank(last) { rest.removeLast() }
        return Array(rest)
    }

    /// One pair after the other; a pair that is malformed is skipped up to the next semicolon.
    private static func collect(_ name: [UInt8], _ text: [UInt8], into found: inout [[UInt8]]) {
        var position = 0
        while position < text.count {
            if let pair = pair(text, position) {
                if text[pair.name].elementsEqual(name) { found.append(pair.value) }
                position = pair.end
            } else if let semicolon = text[position...].firstIndex(of: semicolon) {
                position = semicolon + 1
            } else {
                return
            }
        }
    }

    private static func pair(_ text: [UInt8], _ start: Int) -> (name: Range<Int>, value: [UInt8], end: Int)? {
        let first = skipBlank(text, start)
        var position = first
        while position < text.count, !isBlank(text[position]), text[position] != equals, text[position] != quote,
            text[position] != semicolon
        {
            position += 1
        }
        guard position > first else { return nil }
        let name = first..<position
        var value: [UInt8] = []
        position = skipBlank(text, position)
        if position < text.count, text[position] == equals {
            position = skipBlank(text, position + 1)
            (value, position) = self.value(text, position)
            position = skipBlank(text, position)
        }
        if position == text.count { return (name, value, position) }
        return text[position] == semicolon ? (name, value, position + 1) : nil
    }

    private static func value(_ text: [UInt8], _ start: Int) -> ([UInt8], Int) {
        if start < text.count, text[start] == quote, let quoted = quoted(text, start) { return quoted }
        var end = start
        while end < text.count, !isBlank(text[end]), text[end] != quote, text[end] != semicolon { end += 1 }
        return (Array(text[start..<end]), end)
    }

    /// A value in double quotes, its escapes (`\x` and three octal digits) undone; nil where it is not closed.
    private static func quoted(_ text: [UInt8], _ start: Int) -> ([UInt8], Int)? {
        var value: [UInt8] = []
        var position = start + 1
        while position < text.count {
            let byte = text[position]
            if byte == quote { return (value, position + 1) }
            guard byte == backslash else {
                value.append(byte)
                position += 1
                continue
            }
            if let octal = octal(text, position + 1) {
                value.append(octal)
                position += 4
            } else if position + 1 < text.count {
                value.append(text[position + 1])
                position += 2
            } else {
                return nil
            }
        }
        return nil
    }

    private static func octal(_ text: [UInt8], _ start: Int) -> UInt8? {
        guard start + 3 <= text.count else { return nil }
        var value = 0
        for byte in text[start..<(start + 3)] {
            guard (48...55).contains(byte) else { return nil }
            value = value * 8 + Int(byte - 48)
        }
        return UInt8(exactly: value)
    }

    private static func mentions(of name: [UInt8], in text: [UInt8]) -> Int {
        guard text.count > name.count else { return 0 }
        var count = 0
        for start in 0...(text.count - name.count - 1) where text[start] | 0x20 == name[0] {
            let end = start + name.count
            guard zip(text[start..<end], name).allSatisfy({ $0 == $1 || ($1 != underscore && $0 | 0x20 == $1) }) else { continue }
            let after = skipBlank(text, end)
            guard after < text.count, text[after] == equals else { continue }
            if start == 0 || !isNameByte(text[start - 1]) { count += 1 }
        }
        return count
    }

    private static let semicolon = UInt8(ascii: ";")
    private static let equals = UInt8(ascii: "=")
    private static let quote = UInt8(ascii: "\"")
    private static let backslash = UInt8(ascii: "\\")
    private static let comma = UInt8(ascii: ",")
    private static let space = UInt8(ascii: " ")
    private static let underscore = UInt8(ascii: "_")

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (97...122).contains(byte | 0x20) || byte == underscore || byte == UInt8(ascii: "-")
    }

    private static func skipBlank(_ text: [UInt8], _ start: Int) -> Int {
        var position = start
        while position < text.count, isBlank(text[position]) { position += 1 }
        return position
    }
}
