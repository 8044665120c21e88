extension Sessions {
    /// Who a request comes from, for routes that need or allow a session. A request with two access cookies is refused.
    /// - Parameter changes: whether the request changes something: then a page of another site must not have sent it.
    public func check(_ caller: Caller, changes: Bool = false) -> Verdict {
        if changes, !origins.admits(caller) { return .refused(.foreignSite) }
        switch examine(caller, duplicates: .refused) {
        case .present(let presence):
            return .user(SignedIn(user: presence.user, sessionID: presence.session.id, renewal: renewal(presence, caller)))
        case .refused(let refused): return .refused(refused)
        case .absent(let refused): return .absent(refused)
        }
    }

    /// The renewed cookie, when one is due: the token is made, entered into the session and then told.
    func renewal(_ presence: Presence, _ caller: Caller) -> String? {
        let now = clock.now()
        let old = presence.token
        guard Renewal.isDue(old.claims, place: presence.place, hasAuthorization: !caller.authorization.isEmpty, now: now) else {
            return nil
        }
        if let token = renewed.find(for: old.hash, now: now) {
            return SetCookie.access(token.text, maxAge: SetCookie.renewalAge, now: now)
        }
        let mint = TokenMint(key: presence.settings.key)
        let token = mint.make(.access, subject: old.claims.subject, second: now / 1000, identifier: RandomName.uuid())
        // Where it cannot be entered it is not handed out: the old one is good for days, and the next request tries again.
        guard (try? enter(token, into: presence.session.id)) ?? false else { return nil }
        renewed.keep(token, for: old.hash, now: now)
        return SetCookie.access(token.text, maxAge: SetCookie.renewalAge, now: now)
    }

    /// False where the session is full.
    private func enter(_ token: FreshToken, into session: String) throws(LedgerFault) -> Bool {
        try ledger.write(.event) { rows in
            guard try rows.hasRoom(in: session, for: 1) else { return false }
            try rows.add(token, to: session)
            return true
        }
    }

    /// Runs a route that needs an access token; every answer of it, refusals included, carries the renewed cookie.
    func signedIn(
        _ caller: Caller, duplicates: Credential.Duplicates = .firstCounts, changes: Bool = false, _ body: (Presence) -> Answer
    ) -> Answer {
        if changes, !origins.admits(caller) { return .refused(.foreignSite) }
        switch examine(caller, duplicates: duplicates) {
        case .present(let presence):
            let answer = body(presence)
            // Whoever ends the own session gets no new token for it.
            return answer.cookies.isEmpty ? answer.adding(renewal(presence, caller)) : answer
        case .refused(let refused), .absent(let refused): return .refused(refused)
        }
    }
}
