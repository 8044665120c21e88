import Crypto
import FoundationEssentials
import JSON
import Platform

/// What the accounts service gave out. Printing or reflecting on it never shows the token.
public struct AccessToken: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public let token: String
    /// Its life, counted from when it was given out.
    public let expiresIn: Duration
    /// What another one is asked for with; with an account's alone, and not always.
    public let refreshToken: String?
    /// What its owner has consented to; nil: what was asked for (RFC 6749, 5.1).
    public let scopes: Set<String>?

    public init(token: String, expiresIn: Duration, refreshToken: String? = nil, scopes: Set<String>? = nil) {
        self.token = token
        self.expiresIn = expiresIn
        self.refreshToken = refreshToken
        self.scopes = scopes
    }

    public var description: String { "AccessToken(expiresIn: \(expiresIn))" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["expiresIn": expiresIn]) }

    /// The accounts service's `{"access_token","token_type","expires_in"}`; nil without a token that can be sent or a life above 0.
    init?(answer: [UInt8]) {
        guard let fields = try? JSONDocument(answer).root, let token = fields["access_token"]?.string, Header.isToken(token),
            let life = fields["expires_in"]?.double, life > 0, life.isFinite
        else { return nil }
        let refresh = fields["refresh_token"]?.string.flatMap { Header.isToken($0) ? $0 : nil }
        let scopes = fields["scope"]?.string.map { Set($0.split(separator: " ").map(String.init)) }
        self.init(token: token, expiresIn: .seconds(min(life, 31_536_000)), refreshToken: refresh, scopes: scopes)
    }
}

/// The app's own credentials (client-credentials flow). Printing or reflecting on them never shows the secret.
public struct SpotifyCredentials: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public let clientID: String
    public let clientSecret: String

    public init(clientID: String, clientSecret: String) {
        self.clientID = clientID
        self.clientSecret = clientSecret
    }

    /// What tells these credentials from others and does not hold them: another each time, made of a random name and the HMAC-SHA256
    /// (RFC 2104) of the credentials under it.
    public func mark() -> String { mark(salt: RandomName.letters(bits: 128)) }

    /// Whether a mark was made of these.
    public func fits(_ mark: String) -> Bool {
        guard let salt = mark.split(separator: ".", maxSplits: 1).first else { return false }
        return self.mark(salt: String(salt)) == mark
    }

    private func mark(salt: String) -> String {
        // The length keeps apart what would be the same text.
        let text = "\(clientID.utf8.count) \(clientID)\(clientSecret)"
        let code = HMAC<SHA256>.authenticationCode(for: Data(text.utf8), using: SymmetricKey(data: Data(salt.utf8)))
        return "\(salt).\(Hexadecimal.text(code))"
    }

    public var description: String { "SpotifyCredentials(clientID: \(clientID))" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["clientID": clientID]) }
}

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

/// What may stand in a request.
enum Header {
    /// Visible ASCII, not too long: fit for an Authorization header.
    static func isToken(_ text: String) -> Bool {
        (1...4096).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
    }

    /// An absolute path, perhaps with a query (origin-form, RFC 9112 section 3.2.1).
    static func isTarget(_ text: String) -> Bool {
        text.utf8.first == UInt8(ascii: "/") && text.utf8.count <= 8192
            && text.utf8.allSatisfy { (0x21...0x7e).contains($0) && $0 != UInt8(ascii: "#") }
    }

    /// `Authorization: Basic ...` (RFC 7617).
    static func basic(_ credentials: SpotifyCredentials) -> String {
        let pair = Data("\(credentials.clientID):\(credentials.clientSecret)".utf8)
        return "Authorization: Basic \(pair.base64EncodedString())"
    }
}
