import Platform

/// Checks tokens: finds the one that counts in a request and asks all there is to ask about it.
///
/// Answers come from files, each as it is at that moment; only what was verified is remembered. On an event thread nothing is written and no
/// lock is waited for: what needs that is the `TokenRegistrar`'s.
final class Authenticator: Sendable {
    private let settings: SettingsFile
    private let directory: UserDatabase
    private let database: SessionDatabase
    private let seen: SeenSessions
    private let clock: any HostClock
    private let registrar: TokenRegistrar
    let clients: ClientAuthenticator
    let memory = TokenCache()

    init(
        settings: SettingsFile, directory: UserDatabase, database: SessionDatabase, seen: SeenSessions, clock: any HostClock,
        registrar: TokenRegistrar
    ) {
        self.settings = settings
        self.directory = directory
        self.database = database
        self.seen = seen
        self.clock = clock
        self.registrar = registrar
        clients = ClientAuthenticator(database: database, clock: clock)
    }

    // MARK: On an event thread

    /// Who the request comes from, by its access token. Never waits.
    /// - Parameter takesClients: whether a client key's token is good for it, as a bearer.
    func authenticate(
        _ caller: Caller, duplicates: DuplicateCookies, renewal: RenewalDelivery, takesClients: Bool = false
    ) -> Authentication {
        switch Credential.search(caller, for: .access, duplicates: duplicates) {
        case .found(let credential):
            if ClientToken.isOne(credential.text) {
                return takesClients && credential.place == .header ? clients.authenticate(credential.text) : .refused(.misplacedClientToken)
            }
            do throws(Refused) {
                return try glance(at: presented(credential, for: .access), of: caller, renewal)
            } catch {
                return .refused(error)
            }
        case .absent(let message): return .anonymous(Refused(status: 401, message: message))
        case .malformed(let refused): return .refused(refused)
        }
    }

    private func glance(at presented: PresentedToken, of caller: Caller, _ renewal: RenewalDelivery) throws(Refused) -> Authentication {
        let now = clock.wall.milliseconds
        guard let userID = presented.userID else {
            try presented.check(nil, now: now, clock)
            throw presented.noUser
        }
        let answer: TokenRow
        do throws(SessionDatabaseError) {
            answer = try glance(at: presented.remembered, userID, now)
        } catch {
            if error.isMomentary { return pending(presented, userID, caller, renewal) }
            try presented.check(nil, now: now, clock)
            throw .unavailable
        }
        try presented.check(answer, now: now, clock)
        let row: Account?
        do throws(UserDatabaseError) {
            row = try directory.account(id: userID, .none)
        } catch {
            if error == .busy { return pending(presented, userID, caller, renewal) }
            throw .unavailable
        }
        guard case .good(let account, let session) = try presented.judge(answer, row) else {
            return pending(presented, userID, caller, renewal)
        }
        seen.note(session, account.user, presented.remembered, caller, now: now)
        if renewal == .never || !presented.isDueForRenewal(caller, now: now) {
            return .authenticated(.user(presented.request(account, session)))
        }
        return renewing(presented, account, session, caller, renewal, now)
    }

    private func glance(at remembered: RememberedToken, _ userID: Int64, _ now: Int64) throws(SessionDatabaseError) -> TokenRow {
        let stamp = try database.stamp()
        if let answer = remembered.answer(at: stamp) { return answer }
        let answer = try database.look(at: stamp) { try $0.answer(remembered.token.hash, userID: userID) }
        remembered.remember(answer, at: stamp, now: now)
        return answer
    }

    private func renewing(
        _ presented: PresentedToken, _ account: Account, _ session: KnownSession, _ caller: Caller, _ renewal: RenewalDelivery, _ now: Int64
    ) -> Authentication {
        if let renewed = registrar.renewed.find(for: presented.token.hash, now: now) {
            return .authenticated(.user(presented.request(account, session, renewal: renewed.cookie(for: caller, now: now))))
        }
        let request = presented.request(account, session)
        if renewal == .withAnswer { return pending(presented, session.userID, caller, renewal, meanwhile: request) }
        // Nobody waits for it: the old one is good for days.
        registrar.settle(TokenRegistrar.Waiter(presented: presented, userID: session.userID, caller: caller, renews: true))
        return .authenticated(.user(request))
    }

    private func pending(
        _ presented: PresentedToken, _ userID: Int64, _ caller: Caller, _ renewal: RenewalDelivery, meanwhile: AuthenticatedRequest? = nil
    ) -> Authentication {
        .needsWrite(
            PendingAuthentication(meanwhile: meanwhile) { [registrar] completion in
                registrar.settle(
                    TokenRegistrar.Waiter(
                        presented: presented, userID: userID, caller: caller, renews: renewal != .never, meanwhile: meanwhile,
                        completion: completion))
            })
    }

    // MARK: On a thread that may wait

    /// Who the request comes from. Never answers `needsWrite`: what is to be written is written here. Renews no cookie.
    /// - Parameter kind: what the token has to be good for.
    func authenticate(
        _ caller: Caller, for kind: TokenKind = .access, duplicates: DuplicateCookies, _ context: borrowing BlockingContext
    ) -> Authentication {
        switch Credential.search(caller, for: kind, duplicates: duplicates) {
        case .found(let credential):
            if ClientToken.isOne(credential.text) { return .refused(.misplacedClientToken) }
            do throws(Refused) {
                return .authenticated(.user(try settle(presented(credential, for: kind), of: caller, context)))
            } catch {
                return .refused(error)
            }
        case .absent(let message): return .anonymous(Refused(status: 401, message: message))
        case .malformed(let refused): return .refused(refused)
        }
    }

    private func settle(
        _ presented: PresentedToken, of caller: Caller, _ context: borrowing BlockingContext
    ) throws(Refused) -> AuthenticatedRequest {
        let now = clock.wall.milliseconds
        guard let userID = presented.userID else {
            try presented.check(nil, now: now, clock)
            throw presented.noUser
        }
        let answer = try? database.read(context) { try $0.answer(presented.token.hash, userID: userID) }
        try presented.check(answer, now: now, clock)
        guard let answer else { throw .unavailable }
        let row: Account?
        do { row = try directory.account(id: userID, .brief) } catch { throw .unavailable }
        let (account, session) = try settle(presented, userID, presented.judge(answer, row), from: caller.address, now, context)
        seen.note(session, account.user, presented.remembered, caller, now: now)
        return presented.request(account, session)
    }

    private func settle(
        _ presented: PresentedToken, _ userID: Int64, _ standing: PresentedToken.Standing, from address: String, _ now: Int64,
        _ context: borrowing BlockingContext
    ) throws(Refused) -> (Account, KnownSession) {
        switch standing {
        case .good(let account, let session): return (account, session)
        case .unsettled(let isGone):
            let entered: (Account, KnownSession)?
            do throws(SessionDatabaseError) {
                entered = try registrar.enter(presented.token, userID, from: address, now, context)
            } catch {
                throw isGone ? presented.noUser : .unavailable
            }
            guard let entered else { throw isGone ? presented.noUser : .revoked }
            return entered
        }
    }

    // MARK: What is remembered

    private func presented(_ credential: Credential, for kind: TokenKind) throws(Refused) -> PresentedToken {
        guard let settings = settings.current() else { throw .unavailable }
        let remembered = try token(credential.text, settings.key)
        return PresentedToken(remembered: remembered, kind: kind, place: credential.place, settings: settings)
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
}
