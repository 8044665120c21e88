import JSON
import Platform

extension Sessions {
    /// Of the body of `POST /auth/login`; others in it are nothing to us.
    public static let loginFields = LoginForm.fields
    /// Of the bodies that change or make a user; no others may be in one.
    public static let profileFields = ProfileForm.fields
    /// Of the body that deletes a user; no others may be in it.
    public static let deletionFields = DeletionForm.fields

    /// `POST /auth/login`. It is dealt with on the worker's login thread.
    /// - Returns: the answer where it is known at once; nil where `completion` will be called on the login thread.
    public func login(_ body: FormBody, _ caller: Caller, completion: @escaping @Sendable (Answer) -> Void) -> Answer? {
        guard origins.admits(caller) else { return .refused(.foreignSite) }
        let form: LoginForm
        switch LoginForm.read(body) {
        case .success(let read): form = read
        case .failure(let fault): return fault.answer
        }
        if let wait = throttle.wait(.login, address: caller.address) { return Self.tooMany(wait) }
        let isTaken = hasher.submit { [self] context in completion(logIn(form, caller, context)) }
        return isTaken ? nil : .message("Too many logins at once", status: 503, retryAfter: 3, cause: .logins)
    }

    static func tooMany(_ wait: Int) -> Answer { .message("Too many failed attempts", status: 429, retryAfter: wait, cause: .guesses) }

    /// On the login thread.
    private func logIn(_ form: LoginForm, _ caller: Caller, _ context: borrowing BlockingContext) -> Answer {
        guard let settings = settings.current() else { return .unavailable }
        switch throttle.begin(.login, address: caller.address) {
        case .refused(let wait): return Self.tooMany(wait)
        case .admitted(let attempt):
            do {
                guard let account = try directory.account(named: form.name, .brief) else {
                    security.note(.signInRefused, from: caller.address)
                    return .message("User not found", status: 404)
                }
                guard let row = try checked(account, form, settings, context),
                    let answer = try begin(row, settings, caller, context)
                else {
                    security.note(.signInRefused, from: caller.address, user: account.user.name)
                    return .message("Hehe! invalid password", status: 401)
                }
                throttle.forgive(attempt)
                security.note(.signedIn, from: caller.address, user: account.user.name)
                return answer
            } catch {
                throttle.forgive(attempt)
                return .unavailable
            }
        }
    }

    /// The row with the hash that the password was found right against; nil where it is wrong.
    private func checked(
        _ account: Account, _ form: LoginForm, _ settings: SwingmusicSettings, _ context: borrowing BlockingContext
    ) throws -> Account? {
        // HMAC fills a short key with NULs (RFC 2104, section 2): the password and the same with one behind it have one hash.
        guard !form.password.utf8.contains(0) else { return nil }
        let check = PasswordCheck.decide(
            password: form.password, stored: account.passwordHash, salt: settings.serverID, legacySalt: settings.legacyServerID,
            hash: hasher.hash)
        switch check {
        case .wrong: return nil
        case .right: return account
        case .outdated(let newHash): return try rehash(account, newHash, context)
        }
    }

    /// Replaces a legacy hash, as swingmusic does at login. Where that cannot be done the old one stays good.
    private func rehash(_ account: Account, _ newHash: String, _ context: borrowing BlockingContext) throws -> Account {
        let expected = ExpectedChange(
            userID: account.user.id, name: account.user.name, fingerprint: Fingerprint(passwordHash: newHash), sessionID: nil)
        let now = clock.wall.milliseconds
        do {
            try database.write(context, .long) { try $0.expect(expected, until: now + Self.expectation) }
            try Rehash.store(newHash, over: account.passwordHash, user: account.user.id, path: directory.path)
        } catch {
            log.warning("the password hash of user \(account.user.id) stays in its old form: swingmusic.db cannot be written")
        }
        return try directory.account(id: account.user.id, .brief) ?? account
    }

    /// A session begins; nil where the user's row changed while the password was being checked.
    private func begin(
        _ row: Account, _ settings: SwingmusicSettings, _ caller: Caller, _ context: borrowing BlockingContext
    ) throws -> Answer? {
        let now = clock.wall.milliseconds
        let id = RandomName.letters(bits: 128)
        let pair = TokenPair.make(subject: row.user.subject, issuer: TokenIssuer(key: settings.key), now: now)
        let hasBegun = try database.write(context, .long) { rows -> Bool in
            let present = try directory.account(id: row.user.id, .brief)
            guard present == row else { return false }
            try AccountSettlement.settle(row.user.id, row: present, in: rows, now: now)
            try rows.begin(session: id, userID: row.user.id, now: now)
            for token in pair.all { try rows.add(token, to: id) }
            return true
        }
        guard hasBegun else { return nil }
        keepRecord(of: row.user, caller, as: id, now)
        let cookie = SetCookie.access(pair.access.text, maxAge: SetCookie.loginAge, for: caller, now: now)
        return pair.answer(name: row.user.name, cookies: [cookie])
    }

    /// How long a change that was asked for through us may take to show, in ms.
    static let expectation: Int64 = 60_000

    /// `POST /auth/refresh`: two new tokens of the same session, with the `sub` of the one presented.
    public func refresh(_ request: RefreshingRequest, _ context: borrowing BlockingContext) -> Answer {
        let authenticated = request.authenticated
        let subject = authenticated.token.claims.subject
        guard let name = subject["username"] else { return .message("Invalid claim: sub has no username", status: 422) }
        let pair = TokenPair.make(subject: subject, issuer: TokenIssuer(key: authenticated.settings.key), now: clock.wall.milliseconds)
        switch enter(pair, into: authenticated.session.id, context) {
        case true?: return pair.answer(name: name.text ?? PythonText.representation(name))
        case false?: return Self.tooManyTokens
        case nil: return .unavailable
        }
    }

    /// For a client that refreshes in a loop: the session goes on with the tokens that it has.
    private static let tooManyTokens = Answer.message("Too many tokens in this session", status: 429, retryAfter: 3600, cause: .tokens)

    /// False where the session is full, nil where `sessions.db` cannot be used.
    private func enter(_ pair: TokenPair, into session: String, _ context: borrowing BlockingContext) -> Bool? {
        try? database.write(context) { rows in
            guard try rows.hasRoom(in: session, for: pair.all.count) else { return false }
            for token in pair.all { try rows.add(token, to: session) }
            return true
        }
    }

    /// `GET /auth/logout`: ends the session of whatever good token came along, and clears the cookie in any case.
    public func logout(_ caller: Caller, _ context: borrowing BlockingContext) -> Answer {
        guard origins.admits(caller) else { return .refused(.foreignSite) }
        var answer = Answer.json(.object([JSONMember("msg", .string("Logged out"))]))
        answer.cookies = [SetCookie.cleared(for: caller)]
        for text in presented(caller) where !end(text, caller, context) {
            // The cookie would be gone and the session not: say so, and leave it.
            return .unavailable
        }
        return answer
    }

    private func presented(_ caller: Caller) -> [[UInt8]] {
        var texts =
            CookieHeader.values(of: CookieHeader.access, in: caller.cookies)
            + CookieHeader.values(of: CookieHeader.refresh, in: caller.cookies)
        if case .token(let text) = BearerText(caller.authorization) { texts.append(text) }
        return Array(texts.filter { !$0.isEmpty }.prefix(4))
    }

    /// False where the session could not be ended. A token that is not good ends nothing, unless it is known: swingmusic's key may be another for
    /// a while, and what was signed out must not come back with the old one. One that swingmusic made and that was never seen here is entered as
    /// ended.
    private func end(_ text: [UInt8], _ caller: Caller, _ context: borrowing BlockingContext) -> Bool {
        guard let settings = settings.current() else { return false }
        let token = try? authenticator.token(text, settings.key).token
        let hash = token?.hash ?? TokenHash(ofUnverified: text)
        let now = clock.wall.milliseconds
        do {
            // An expired token still names its session, whose other tokens may be good; but it begins none.
            if let token, case .user(let userID) = token.claims.userID, !token.claims.isExpired(now: now) {
                _ = try registrar.enter(token, userID, from: caller.address, now, context)
            } else if try database.read(context, .brief, { try $0.answer(hash, userID: 0).session }) == nil {
                return true
            }
            let ended = try database.write(context) { rows -> KnownSession? in
                guard let session = try rows.answer(hash, userID: 0).session else { return nil }
                return try rows.end(session: session.id, now: now) ? session : nil
            }
            if let ended {
                forgetRecords([ended.id])
                security.note(.sessionEnded, from: caller.address, user: directory.name(of: ended.userID))
            }
            return true
        } catch {
            return false
        }
    }

}

/// The body of `POST /auth/login`.
struct LoginForm: Equatable {
    var name: String
    var password: String

    private static let name = FormField("username", .text, isRequired: true), password = FormField("password", .text, isRequired: true)
    static let fields = [name, password]

    static func read(_ body: FormBody) -> Result<LoginForm, FormFault> {
        body.fields(of: "LoginBody").flatMap { fields in
            var errors: [FieldError] = []
            let name = text(name.name, in: fields, &errors)
            let password = text(password.name, in: fields, &errors)
            guard let name, let password else { return .failure(FormFault(errors)) }
            return .success(LoginForm(name: name, password: password))
        }
    }

    private static func text(_ field: String, in fields: JSONValue, _ errors: inout [FieldError]) -> String? {
        guard let value = fields[field] else {
            errors.append(.missing(field, in: fields))
            return nil
        }
        guard let text = value.text else {
            errors.append(.notText([.string(field)], value))
            return nil
        }
        return text
    }
}

/// An access and a refresh token that belong together.
struct TokenPair: Sendable {
    let access: FreshToken
    let refresh: FreshToken

    static func make(subject: JSONValue, issuer: TokenIssuer, now: Int64) -> TokenPair {
        TokenPair(
            access: issuer.make(.access, subject: subject, second: now / 1000, identifier: RandomName.uuid()),
            refresh: issuer.make(.refresh, subject: subject, second: now / 1000, identifier: RandomName.uuid()))
    }

    var all: [FreshToken] { [access, refresh] }

    func answer(name: String, cookies: [String] = []) -> Answer {
        .json(
            .object([
                JSONMember("accesstoken", .string(access.text)), JSONMember("maxage", .integer(TokenIssuer.lifetime)),
                JSONMember("msg", .string("Logged in as \(name)")), JSONMember("refreshtoken", .string(refresh.text)),
            ]), cookies: cookies)
    }
}
