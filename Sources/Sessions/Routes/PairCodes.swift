import JSON
import Platform

extension Sessions {
    /// How long a pair code is good, in ms.
    private static let pairCodeLifetime: Int64 = 600_000

    /// `GET /auth/getpaircode`: the code as swingmusic gives it, and what its extended version's clients read besides.
    /// - Parameter serverURL: scheme and host for the device to come to. Without it the client knows better than we do where it has come
    ///   from, and makes what the QR code says of that.
    public func pairCode(
        _ authenticated: AuthenticatedRequest, _ context: borrowing BlockingContext, serverURL: String? = nil
    ) -> Answer {
        let now = clock.wall.milliseconds
        for _ in 0..<5 {
            // The extended version's clients write every code in capitals.
            let code = RandomName.legible(6)
            let isNew = try? database.write(context) { rows in
                try rows.insert(
                    pairCode: Self.hash(code), session: authenticated.session.id, userID: authenticated.user.id,
                    until: now + Self.pairCodeLifetime, now: now)
            }
            guard let isNew else { return .unavailable }
            if isNew {
                return .json(
                    .object([
                        "code": .string(code), "expires_at": .integer((now + Self.pairCodeLifetime) / 1000),
                        "ttl_seconds": .integer(Self.pairCodeLifetime / 1000), "server_url": serverURL.map(JSONValue.string),
                        "qr_payload": serverURL.map { .string("\($0)|\(code)") },
                    ]))
            }
        }
        return .unavailable
    }

    /// `GET /auth/pair`: redeems a code, once. Who does so has a session of their own, which ends by itself.
    /// - Parameter code: of the query, in capitals or not; nil where it is not in it.
    public func pair(_ caller: Caller, code: String?, _ context: borrowing BlockingContext) -> Answer {
        guard let settings = settings.current() else { return .unavailable }
        let attempt: LoginThrottle.Attempt
        switch throttle.begin(.pair, address: caller.address) {
        case .refused(let wait): return Self.tooMany(wait)
        case .admitted(let admitted): attempt = admitted
        }
        do {
            guard let (pair, name) = try redeem(code ?? "", settings, caller, context) else {
                security.note(.pairingRefused, from: caller.address)
                return .message("Invalid code", status: 400)
            }
            throttle.forgive(attempt)
            security.note(.paired, from: caller.address, user: name)
            return pair.answer(name: name)
        } catch {
            throttle.forgive(attempt)
            return .unavailable
        }
    }

    /// One transaction: who takes the code out has the session.
    private func redeem(
        _ code: String, _ settings: SwingmusicSettings, _ caller: Caller, _ context: borrowing BlockingContext
    ) throws(SessionDatabaseError) -> (TokenPair, String)? {
        let now = clock.wall.milliseconds
        let id = RandomName.letters(bits: 128)
        let redeemed = try database.write(context) { rows -> (pair: TokenPair, user: User)? in
            // As it is typed first: an older release's codes have small letters.
            guard
                let asking = try rows.take(pairCode: Self.hash(code), now: now)
                    ?? rows.take(pairCode: Self.hash(Self.inCapitals(code)), now: now)
            else { return nil }
            let row = try directory.account(id: asking.userID, .brief)
            try AccountSettlement.settle(asking.userID, row: row, in: rows, now: now)
            // Settling may have ended the session that asked.
            guard let row, try rows.session(asking.id)?.endedAt == nil, try rows.hasRoomForSession(of: asking.userID) else { return nil }
            let pair = TokenPair.make(subject: row.user.subject, issuer: TokenIssuer(key: settings.key), now: now)
            try rows.begin(session: id, userID: row.user.id, now: now)
            for token in pair.all { try rows.add(token, to: id) }
            return (pair, row.user)
        }
        guard let redeemed else { return nil }
        keepRecord(of: redeemed.user, caller, as: id, now)
        return (redeemed.pair, redeemed.user.name)
    }

    private static func inCapitals(_ code: String) -> String { code.filter { !$0.isWhitespace }.uppercased() }

    private static func hash(_ code: String) -> TokenHash { TokenHash(of: Array(code.utf8)[...]) }
}
