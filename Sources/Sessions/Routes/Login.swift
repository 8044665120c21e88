extension Sessions {
    /// `POST /auth/login`. It is dealt with on the worker's login thread.
    /// - Returns: the answer where it is known at once; nil where `completion` will be called on the login thread.
    public func login(_ body: FormBody, _ caller: Caller, completion: @escaping @Sendable (Answer) -> Void) -> Answer? {
        guard origins.admits(caller) else { return .refused(.foreignSite) }
        let form: LoginForm
        switch LoginForm.read(body) {
        case .success(let read): form = read
        case .failure(let fault): return fault.answer
        }
        if let wait = guesses.wait(.login, address: caller.address) { return Self.tooMany(wait) }
        let isTaken = desk.submit { [self] in completion(logIn(form, caller)) }
        return isTaken ? nil : .message("Too many logins at once", status: 503, retryAfter: 3)
    }

    static func tooMany(_ wait: Int) -> Answer { .message("Too many failed attempts", status: 429, retryAfter: wait) }

    /// On the login thread.
    private func logIn(_ form: LoginForm, _ caller: Caller) -> Answer {
        guard let settings = settings.current() else { return .unavailable }
        switch guesses.begin(.login, address: caller.address) {
        case .refused(let wait): return Self.tooMany(wait)
        case .admitted(let attempt):
            do {
                guard let account = try directory.account(named: form.name) else { return .message("User not found", status: 404) }
                guard let row = try checked(account, form, settings), let answer = try begin(row, settings, caller) else {
                    return .message("Hehe! invalid password", status: 401)
                }
                guesses.forgive(attempt)
                return answer
            } catch {
                guesses.forgive(attempt)
                return .unavailable
            }
        }
    }

    /// The row with the hash that the password was found right against; nil where it is wrong.
    private func checked(_ account: Account, _ form: LoginForm, _ settings: Settings) throws -> Account? {
        let check = PasswordCheck.decide(
            password: form.password, stored: account.passwordHash, salt: settings.serverID, legacySalt: settings.legacyServerID,
            hash: desk.hash)
        switch check {
        case .wrong: return nil
        case .right: return account
        case .outdated(let newHash): return try rehash(account, newHash)
        }
    }

    /// Replaces a legacy hash, as swingmusic does at login. Where that cannot be done the old one stays good.
    private func rehash(_ account: Account, _ newHash: String) throws -> Account {
        let expected = ExpectedChange(
            userID: account.user.id, name: account.user.name, fingerprint: Fingerprint(passwordHash: newHash), sessionID: nil)
        let now = clock.now()
        do {
            try ledger.write(.background) { try $0.expect(expected, until: now + Self.expectation) }
            try Rehash.store(newHash, over: account.passwordHash, user: account.user.id, path: directory.path)
        } catch {
            log.warning("the password hash of user \(account.user.id) stays in its old form: swingmusic.db cannot be written")
        }
        return try directory.account(id: account.user.id) ?? account
    }

    /// A session begins; nil where the user's row changed while the password was being checked.
    private func begin(_ row: Account, _ settings: Settings, _ caller: Caller) throws -> Answer? {
        let now = clock.now()
        let id = RandomName.session()
        let pair = TokenPair.make(subject: row.user.subject, mint: TokenMint(key: settings.key), now: now)
        let hasBegun = try ledger.write(.background) { rows -> Bool in
            let present = try directory.account(id: row.user.id)
            guard present == row else { return false }
            try Settlement.settle(row.user.id, row: present, in: rows, now: now)
            try rows.begin(session: id, userID: row.user.id, now: now)
            for token in pair.all { try rows.add(token, to: id) }
            return true
        }
        guard hasBegun else { return nil }
        keepRecord(
            SessionRecord(
                userID: row.user.id, userName: row.user.name, userAgent: caller.userAgent, address: caller.address, createdAt: now,
                seenAt: now),
            as: id)
        let cookie = SetCookie.access(pair.access.text, maxAge: SetCookie.loginAge, now: now)
        return pair.answer(name: row.user.name, cookies: [cookie])
    }

    /// How long a change that was asked for through us may take to show, in ms.
    static let expectation: Int64 = 60_000

    func keepRecord(_ record: SessionRecord, as id: String) {
        do {
            try records.keep(record, as: id)
            storeComplaint.settle()
        } catch {
            storeComplaint.raise("cannot be written: \(error)", now: clock.now())
        }
    }
}
