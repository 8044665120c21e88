extension Sessions {
    /// `GET /auth/logout`: ends the session of whatever good token came along, and clears the cookie in any case.
    public func logout(_ caller: Caller) -> Answer {
        guard origins.admits(caller) else { return .refused(.foreignSite) }
        var answer = Answer.json(.object([JSONMember("msg", .string("Logged out"))]))
        answer.cookies = [SetCookie.cleared]
        for text in presented(caller) where !end(text) {
            // The cookie would be gone and the session not: say so, and leave it.
            return .unavailable
        }
        return answer
    }

    private func presented(_ caller: Caller) -> [[UInt8]] {
        var texts =
            CookieText.values(of: CookieText.access, in: caller.cookies) + CookieText.values(of: CookieText.refresh, in: caller.cookies)
        if case .token(let text) = BearerText(caller.authorization) { texts.append(text) }
        return Array(texts.filter { !$0.isEmpty }.prefix(4))
    }

    /// False where the session could not be ended. A token that is not good ends nothing; one that swingmusic made and that was never
    /// seen here is entered as ended.
    private func end(_ text: [UInt8]) -> Bool {
        guard let settings = settings.current() else { return false }
        guard let token = try? token(text, settings.key).token, case .user(let userID) = token.claims.userID else { return true }
        let now = clock.now()
        do {
            // An expired token still names its session, whose other tokens may be good; but it begins none.
            if !token.claims.isExpired(now: now) { _ = try enter(token, userID, now) }
            let ended = try ledger.write(.event) { rows -> String? in
                guard let session = try rows.answer(token.hash, userID: userID).session else { return nil }
                return try rows.end(session: session.id, now: now) ? session.id : nil
            }
            if let ended { forgetRecords([ended]) }
            return true
        } catch {
            return false
        }
    }

    func forgetRecords(_ ids: [String]) {
        guard !ids.isEmpty else { return }
        for id in ids { seen.forget(id) }
        do { try records.remove(ids) } catch { storeComplaint.raise("cannot be written: \(error)", now: clock.now()) }
    }
}
