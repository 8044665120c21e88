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
        do throws(JSONFault) { value = try JSONReader.read(bytes) } catch { throw .notJSON(part: part, reason: "\(error)") }
        guard value.members != nil else { throw .notObject(part: part) }
        return value
    }

    /// RFC 7515, section 4.1.11: an extension that is critical and not understood is refused. None is understood.
    private static func checkExtensions(_ header: JSONValue) throws(TokenFault) {
        if let identifier = header["kid"], identifier.text == nil { throw .keyIdentifier }
        if header["crit"] != nil || header["b64"] == .bool(false) { throw .critical }
    }
}
