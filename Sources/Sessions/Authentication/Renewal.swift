import Platform

/// Sliding renewal: a cookie that has less than a week left is renewed by any request that uses it. So is one of the future, by a clock that
/// was set back: swingmusic refuses it.
enum Renewal {
    private static let threshold: Int64 = 7 * 86_400

    /// - Parameter hasAuthorization: an Authorization header of any kind: then nothing is renewed.
    static func isDue(_ claims: TokenClaims, place: Credential.Place, hasAuthorization: Bool, now: Int64) -> Bool {
        guard place == .cookie, !hasAuthorization, let expiresAt = claims.expiresAt else { return false }
        return expiresAt - now / 1000 < threshold || claims.immatureClaim(now: now) != nil
    }
}

/// Renewals made a moment ago, so that a page that asks for fifty images at once gets one new token, not fifty.
final class RenewedTokens: Sendable {
    enum Renewal: Sendable {
        case made(FreshToken)
        /// The session has as many tokens as it may.
        case noRoom

        /// The value of `Set-Cookie`.
        /// - Parameter now: ms since 1970.
        func cookie(for caller: Caller, now: Int64) -> String? {
            guard case .made(let token) = self else { return nil }
            return SetCookie.access(token.text, maxAge: SetCookie.renewalAge, for: caller, now: now)
        }
    }

    private struct Kept {
        let renewal: Renewal
        let madeAt: Int64
        /// When somebody was given it first; nil while it waits to be.
        var givenAt: Int64?

        func isGood(now: Int64) -> Bool {
            if case .made = renewal, givenAt == nil { return (0..<RenewedTokens.longest).contains(now - madeAt) }
            return (0..<RenewedTokens.lifetime).contains(now - (givenAt ?? madeAt))
        }
    }

    private let kept = Locked<[TokenHash: Kept]>([:])  // guards the renewals by the hash of the token they replace
    private static let lifetime: Int64 = 60_000
    /// One that was made for later waits so long: who asks seldom is to get it, too.
    private static let longest: Int64 = 3_600_000
    private static let most = 1000

    /// - Parameter now: ms since 1970.
    func find(for old: TokenHash, now: Int64) -> Renewal? {
        kept.withLock { kept in
            guard let found = kept[old], found.isGood(now: now) else { return nil }
            if case .made = found.renewal, found.givenAt == nil { kept[old]?.givenAt = now }
            return found.renewal
        }
    }

    func keep(_ renewal: Renewal, for old: TokenHash, now: Int64) {
        kept.withLock { kept in
            if kept.count >= Self.most { kept = kept.filter { $0.value.isGood(now: now) } }
            if kept.count < Self.most { kept[old] = Kept(renewal: renewal, madeAt: now) }
        }
    }
}

/// The values of `Set-Cookie` as swingmusic writes them.
enum SetCookie {
    static let loginAge: Int64 = 2_592_000
    /// A renewed cookie outlives its token.
    static let renewalAge: Int64 = 31_540_000

    static func access(_ token: String, maxAge: Int64, for caller: Caller, now: Int64) -> String {
        let end = WallTime(milliseconds: (now / 1000 + maxAge) * 1000).httpDate
        return "access_token_cookie=\(token); Expires=\(end); Max-Age=\(maxAge); HttpOnly; Path=/\(caller.reach.attributes)"
    }

    static func cleared(for caller: Caller) -> String {
        "access_token_cookie=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/\(caller.reach.attributes)"
    }
}
