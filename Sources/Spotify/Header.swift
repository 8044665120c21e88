import FoundationEssentials

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
