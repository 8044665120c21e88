import Crypto
import FoundationEssentials
import Platform

/// One asking of a Spotify account's owner for consent: the authorization-code flow with PKCE (RFC 7636; Web API, "Authorization Code with PKCE
/// Flow"). Without a scope what is public of the account is readable, its own lists with their items.
public struct AccountConsent: Sendable {
    let clientID: String
    /// 43 to 128 characters (RFC 7636, 4.1).
    let verifier = RandomName.letters(bits: 512)
    /// Comes back with the answer: one without it is not of this asking (RFC 6749, 10.12).
    let state = RandomName.letters(bits: 128)
    /// Where the browser is sent with the answer; the app's page must name it. A literal address, never `localhost` (Web API, "Redirect URIs").
    public let redirect: String
    /// Asks for lists that are not public, too.
    public let isPrivate: Bool

    /// What lists that are not public are to be had with (Web API, "Scopes").
    public static let privateScopes: Set = ["playlist-read-private", "playlist-read-collaborative"]

    public init(clientID: String, port: Int, isPrivate: Bool = false) {
        self.clientID = clientID
        self.isPrivate = isPrivate
        redirect = "http://127.0.0.1:\(port)/"
    }

    /// What a browser is to open.
    public func address(at accountsURL: String) -> String {
        let challenge = String(decoding: Base64URL.encode(SHA256.hash(data: Data(verifier.utf8))), as: UTF8.self)
        let items =
            [
                ("response_type", "code"), ("client_id", clientID), ("redirect_uri", redirect), ("code_challenge_method", "S256"),
                ("code_challenge", challenge), ("state", state),
            ] + (isPrivate ? [("scope", Self.privateScopes.sorted().joined(separator: " "))] : [])
        return "\(accountsURL)/authorize?" + items.map { "\($0)=\(PercentEncoding.encode($1))" }.joined(separator: "&")
    }

    /// What the browser came back with.
    public enum Answer: Sendable, Equatable {
        case code(String)
        /// The owner, or Spotify, said no; the error's code.
        case denied(String)
        /// Of another asking, or of somebody else's page.
        case foreign
        /// No answer at all: a browser asks for an icon, too.
        case none
    }

    /// - Parameter address: a request's target, or the whole address as somebody pasted it.
    public func answer(in address: String) -> Answer {
        guard let mark = address.firstIndex(of: "?") else { return .none }
        let query = address[address.index(after: mark)...].prefix { $0 != "#" }
        var given: [String: String] = [:]
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let value = PercentEncoding.decode(parts[1], plusIsSpace: true) else { continue }
            given[String(parts[0])] = given[String(parts[0])] ?? value
        }
        guard given["code"] != nil || given["error"] != nil else { return .none }
        guard given["state"] == state else { return .foreign }
        if let error = given["error"] { return .denied(error) }
        return given["code"].map(Answer.code) ?? .none
    }
}

/// What the accounts service is asked for on behalf of an account. Printing or reflecting on it shows nothing.
public struct AccountTokenRequest: Sendable, CustomStringConvertible, CustomReflectable {
    let form: String

    /// For the code that came back.
    public init(code: String, _ consent: AccountConsent) {
        form = Self.form([
            ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", consent.redirect), ("client_id", consent.clientID),
            ("code_verifier", consent.verifier),
        ])
    }

    /// Another access token. With PKCE the client's id is said, and no secret.
    public init(refresh: String, clientID: String) {
        form = Self.form([("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", clientID)])
    }

    private static func form(_ items: [(String, String)]) -> String {
        items.map { "\($0)=\(PercentEncoding.encode($1))" }.joined(separator: "&")
    }

    public var description: String { "AccountTokenRequest" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
