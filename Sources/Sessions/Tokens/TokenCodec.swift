import Crypto
import JSON
import Platform

/// Reads a JSON web token in compact form and verifies it (RFC 7515, 7519), refusing in PyJWT's order:
/// segments, header, payload, algorithm, signature, claims.
enum TokenReader {
    static func read(_ text: [UInt8], key: SigningKey) throws(TokenFault) -> Token {
        guard text.count <= Token.longest else { throw .tooLong }
        guard let last = text.lastIndex(of: dot), let first = text[..<last].firstIndex(of: dot) else { throw .notEnoughSegments }
        let header = try object("header", text[..<first])
        try checkExtensions(header)
        let payload = try object("payload", text[(first + 1)..<last])
        guard let signature = Base64URL.decode(text[(last + 1)...]) else { throw .padding(part: "crypto") }
        guard let algorithm = header["alg"] else { throw .algorithmMissing }
        guard algorithm == .string("HS256") else { throw .algorithm }
        guard key.isSignature(signature, of: text[..<last]) else { throw .signature }
        return Token(claims: try TokenClaims(payload: payload), hash: TokenHash(of: text[..<last]))
    }

    private static let dot = UInt8(ascii: ".")

    private static func object(_ part: String, _ segment: ArraySlice<UInt8>) throws(TokenFault) -> JSONValue {
        guard let bytes = Base64URL.decode(segment) else { throw .padding(part: part) }
        let value: JSONValue
        do throws(JSONFault) { value = try JSONValue(reading: bytes, .python) } catch {
            throw .notJSON(part: part, reason: error.pythonWords)
        }
        guard value.members != nil else { throw .notObject(part: part) }
        return value
    }

    /// RFC 7515, section 4.1.11: an extension that is critical and not understood is refused. None is understood.
    private static func checkExtensions(_ header: JSONValue) throws(TokenFault) {
        if let identifier = header["kid"], identifier.text == nil { throw .keyIdentifier }
        if header["crit"] != nil || header["b64"] == .bool(false) { throw .critical }
    }
}

/// Makes tokens as swingmusic makes them, byte for byte.
struct TokenIssuer: Sendable {
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

/// The HMAC key of swingmusic's tokens: the characters of `serverId`, not the bytes they encode.
struct SigningKey: Sendable {
    private let key: SymmetricKey
    /// Tells keys apart without holding them.
    let mark: TokenHash

    /// nil for an empty text: an empty key would let anybody sign.
    init?(serverID: String) {
        guard !serverID.isEmpty else { return nil }
        key = SymmetricKey(data: Array(serverID.utf8))
        mark = TokenHash(of: Array(serverID.utf8)[...])
    }

    /// HS256 (RFC 7518, section 3.2).
    func sign(_ input: some Collection<UInt8>) -> [UInt8] {
        var code = HMAC<SHA256>(key: key)
        code.update(data: Array(input))
        return Array(code.finalize())
    }

    /// Compares in constant time.
    func isSignature(_ signature: [UInt8], of input: ArraySlice<UInt8>) -> Bool {
        HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: Array(input), using: key)
    }
}
