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
            guard enter(pair, into: presence.session.id) else { return .unavailable }
            return pair.answer(name: name.text ?? PythonText.representation(name))
        }
    }

    private func enter(_ pair: TokenPair, into session: String) -> Bool {
        do {
            try ledger.write(.event) { rows in for token in pair.all { try rows.add(token, to: session) } }
            return true
        } catch {
            return false
        }
    }
}
