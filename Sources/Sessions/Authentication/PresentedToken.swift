import Platform

/// The token of a request, read and with a good signature, and what it has to be good for. All else about it is in files.
struct PresentedToken: Sendable {
    let remembered: RememberedToken
    let kind: TokenKind
    let place: Credential.Place
    let settings: SwingmusicSettings

    var token: Token { remembered.token }

    /// Whom it names; nil for nobody that could be.
    var userID: Int64? { if case .user(let id) = token.claims.userID { id } else { nil } }

    /// Checks the claims. What was entered in this boot is judged by the time that has passed since, whatever the wall clock was set to.
    /// - Parameters:
    ///   - answer: nil where `sessions.db` cannot be asked.
    ///   - now: ms since 1970.
    func check(_ answer: TokenRow?, now: Int64, _ clock: any HostClock) throws(Refused) {
        let judged = answer?.clockOffset.map { clock.boot.nanoseconds / 1_000_000 + $0 } ?? now
        do throws(TokenFault) {
            try token.claims.check(now: judged, wanted: kind, isKnown: answer?.session != nil)
        } catch {
            throw Refused(error)
        }
    }

    enum Standing {
        case good(Account, KnownSession)
        /// `sessions.db` has to be brought up to date first.
        /// - isGone: the user's row is missing, which is to be entered; the token is no good whatever becomes of that.
        case unsettled(isGone: Bool)
    }

    /// - Parameter row: the user's, read after `answer`: one that differs is then the later state, and never an older one than what another
    ///   process has settled.
    func judge(_ answer: TokenRow, _ row: Account?) throws(Refused) -> Standing {
        guard let row else {
            if let account = answer.account, !account.isGone { return .unsettled(isGone: true) }
            throw noUser
        }
        switch TokenDecision.decide(issuedAt: token.claims.issuedAt, answer: answer, row: row) {
        case .good(let session): return .good(row, session)
        case .revoked: throw .revoked
        case .newcomer, .unsettled: return .unsettled(isGone: false)
        }
    }

    var noUser: Refused { .noUser(token.claims.subject) }

    func isDueForRenewal(_ caller: Caller, now: Int64) -> Bool {
        Renewal.isDue(token.claims, place: place, hasAuthorization: !caller.authorization.isEmpty, now: now)
    }

    func request(_ account: Account, _ session: KnownSession, renewal: String? = nil) -> AuthenticatedRequest {
        AuthenticatedRequest(account: account, token: token, session: session, place: place, settings: settings, renewal: renewal)
    }
}

/// What becomes of a token that is good in itself.
enum TokenDecision: Equatable {
    case good(KnownSession)
    /// swingmusic made it and it is seen here for the first time: it becomes a session.
    case newcomer
    /// The user's row is not what it was: that has to be settled first.
    case unsettled
    case revoked

    /// - Parameters:
    ///   - issuedAt: the token's `iat`, in seconds.
    ///   - row: the user's row, read after `answer`.
    static func decide(issuedAt: Int64?, answer: TokenRow, row: Account) -> TokenDecision {
        guard let known = answer.account, known.isOwner(row) else { return .unsettled }
        if let session = answer.session {
            return session.endedAt == nil && session.userID == row.user.id ? .good(session) : .revoked
        }
        return answer.isTooOld(issuedAt: issuedAt) ? .revoked : .newcomer
    }
}

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
