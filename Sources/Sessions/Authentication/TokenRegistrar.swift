import Glibc
import Platform

/// Enters tokens into `sessions.db`: those that swingmusic made when they are seen for the first time, and those that renew a cookie.
///
/// What event threads cannot settle waits here for the sessions' thread, which takes all that waits, reads once and writes once for all of it.
final class TokenRegistrar: Sendable {
    /// A request that waits for what becomes of its token.
    struct Waiter: Sendable {
        let presented: PresentedToken
        let userID: Int64
        let caller: Caller
        /// Whether a cookie that is due is renewed.
        let renews: Bool
        /// Known to be good, but for its cookie.
        var meanwhile: AuthenticatedRequest?
        /// nil: nobody waits, the cookie is to be renewed for later.
        var completion: (@Sendable (Authentication) -> Void)?

        func wantsRenewal(now: Int64) -> Bool { renews && presented.isDueForRenewal(caller, now: now) }

        /// Nothing came of it.
        func refuse(_ refused: Refused) {
            if let meanwhile, refused == .unavailable {
                completion?(.authenticated(.user(meanwhile)))
            } else {
                completion?(.refused(refused))
            }
        }
    }

    private let directory: UserDatabase
    private let database: SessionDatabase
    private let seen: SeenSessions
    private let clock: any HostClock
    private let adoption: TokenAdoption
    private let waiting = SettlementQueue()
    private let thread = SerialQueue(named: "sessions", capacity: 1)
    let renewed = RenewedTokens()

    init(directory: UserDatabase, database: SessionDatabase, seen: SeenSessions, clock: any HostClock, adoption: TokenAdoption) {
        self.directory = directory
        self.database = database
        self.seen = seen
        self.clock = clock
        self.adoption = adoption
    }

    /// Ends the thread; who waits is not told any more.
    func close() { thread.stop(within: .milliseconds(500)) }

    // MARK: What event threads ask for

    /// Never waits. Where too many wait already the waiter is told so at once.
    func settle(_ waiter: Waiter) {
        switch waiting.enter(waiter) {
        case .first:
            guard !thread.submit(mayBlock: { [self] context in settleAll(context) }) else { return }
            for waiter in waiting.removeAll() { waiter.refuse(.unavailable) }
        case .further: return
        case .full: waiter.refuse(.unavailable)
        }
    }

    private func settleAll(_ context: borrowing BlockingContext) {
        while true {
            let tokens = waiting.next()
            if tokens.isEmpty { return }
            // Others wait for the lock in steps of a millisecond or two: whoever takes it again at once would keep it.
            if settle(tokens, context) { usleep(2500) }
        }
    }

    /// A token, with all who wait for what becomes of it.
    private struct Case {
        let waiters: [Waiter]
        let presented: PresentedToken
        let userID: Int64
        /// Of who came first.
        let address: String
        var standing = PresentedToken.Standing.unsettled(isGone: false)
        var wantsRenewal = false

        init?(_ waiters: [Waiter]) {
            guard let first = waiters.first else { return nil }
            self.waiters = waiters
            (presented, userID, address) = (first.presented, first.userID, first.caller.address)
        }
    }

    /// Answers whether something was to be written.
    private func settle(_ waiting: [[Waiter]], _ context: borrowing BlockingContext) -> Bool {
        let cases = waiting.compactMap { Case($0) }
        let now = clock.wall.milliseconds
        let answers: [TokenRow]
        do throws(SessionDatabaseError) {
            answers = try database.read(context, .long) { rows in
                try cases.map { try rows.answer($0.presented.token.hash, userID: $0.userID) }
            }
        } catch {
            // What has expired is told so, whatever else cannot be told.
            for each in cases { finish(each, refused: Result { () throws(Refused) in try each.presented.check(nil, now: now, clock) }) }
            return false
        }
        // Who only met a lock is answered before anything is written.
        var left: [Case] = []
        var patience = UserDatabase.Patience.brief
        for (each, answer) in zip(cases, answers) {
            var each = each
            do throws(Refused) {
                each.standing = try standing(of: each, answer, now, &patience)
                each.wantsRenewal = each.waiters.contains { $0.wantsRenewal(now: now) }
                if case .good(let account, let session) = each.standing, !each.wantsRenewal || isRenewed(each, now) {
                    finish(each, account, session, now)
                } else {
                    left.append(each)
                }
            } catch {
                finish(each, refused: .failure(error))
            }
        }
        if !left.isEmpty { write(left, now, context) }
        return !left.isEmpty
    }

    /// - Parameter patience: with swingmusic's database. A lock on it is waited for once, not for each token.
    private func standing(
        of each: Case, _ answer: TokenRow, _ now: Int64, _ patience: inout UserDatabase.Patience
    ) throws(Refused) -> PresentedToken.Standing {
        try each.presented.check(answer, now: now, clock)
        let row: Account?
        do throws(UserDatabaseError) {
            row = try directory.account(id: each.userID, patience)
        } catch {
            if error == .busy { patience = .none }
            throw .unavailable
        }
        return try each.presented.judge(answer, row)
    }

    private func isRenewed(_ each: Case, _ now: Int64) -> Bool { renewed.find(for: each.presented.token.hash, now: now) != nil }

    /// What became of a token in a transaction. entered: nil where it was refused. renewal: nil where none was wanted.
    private typealias Written = (entered: (Account, KnownSession)?, renewal: RenewedTokens.Renewal?)

    private func write(_ cases: [Case], _ now: Int64, _ context: borrowing BlockingContext) {
        let written: [Written]
        do throws(SessionDatabaseError) {
            written = try database.write(context, .long) { rows in try cases.map { try write($0, in: rows, now) } }
        } catch {
            for each in cases {
                switch each.standing {
                // Where the renewal cannot be entered it is not handed out: the old one is good for days, and a later request tries again.
                case .good(let account, let session): finish(each, account, session, now)
                case .unsettled(let isGone): finish(each, refused: .failure(isGone ? each.presented.noUser : .unavailable))
                }
            }
            return
        }
        for (each, (entered, renewal)) in zip(cases, written) {
            if let renewal { renewed.keep(renewal, for: each.presented.token.hash, now: now) }
            if let (account, session) = entered {
                finish(each, account, session, now)
            } else if case .unsettled(isGone: true) = each.standing {
                finish(each, refused: .failure(each.presented.noUser))
            } else {
                finish(each, refused: .failure(.revoked))
            }
        }
    }

    private func write(_ each: Case, in rows: SessionTables, _ now: Int64) throws -> Written {
        let entered: (Account, KnownSession)?
        switch each.standing {
        case .good(let account, let session): entered = (account, session)
        case .unsettled: entered = try enter(each.presented.token, each.userID, from: each.address, in: rows, now)
        }
        guard let entered, each.wantsRenewal else { return (entered, nil) }
        return (entered, try renew(each.presented.token, each.presented.settings, entered.1, in: rows, now))
    }

    private func finish(_ each: Case, _ account: Account, _ session: KnownSession, _ now: Int64) {
        for waiter in each.waiters {
            guard let completion = waiter.completion else { continue }
            seen.note(session, account.user, waiter.presented.remembered, waiter.caller, now: now)
            let cookie =
                waiter.wantsRenewal(now: now)
                ? renewed.find(for: waiter.presented.token.hash, now: now)?.cookie(for: waiter.caller, now: now) : nil
            completion(.authenticated(.user(waiter.presented.request(account, session, renewal: cookie))))
        }
    }

    private func finish(_ each: Case, refused: Result<Void, Refused>) {
        let refusal: Refused
        if case .failure(let found) = refused { refusal = found } else { refusal = .unavailable }
        for waiter in each.waiters { waiter.refuse(refusal) }
    }

    // MARK: On any thread that may wait

    /// Settles what became of the user's row and lets the token in if it may: one transaction. nil where it is refused.
    func enter(
        _ token: Token, _ userID: Int64, from address: String, _ now: Int64, _ context: borrowing BlockingContext
    ) throws(SessionDatabaseError) -> (Account, KnownSession)? {
        try database.write(context) { rows in try enter(token, userID, from: address, in: rows, now) }
    }

    /// The renewed cookie, when one is due: the token is made, entered into the session and then told.
    func renewal(_ authenticated: AuthenticatedRequest, _ caller: Caller, _ context: borrowing BlockingContext) -> String? {
        let now = clock.wall.milliseconds
        let old = authenticated.token
        guard Renewal.isDue(old.claims, place: authenticated.place, hasAuthorization: !caller.authorization.isEmpty, now: now) else {
            return nil
        }
        if let found = renewed.find(for: old.hash, now: now) { return found.cookie(for: caller, now: now) }
        // Where it cannot be entered it is not handed out: the old one is good for days, and the next request tries again.
        let renewal = try? database.write(context) { rows in
            try renew(old, authenticated.settings, authenticated.session, in: rows, now)
        }
        guard let renewal else { return nil }
        renewed.keep(renewal, for: old.hash, now: now)
        return renewed.find(for: old.hash, now: now)?.cookie(for: caller, now: now)
    }

    // MARK: Within a transaction

    private func enter(
        _ token: Token, _ userID: Int64, from address: String, in rows: SessionTables, _ now: Int64
    ) throws -> (Account, KnownSession)? {
        let row = try directory.account(id: userID, .brief)
        try AccountSettlement.settle(userID, row: row, in: rows, now: now)
        guard let row else { return nil }
        let answer = try rows.answer(token.hash, userID: userID)
        switch TokenDecision.decide(issuedAt: token.claims.issuedAt, answer: answer, row: row) {
        case .good(let session): return (row, session)
        case .newcomer: return try adopt(token, of: row, from: address, in: rows, now).map { (row, $0) }
        case .unsettled, .revoked: return nil
        }
    }

    /// A token that swingmusic made becomes a session, or joins the one of the token that was made together with it. One that may not is
    /// entered as ended: the next look at it knows, writes nothing, and it stays refused when what it may descend from has expired.
    private func adopt(
        _ token: Token, of row: Account, from address: String, in rows: SessionTables, _ now: Int64
    ) throws -> KnownSession? {
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
        rows.effects.adopted.append((row.user, address))
        return session
    }

    private func renew(
        _ old: Token, _ settings: SwingmusicSettings, _ session: KnownSession, in rows: SessionTables, _ now: Int64
    ) throws -> RenewedTokens.Renewal {
        guard try rows.hasRoom(in: session.id, for: 1) else { return .noRoom }
        let issuer = TokenIssuer(key: settings.key)
        let token = issuer.make(.access, subject: old.claims.subject, second: now / 1000, identifier: RandomName.uuid())
        try rows.add(token, to: session.id)
        return .made(token)
    }
}

/// Who waits for the sessions' thread, by token: however many bring one, it is looked at once.
private final class SettlementQueue: Sendable {
    private struct State {
        var waiting: [TokenHash: [TokenRegistrar.Waiter]] = [:]
        /// In the order in which they came.
        var order: [TokenHash] = []
        var count = 0
        /// The thread is at it, or will be.
        var isServed = false
    }

    private let state = Locked(State())  // guards who waits

    /// Some 2 KB each, token and caller.
    private static let mostTokens = 2000
    private static let mostWaiters = 10_000
    /// As many as are settled in one transaction: others wait for the lock, too.
    private static let atOnce = 256

    enum Place {
        /// The thread is to be told.
        case first
        case further
        case full
    }

    func enter(_ waiter: TokenRegistrar.Waiter) -> Place {
        let hash = waiter.presented.token.hash
        return state.withLock { state in
            let isNew = state.waiting[hash] == nil
            guard isNew ? state.waiting.count < Self.mostTokens : waiter.completion != nil else { return isNew ? .full : .further }
            guard state.count < Self.mostWaiters else { return .full }
            if isNew { state.order.append(hash) }
            state.waiting[hash, default: []].append(waiter)
            state.count += 1
            defer { state.isServed = true }
            return state.isServed ? .further : .first
        }
    }

    /// The oldest, token by token; empty when nobody waits: then the thread goes, and is to be told of the next.
    func next() -> [[TokenRegistrar.Waiter]] {
        state.withLock { state in
            let taken = state.order.prefix(Self.atOnce).compactMap { state.waiting.removeValue(forKey: $0) }
            state.order.removeFirst(min(Self.atOnce, state.order.count))
            state.count -= taken.reduce(0) { $0 + $1.count }
            state.isServed = !taken.isEmpty
            return taken
        }
    }

    /// The thread could not be told.
    func removeAll() -> [TokenRegistrar.Waiter] {
        state.withLock { state in
            defer { state = State() }
            return state.waiting.values.flatMap(\.self)
        }
    }
}
