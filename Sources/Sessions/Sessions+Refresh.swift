extension Sessions {
    /// `POST /auth/refresh`: two new tokens of the same session, with the `sub` of the one presented.
    public func refresh(_ caller: Caller) -> Answer {
        guard origins.admits(caller) else { return .refused(.foreignSite) }
        switch examine(caller, for: .refresh, duplicates: .firstCounts) {
        case .refused(let refused), .absent(let refused): return .refused(refused)
        case .present(let presence):
            let subject = presence.token.claims.subject
            guard let name = subject["username"] else { return .message("Invalid claim: sub has no username", status: 422) }
            let pair = TokenPair.make(subject: subject, mint: TokenMint(key: presence.settings.key), now: clock.now())
            switch enter(pair, into: presence.session.id) {
            case true?: return pair.answer(name: name.text ?? PythonText.representation(name))
            case false?: return Self.tooManyTokens
            case nil: return .unavailable
            }
        }
    }

    /// For a client that refreshes in a loop: the session goes on with the tokens that it has.
    static let tooManyTokens = Answer.message("Too many tokens in this session", status: 429, retryAfter: 3600)

    /// False where the session is full, nil where `sessions.db` cannot be used.
    private func enter(_ pair: TokenPair, into session: String) -> Bool? {
        try? ledger.write(.event) { rows in
            guard try rows.hasRoom(in: session, for: pair.all.count) else { return false }
            for token in pair.all { try rows.add(token, to: session) }
            return true
        }
    }
}
