/// Sliding renewal: a cookie that has less than a week left is renewed by any request that uses it.
enum Renewal {
    static let threshold: Int64 = 7 * 86_400

    /// - Parameter hasAuthorization: an Authorization header of any kind: then nothing is renewed.
    static func isDue(_ claims: TokenClaims, place: Credential.Place, hasAuthorization: Bool, now: Int64) -> Bool {
        guard place == .cookie, !hasAuthorization, let expiresAt = claims.expiresAt else { return false }
        return expiresAt - now / 1000 < threshold
    }
}
