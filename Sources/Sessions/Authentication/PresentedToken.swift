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
