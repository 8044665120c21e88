/// A token that was read and whose signature is good.
struct Token: Sendable {
    let claims: TokenClaims
    /// Of header and payload, which the signature covers. The signature itself is left out: more than one text can decode to
    /// the same signature, and a token must not escape its revocation by another spelling.
    let hash: TokenHash

    /// The longest text that is looked at; swingmusic's tokens have some 450 bytes.
    static let longest = 8 * 1024
}
