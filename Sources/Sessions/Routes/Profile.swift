import JSON
import Platform

/// What becomes of a request that swingmusic is to carry out, if it may.
public enum Handing: SessionAnswer {
    case answer(Answer)
    /// To be passed on as it came, with these values of `Set-Cookie` on the answer.
    case handOn(cookies: [String])
    /// Another request is about to give the name to somebody, and may fail: to be asked again in a moment.
    case contested

    public static func refused(_ refused: Refused) -> Handing { .answer(.refused(refused)) }

    public var setsCookie: Bool {
        switch self {
        case .answer(let answer): answer.setsCookie
        // Those of what is handed on are the renewed one alone.
        case .handOn, .contested: false
        }
    }

    public func adding(_ cookie: String?) -> Handing {
        guard let cookie else { return self }
        switch self {
        case .answer(let answer): return .answer(answer.adding(cookie))
        case .handOn(let cookies): return .handOn(cookies: cookies + [cookie])
        case .contested: return self
        }
    }

    /// The answer to a request whose name was contested to the last.
    public static let taken = Answer.refused(ProfileRules.nameTaken)
}

extension Sessions {
    /// `PUT /auth/profile/update`. Where a user changes the own password its hash is computed first, so that this session goes on.
    /// - Parameter request: names the request, for `handingFailed`.
    /// - Returns: nil where `completion` will be called on the login thread.
    public func updateProfile(
        _ body: FormBody, _ authenticated: AuthenticatedRequest, _ caller: Caller, as request: String = Sessions.nameForRequest(),
        _ context: borrowing BlockingContext, completion: @escaping @Sendable (Handing) -> Void
    ) -> Handing? {
        let form: ProfileForm
        switch ProfileForm.read(body) {
        case .success(let read): form = read
        case .failure(let fault): return .answer(fault.answer)
        }
        guard let everybody = try? directory.accounts(.brief) else { return .answer(.unavailable) }
        switch ProfileRules.update(form, by: authenticated.user, everybody: everybody.map(\.user)) {
        case .failure(let refused): return .answer(.refused(refused))
        case .success(let target):
            let actor = target == authenticated.user ? nil : authenticated.user.name
            security.note(.userChanged, from: caller.address, user: target.name, by: actor)
            guard let row = everybody.first(where: { $0.user == target }) else { return .answer(.unavailable) }
            let claims = NameClaims(
                form.name.isEmpty || form.name.isSpelled(target.name) ? [] : [form.name], everybody.map(\.user), request)
            let changesOwnPassword = target.id == authenticated.user.id && !form.password.isEmpty
            guard changesOwnPassword else { return allow(form, row, row.passwordHash, authenticated, claims, context) }
            // Hashing may have to wait its turn: first it must be worth it.
            if let refusal = claim(claims, context) { return refusal }
            let isTaken = hasher.submit { [self] context in
                let hash = hasher.hash(password: form.password, salt: authenticated.settings.serverID) ?? row.passwordHash
                let handing = allow(form, row, hash, authenticated, claims, context)
                completion(handing.adding(registrar.renewal(authenticated, caller, context)))
            }
            return isTaken ? nil : .answer(.message("Too many logins at once", status: 503, retryAfter: 3, cause: .logins))
        }
    }

    /// Notes what the row is going to be, so that the change is known as ours when it shows.
    private func allow(
        _ form: ProfileForm, _ row: Account, _ newHash: String, _ authenticated: AuthenticatedRequest, _ claims: NameClaims,
        _ context: borrowing BlockingContext
    ) -> Handing {
        let now = clock.wall.milliseconds
        let isOthersPassword = row.user.id != authenticated.user.id && !form.password.isEmpty
        let expected = ExpectedChange(
            userID: row.user.id, name: claims.names.first ?? row.user.name, fingerprint: Fingerprint(passwordHash: newHash),
            sessionID: newHash == row.passwordHash ? nil : authenticated.session.id)
        return claim(claims, context) { rows in
            if isOthersPassword {
                // Not the user's doing: it keeps none of the user's sessions, whatever they are about to change themselves.
                try rows.expectPasswordChange(row.user.id, session: "", until: now + Self.passwordExpectation)
            } else {
                try rows.expect(expected, until: now + Self.expectation)
            }
        } ?? .handOn(cookies: [])
    }

    /// How long somebody else's server may take to store a password that it was given, in ms.
    private static let passwordExpectation: Int64 = 15_000

    /// The user of a good token is about to change the own password where we cannot see it: this session goes on when it shows, the user's
    /// others end. When several sessions do so at once all end.
    public func expectPasswordChange(_ caller: Caller, _ context: borrowing BlockingContext) {
        guard origins.admits(caller),
            let authenticated = authenticator.authenticate(caller, duplicates: .refused, context).user
        else { return }
        let until = clock.wall.milliseconds + Self.passwordExpectation
        // Where it cannot be noted the session ends with the others.
        try? database.write(context) { rows in
            try rows.expectPasswordChange(authenticated.user.id, session: authenticated.session.id, until: until)
        }
    }

    /// `POST /auth/profile/create`
    /// - Parameter request: names the request, for `handingFailed`.
    public func createUser(
        _ body: FormBody, _ authentication: Authentication, _ caller: Caller, as request: String = Sessions.nameForRequest(),
        _ context: borrowing BlockingContext
    ) -> Handing {
        var missing = Refused.adminsOnly
        if case .anonymous(let refused) = authentication { missing = refused }
        let form: ProfileForm
        switch ProfileForm.read(body) {
        case .success(let read): form = read
        case .failure(let fault): return .answer(fault.answer)
        }
        guard let everybody = try? directory.accounts(.brief).map(\.user) else { return .answer(.unavailable) }
        switch ProfileRules.create(form, by: authentication.user?.user, everybody: everybody, isOpen: configuration.isRegistrationOpen) {
        case .failure(.tokenMissing): return .answer(.refused(missing))
        case .failure(.refused(let refused)): return .answer(.refused(refused))
        case .success(.further):
            // Where anybody may register a name is what a stranger typed.
            let admin = authentication.user.map(\.user).flatMap { $0.isAdmin ? $0.name : nil }
            security.note(.userCreated, from: caller.address, user: admin == nil ? nil : form.name, by: admin)
            return claim(NameClaims([form.name], everybody, request), context) ?? .handOn(cookies: [])
        case .success(.first):
            let now = clock.wall.milliseconds
            security.note(.firstUserCreated, from: caller.address)
            // The empty name stands for the first user.
            return claim(NameClaims(["", form.name], everybody, request), context) { try $0.noteFirstUser(now: now) }
                ?? .handOn(cookies: [])
        }
    }

    /// Takes names for a moment, so that of two requests at once only one is passed on, and lets go of those that have become somebody's.
    /// - Parameter more: what is written with it.
    /// - Returns: nil when they are taken.
    private func claim(_ claims: NameClaims, _ context: borrowing BlockingContext, with more: (SessionTables) throws -> Void = { _ in })
        -> Handing?
    {
        let now = clock.wall.milliseconds
        let isClaimed = try? database.write(context) { rows -> Bool in
            try rows.endClaims(metBy: claims.everybody)
            guard try rows.claim(names: claims.names, for: claims.request, now: now, until: now + 5000) else { return false }
            try more(rows)
            return true
        }
        guard let isClaimed else { return .answer(.unavailable) }
        return isClaimed ? nil : .contested
    }

    /// What was handed on did not get to swingmusic, or did not come back: the names are free again.
    public func handingFailed(_ request: String, _ context: borrowing BlockingContext) {
        try? database.write(context) { try $0.endClaims(of: request) }
    }

    /// For a request that nobody names.
    public static func nameForRequest() -> String { RandomName.letters(bits: 128) }

    /// `POST /auth/profile/guest/create`
    /// - Parameter request: names the request, for `handingFailed`.
    public func createGuest(
        _ body: FormBody, _ authenticated: AuthenticatedRequest, _ caller: Caller, as request: String = Sessions.nameForRequest(),
        _ context: borrowing BlockingContext
    ) -> Handing {
        if !body.bytes.isEmpty, case .failure(let fault) = StrictBody.fields(body, known: []) { return .answer(fault.answer) }
        guard let everybody = try? directory.accounts(.brief).map(\.user) else { return .answer(.unavailable) }
        if let refused = ProfileRules.createGuest(by: authenticated.user, everybody: everybody) { return .answer(.refused(refused)) }
        security.note(.userCreated, from: caller.address, user: "guest", by: authenticated.user.name)
        return claim(NameClaims(["guest"], everybody, request), context) ?? .handOn(cookies: [])
    }

    /// `DELETE /auth/profile/delete`. The sessions of whoever has the name end before the request is passed on.
    public func deleteUser(
        _ body: FormBody, _ authenticated: AuthenticatedRequest, _ caller: Caller, _ context: borrowing BlockingContext
    ) -> Handing {
        // As in swingmusic an admin's right comes before the form.
        guard authenticated.user.isAdmin else { return .answer(.refused(.adminsOnly)) }
        let form: DeletionForm
        switch DeletionForm.read(body) {
        case .success(let read): form = read
        case .failure(let fault): return .answer(fault.answer)
        }
        if let refused = ProfileRules.delete(form.name, by: authenticated.user) { return .answer(.refused(refused)) }
        guard let everybody = try? directory.accounts(.brief).map(\.user) else { return .answer(.unavailable) }
        let now = clock.wall.milliseconds
        let leaving = everybody.filter { $0.name.isSpelled(form.name) }
        let ended = try? database.write(context) { rows in
            try rows.endClaims(metBy: everybody.map(\.name))
            return try leaving.flatMap { try endAll($0.id, except: nil, in: rows, now + 1000) }
        }
        guard let ended else { return .answer(.unavailable) }
        forgetRecords(ended)
        for user in leaving { security.note(.userDeleted, from: caller.address, user: user.name, by: authenticated.user.name) }
        return .handOn(cookies: [])
    }

    /// Of who has a session, a request below `/auth/` to what is swingmusic's alone goes on to swingmusic, as behind the guard.
    public func handOn(_ authenticated: AuthenticatedRequest) -> Handing {
        .handOn(cookies: [authenticated.renewal].compactMap(\.self))
    }
}

/// Names that a request is about to give out.
private struct NameClaims {
    let names: [String]
    /// Those that are somebody's.
    let everybody: [String]
    let request: String

    init(_ names: [String], _ everybody: [User], _ request: String) {
        self.names = names
        self.everybody = everybody.map(\.name)
        self.request = request
    }
}

/// What may be changed about whom: swingmusic's own rules in its order, and those that close what it leaves open.
private enum ProfileRules {
    private static func refuse(_ status: Int, _ message: String) -> Refused { Refused(status: status, message: message) }

    static let nameTaken = refuse(400, "Username already exists")
    private static let fieldsRequired = refuse(400, "Username and password are required")

    /// - Parameter everybody: all rows as they are now.
    static func update(_ form: ProfileForm, by caller: User, everybody: [User]) -> Result<User, Refused> {
        if caller.isGuest || form.name.isSpelled("guest") { return .failure(refuse(400, "Cannot update guest user")) }
        if form.roles != nil, !caller.isAdmin { return .failure(refuse(403, "Only admins can update roles")) }
        let id = form.id == 0 ? caller.id : form.id
        if id != caller.id, !caller.isAdmin { return .failure(refuse(403, "Only admins can update other users")) }
        guard let target = everybody.first(where: { $0.id == id }) else { return .failure(refuse(422, "User not found")) }
        if let roles = form.roles {
            let isOnlyAdmin = target.isAdmin && everybody.filter(\.isAdmin).count == 1
            if isOnlyAdmin, !roles.contains("admin") { return .failure(refuse(400, "Cannot remove the only admin")) }
            if target.isGuest { return .failure(refuse(400, "Cannot update guest user")) }
        }
        if everybody.contains(where: { $0.id != id && $0.name.isSpelled(form.name) && !form.name.isEmpty }) { return .failure(nameTaken) }
        return .success(target)
    }

    enum Creation: Equatable {
        /// The first user, who becomes the admin.
        case first
        case further
    }

    /// - Parameters:
    ///   - caller: nil without a token.
    ///   - isOpen: whether anybody may register.
    static func create(_ form: ProfileForm, by caller: User?, everybody: [User], isOpen: Bool) -> Result<Creation, CreationRefusal> {
        if !isOpen, everybody.contains(where: \.isAdmin) {
            guard let caller else { return .failure(.tokenMissing) }
            guard caller.isAdmin else { return .failure(.refused(.adminsOnly)) }
        }
        if form.name.isEmpty || form.password.isEmpty { return .failure(.refused(fieldsRequired)) }
        if everybody.contains(where: { $0.name.isSpelled(form.name) }) { return .failure(.refused(nameTaken)) }
        return .success(everybody.isEmpty ? .first : .further)
    }

    enum CreationRefusal: Error, Equatable {
        case tokenMissing
        case refused(Refused)
    }

    static func createGuest(by caller: User, everybody: [User]) -> Refused? {
        if !caller.isAdmin { return .adminsOnly }
        return everybody.contains(where: \.isGuestAccount) ? refuse(400, "Guest user already exists") : nil
    }

    static func delete(_ name: String, by caller: User) -> Refused? {
        if !caller.isAdmin { return .adminsOnly }
        return caller.name.isSpelled(name) ? refuse(400, "Sorry! you cannot delete yourselfu") : nil
    }
}
