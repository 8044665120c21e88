import Crypto

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
