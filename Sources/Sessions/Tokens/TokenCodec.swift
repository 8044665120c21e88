/// Makes tokens as swingmusic makes them, byte for byte.
struct TokenMint: Sendable {
    let key: SigningKey

    /// Access and refresh tokens both last thirty days, in seconds.
    static let lifetime: Int64 = 2_592_000

    private static let header = Base64URL.encode(#"{"alg":"HS256","typ":"JWT"}"#.utf8)

    /// - Parameters:
    ///   - subject: the user's row without password, or what another token held as `sub`.
    ///   - second: seconds since 1970.
    ///   - identifier: a version 4 UUID in lower case.
    func make(_ kind: TokenKind, subject: JSONValue, second: Int64, identifier: String) -> FreshToken {
        let payload = JSONValue.object([
            JSONMember("fresh", .bool(false)),
            JSONMember("iat", .integer(second)),
            JSONMember("jti", .string(identifier)),
            JSONMember("type", .string(kind.name)),
            JSONMember("sub", subject),
            JSONMember("nbf", .integer(second)),
            JSONMember("exp", .integer(second + Self.lifetime)),
        ])
        let input = Self.header + [UInt8(ascii: ".")] + Base64URL.encode(JSONWriter.token(payload))
        let text = input + [UInt8(ascii: ".")] + Base64URL.encode(key.sign(input))
        return FreshToken(
            text: String(decoding: text, as: UTF8.self), kind: kind, hash: TokenHash(of: input[...]),
            issuedAt: second, expiresAt: second + Self.lifetime)
    }
}

/// A token just made.
struct FreshToken: Sendable {
    /// The token itself: it goes to its owner and nowhere else.
    let text: String
    let kind: TokenKind
    let hash: TokenHash
    let issuedAt: Int64
    let expiresAt: Int64
}
