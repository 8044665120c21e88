import Platform

/// Checks tokens: finds the one that counts in a request and asks all there is to ask about it.
///
/// Answers come from files, each as it is at that moment; only what was verified is remembered. A token that is seen for the first time
/// is entered into `sessions.db`, and so is one that renews another.
final class Authenticator: Sendable {
    private let settings: SettingsFile
    private let directory: UserDatabase
    private let database: SessionDatabase
    private let seen: SeenSessions
    private let clock: any HostClock
    private let adoption: TokenAdoption
    let memory = TokenCache()
    private let renewed = RenewedTokens()

    init(
        settings: SettingsFile, directory: UserDatabase, database: SessionDatabase, seen: SeenSessions, clock: any HostClock,
        adoption: TokenAdoption
    ) {
        self.settings = settings
        self.directory = directory
        self.database = database
        self.seen = seen
        self.clock = clock
        self.adoption = adoption
    }

    /// Who the request comes from, for the routes of this room.
    /// - Parameter kind: what the token has to be good for.
    func authenticate(_ caller: Caller, for kind: TokenKind = .access, duplicates: Credential.Duplicates) -> Authentication {
        let credential: Credential
        switch Credential.search(caller, for: kind, duplicates: duplicates) {
        case .found(let found): credential = found
        case .absent(let message): return .absent(Refused(status: 401, message: message))
        case .malformed(let refused): return .refused(refused)
        }
        do {
            return .present(try present(credential, for: kind, caller))
        } catch {
            return .refused(error)
        }
    }

    private func present(_ credential: Credential, for kind: TokenKind, _ caller: Caller) throws(Refused) -> AuthenticatedRequest {
        guard let settings = settings.current() else { throw .unavailable }
        let remembered = try token(credential.text, settings.key)
        let token = remembered.token
        let now = clock.wall.milliseconds
        guard case .user(let userID) = token.claims.userID else {
            try check(token, nil, now, kind)
            throw .noUser(token.claims.subject)
        }
        let answer = Result { () throws(SessionDatabaseError) in try known(remembered, userID, now) }
        try check(token, try? answer.get(), now, kind)
        let (account, session) = try admit(remembered, userID, answer, now)
        if remembered.isDueToBeNoted(now: now) { note(session, account.user, caller, now) }
        return AuthenticatedRequest(account: account, token: token, session: session, place: credential.place, settings: settings)
    }

    /// Checks the claims. What was entered in this boot is judged by the time that has passed since, whatever the wall clock was set to.
    private func check(_ token: Token, _ answer: TokenRow?, _ now: Int64, _ kind: TokenKind) throws(Refused) {
        let judged = answer?.clockOffset.map { clock.boot.nanoseconds / 1_000_000 + $0 } ?? now
        do throws(TokenFault) {
            try token.claims.check(now: judged, wanted: kind, isKnown: answer?.session != nil)
        } catch {
            throw Refused(error)
        }
    }

    /// The token behind a text, from memory or read and verified.
    func token(_ text: [UInt8], _ key: SigningKey) throws(Refused) -> RememberedToken {
        guard text.count <= Token.longest else { throw Refused(.tooLong) }
        let hash = TokenHash(of: text[...])
        if let found = memory.find(hash, under: key.mark) { return found }
        do throws(TokenFault) {
            let token = RememberedToken(token: try TokenReader.read(text, key: key), mark: key.mark)
            memory.remember(token, as: hash)
            return token
        } catch {
            throw Refused(error)
        }
    }

    /// Whether the session goes on and the user is the one that it began with. The ledger is asked before the user's row is read: a
    /// row that differs is then the later state, and never an older one than what another process has settled.
    private func admit(
        _ remembered: RememberedToken, _ userID: Int64, _ known: Result<TokenRow, SessionDatabaseError>, _ now: Int64
    ) throws(Refused) -> (Account, KnownSession) {
        let answer: TokenRow
        let row: Account?
        do {
            answer = try known.get()
            row = try directory.account(id: userID)
        } catch {
            throw .unavailable
        }
        guard let row else {
            if let account = answer.account, !account.isGone { _ = try? enter(remembered.token, userID, now) }
            throw .noUser(remembered.token.claims.subject)
        }
        switch TokenDecision.decide(issuedAt: remembered.token.claims.issuedAt, answer: answer, row: row) {
        case .good(let session): return (row, session)
        case .revoked: throw .revoked
        case .newcomer, .unsettled:
            let entered: (Account, KnownSession)?
            do { entered = try enter(remembered.token, userID, now) } catch { throw .unavailable }
            guard let entered else { throw .revoked }
            return entered
        }
    }

    private func known(_ remembered: RememberedToken, _ userID: Int64, _ now: Int64) throws(SessionDatabaseError) -> TokenRow {
        let stamp = try database.stamp()
        if let answer = remembered.answer(at: stamp) { return answer }
        let answer = try database.look(remembered.token.hash, userID: userID, at: stamp)
        remembered.remember(answer, at: stamp, now: now)
        return answer
    }

    /// Settles what became of the user's row and lets the token in if it may: one transaction. nil where it is refused.
    func enter(_ token: Token, _ userID: Int64, _ now: Int64) throws(SessionDatabaseError) -> (Account, KnownSession)? {
        try database.write(.event) { rows in
            let row = try directory.account(id: userID)
            try AccountSettlement.settle(userID, row: row, in: rows, now: now)
            guard let row else { return nil }
            let answer = try rows.answer(token.hash, userID: userID)
            switch TokenDecision.decide(issuedAt: token.claims.issuedAt, answer: answer, row: row) {
            case .good(let session): return (row, session)
            case .newcomer: return try adopt(token, of: row, in: rows, now).map { (row, $0) }
            case .unsettled, .revoked: return nil
            }
        }
    }

    /// A token that swingmusic made becomes a session, or joins the one of the token that was made together with it. One that may not is
    /// entered as ended: the next look at it knows, writes nothing, and it stays refused when what it may descend from has expired.
    private func adopt(_ token: Token, of row: Account, in rows: SessionTables, _ now: Int64) throws -> KnownSession? {
        let ended = try rows.endedTokens(of: row.user.id, now: now)
        if let end = adoption.end(ofTokenIssuedAt: token.claims.issuedAt, among: ended, now: now) {
            try rows.adopt(token, into: try rows.sessionOfRefused(userID: row.user.id, end: end, now: now))
            return nil
        }
        if let twin = try rows.sessionOfTwin(token, userID: row.user.id) {
            try rows.adopt(token, into: twin.id)
            return twin.endedAt == nil ? twin : nil
        }
        let session = KnownSession(id: RandomName.letters(bits: 128), userID: row.user.id, beganAt: now)
        try rows.begin(session: session.id, userID: session.userID, now: now)
        try rows.adopt(token, into: session.id)
        return session
    }

    private func note(_ session: KnownSession, _ user: User, _ caller: Caller, _ now: Int64) {
        seen.note(
            SeenSessions.Use(
                userID: user.id, userName: user.name, userAgent: caller.userAgent, address: caller.address, beganAt: session.beganAt,
                seenAt: now),
            of: session.id)
    }

    /// The renewed cookie, when one is due: the token is made, entered into the session and then told.
    func renewal(_ authenticated: AuthenticatedRequest, _ caller: Caller) -> String? {
        let now = clock.wall.milliseconds
        let old = authenticated.token
        guard Renewal.isDue(old.claims, place: authenticated.place, hasAuthorization: !caller.authorization.isEmpty, now: now) else {
            return nil
        }
        if let token = renewed.find(for: old.hash, now: now) {
            return SetCookie.access(token.text, maxAge: SetCookie.renewalAge, now: now)
        }
        let issuer = TokenIssuer(key: authenticated.settings.key)
        let token = issuer.make(.access, subject: old.claims.subject, second: now / 1000, identifier: RandomName.uuid())
        // Where it cannot be entered it is not handed out: the old one is good for days, and the next request tries again.
        guard (try? enter(token, into: authenticated.session.id)) ?? false else { return nil }
        renewed.keep(token, for: old.hash, now: now)
        return SetCookie.access(token.text, maxAge: SetCookie.renewalAge, now: now)
    }

    /// False where the session is full.
    private func enter(_ token: FreshToken, into session: String) throws(SessionDatabaseError) -> Bool {
        try database.write(.event) { rows in
            guard try rows.hasRoom(in: session, for: 1) else { return false }
            try rows.add(token, to: session)
            return true
        }
    }
}

/// A token that was found good, and whose it is.
struct AuthenticatedRequest: Sendable {
    let account: Account
    let token: Token
    let session: KnownSession
    let place: Credential.Place
    let settings: SwingmusicSettings

    var user: User { account.user }
}

/// What became of a request's token.
enum Authentication {
    case present(AuthenticatedRequest)
    case refused(Refused)
    case absent(Refused)
}

/// Who a request comes from.
public enum AuthenticationResult: Sendable {
    case user(AuthenticatedUser)
    /// A token that is not good, or a request that is not admissible.
    case refused(Refused)
    /// No token at all, with the refusal for routes that need one.
    case absent(Refused)
}

/// A user whose token is good.
public struct AuthenticatedUser: Sendable {
    public let user: User
    /// Names the session to its owner; it is no secret and opens nothing.
    public let sessionID: String
    /// The value of a `Set-Cookie` that the answer should carry: the renewed token.
    public let renewal: String?
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
