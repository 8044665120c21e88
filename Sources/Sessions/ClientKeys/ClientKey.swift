import Platform

/// A client key as lists show it: what a client of the mirror has in place of a Spotify app's id and secret.
public struct ClientKey: Sendable, Equatable {
    public var name: String
    /// What clients send as `client_id`. It is no secret (RFC 6749, 2.2).
    public var id: String
    /// ms since 1970.
    public var createdAt: Int64
    /// When a token was given out for it last, ms since 1970; nil: never.
    public var usedAt: Int64?

    /// Letters, digits, dots, hyphens and underscores, 64 at most, a letter or digit first: it stands in paths and on command lines.
    public static func isName(_ text: String) -> Bool {
        guard (1...64).contains(text.utf8.count), text.utf8.first.map(isAlphanumeric) == true else { return false }
        return text.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
    }

    /// As a pattern of JSON Schema.
    public static let namePattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: false
        }
    }
}

/// A client key that was just made. Its secret is known here alone and is kept nowhere.
public struct NewClientKey: Sendable {
    public let name: String
    /// 32 hexadecimal digits, as Spotify's are.
    public let id: String
    /// 256 random bits, as 64 hexadecimal digits.
    public let secret: String

    init(name: String) {
        self.name = name
        id = RandomName.digits(bits: 128)
        secret = RandomName.digits(bits: 256)
    }
}

/// The access tokens that client keys are given: a prefix that no other token has, and 256 random bits.
///
/// Nothing can be read in one, and nothing is signed: swingmusic would take whatever its own key has signed for a user's.
public enum ClientToken {
    static let prefix = "smfcgi_"
    /// Seconds, as Spotify's.
    public static let lifetime: Int64 = 3600
    private static let length = prefix.utf8.count + 43

    public static func make() -> String { prefix + RandomName.letters(bits: 256) }

    /// Whether it is one by its prefix, good or not.
    static func isOne(_ text: [UInt8]) -> Bool { text.starts(with: prefix.utf8) }

    /// Whether it has the whole form of one, so that it is no guess at a secret of another form.
    public static func hasForm(_ text: [UInt8]) -> Bool {
        text.count == length && isOne(text) && Base64URL.decode(text.dropFirst(prefix.utf8.count)) != nil
    }
}

/// What came of a client's asking for a token.
public enum ClientGrant: Sendable, Equatable {
    /// - seconds: for which the token is good.
    case token(String, seconds: Int64)
    /// There is no such key, or its secret is another one.
    case wrong
    /// Too many wrong secrets came from the address, or too many tokens were given out for the key.
    case tooMany(retryAfter: Int)
    case unavailable
}

/// Why no key was made.
public enum ClientKeyFault: Error, Equatable {
    /// There is one of that name.
    case taken
    /// The name is none.
    case malformed
}
