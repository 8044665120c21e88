import FoundationEssentials

/// What the accounts service gave out. Printing or reflecting on it never shows the token.
public struct AccessToken: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public let token: String
    /// Its life, counted from when it was given out.
    public let expiresIn: Duration

    public init(token: String, expiresIn: Duration) {
        self.token = token
        self.expiresIn = expiresIn
    }

    public var description: String { "AccessToken(expiresIn: \(expiresIn))" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["expiresIn": expiresIn]) }
}

extension AccessToken {
    private struct Fields: Decodable {
        var access_token: String
        var expires_in: Double
    }

    /// The accounts service's `{"access_token","token_type","expires_in"}`; nil without a token that can be sent or a life above 0.
    init?(answer: [UInt8]) {
        guard let fields = try? JSONDecoder().decode(Fields.self, from: Data(answer)), Header.isToken(fields.access_token),
            fields.expires_in > 0
        else { return nil }
        self.init(token: fields.access_token, expiresIn: .seconds(min(fields.expires_in, 31_536_000)))
    }
}
