import JSON
import Platform

/// What becomes of a request that swingmusic is to carry out, if it may.
public enum Handing: Sendable {
    case answer(Answer)
    /// To be passed on as it came, with these values of `Set-Cookie` on the answer.
    case handOn(cookies: [String])
}

extension Sessions {
    /// `PUT /auth/profile/update`. Where a user changes the own password its hash is computed first, so that this session goes on.
    /// - Returns: nil where `completion` will be called on the login thread.
    public func updateProfile(_ body: FormBody, _ caller: Caller, completion: @escaping @Sendable (Handing) -> Void) -> Handing? {
        guarded(caller) { authenticated in
            let form: ProfileForm
            switch ProfileForm.read(body) {
            case .success(let read): form = read
            case .failure(let fault): return .answer(fault.answer)
            }
            guard let everybody = try? directory.accounts() else { return .answer(.unavailable) }
            switch ProfileRules.update(form, by: authenticated.user, everybody: everybody.map(\.user)) {
            case .failure(let refused): return .answer(.refused(refused))
            case .success(let target):
                guard let row = everybody.first(where: { $0.user == target }) else { return .answer(.unavailable) }
                let changesOwnPassword = target.id == authenticated.user.id && !form.password.isEmpty
                guard changesOwnPassword else { return allow(form, row, row.passwordHash, authenticated) }
                let isTaken = hasher.submit { [self] in
                    let hash = hasher.hash(password: form.password, salt: authenticated.settings.serverID) ?? row.passwordHash
                    let handing = allow(form, row, hash, authenticated)
                    completion(adding(authenticator.renewal(authenticated, caller), to: handing))
                }
                return isTaken ? nil : .answer(.message("Too many logins at once", status: 503, retryAfter: 3))
            }
        }
    }

    /// Notes what the row is going to be, so that the change is known as ours when it shows.
    private func allow(_ form: ProfileForm, _ row: Account, _ newHash: String, _ authenticated: AuthenticatedRequest) -> Handing {
        let now = clock.wall.milliseconds
        let isRenamed = !form.name.isEmpty && !form.name.isSpelled(row.user.name)
        let isOthersPassword = row.user.id != authenticated.user.id && !form.password.isEmpty
        let keepsAll = newHash == row.passwordHash
        let expected = ExpectedChange(
            userID: row.user.id, name: isRenamed ? form.name : row.user.name, fingerprint: Fingerprint(passwordHash: newHash),
            sessionID: keepsAll ? nil : authenticated.session.id)
        let isClaimed = try? database.write(.event) { rows -> Bool in
            if isRenamed, try !rows.claim(name: form.name, for: authenticated.session.id, now: now, until: now + 5000) { return false }
            if !isOthersPassword { try rows.expect(expected, until: now + Self.expectation) }
            return true
        }
        guard let isClaimed else { return .answer(.unavailable) }
        return isClaimed ? .handOn(cookies: []) : .answer(.refused(ProfileRules.nameTaken))
    }

    /// `POST /auth/profile/create`
    public func createUser(_ body: FormBody, _ caller: Caller) -> Handing {
        guard origins.admits(caller) else { return .answer(.refused(.foreignSite)) }
        let authenticated: AuthenticatedRequest?
        let missing: Refused
        switch authenticator.authenticate(caller, duplicates: .refused) {
        case .present(let found): (authenticated, missing) = (found, .adminsOnly)
        case .absent(let refused): (authenticated, missing) = (nil, refused)
        case .refused(let refused): return .answer(.refused(refused))
        }
        let form: ProfileForm
        switch ProfileForm.read(body) {
        case .success(let read): form = read
        case .failure(let fault): return .answer(fault.answer)
        }
        guard let everybody = try? directory.accounts().map(\.user) else { return .answer(.unavailable) }
        switch ProfileRules.create(form, by: authenticated?.user, everybody: everybody, isOpen: configuration.isRegistrationOpen) {
        case .failure(.tokenMissing): return .answer(.refused(missing))
        case .failure(.refused(let refused)): return .answer(.refused(refused))
        case .success(let creation): return claim(creation == .first ? ["", form.name] : [form.name])
        }
    }

    /// Takes names for a moment, so that of two requests at once only one is passed on. The empty one stands for the first user.
    private func claim(_ names: [String]) -> Handing {
        let now = clock.wall.milliseconds
        let claimant = RandomName.letters(bits: 128)
        let isClaimed = try? database.write(.event) { rows -> Bool in
            for name in names where try !rows.claim(name: name, for: claimant, now: now, until: now + 5000) { return false }
            return true
        }
        guard let isClaimed else { return .answer(.unavailable) }
        return isClaimed ? .handOn(cookies: []) : .answer(.refused(ProfileRules.nameTaken))
    }

    /// `POST /auth/profile/guest/create`
    public func createGuest(_ body: FormBody, _ caller: Caller) -> Handing {
        guarded(caller) { authenticated in
            if !body.bytes.isEmpty, case .failure(let fault) = StrictBody.fields(body, known: []) { return .answer(fault.answer) }
            guard let everybody = try? directory.accounts().map(\.user) else { return .answer(.unavailable) }
            if let refused = ProfileRules.createGuest(by: authenticated.user, everybody: everybody) { return .answer(.refused(refused)) }
            return claim(["guest"])
        } ?? .answer(.unavailable)
    }

    /// `DELETE /auth/profile/delete`. The sessions of whoever has the name end before the request is passed on.
    public func deleteUser(_ body: FormBody, _ caller: Caller) -> Handing {
        guarded(caller) { authenticated in
            // As in swingmusic an admin's right comes before the form.
            guard authenticated.user.isAdmin else { return .answer(.refused(.adminsOnly)) }
            let form: DeletionForm
            switch DeletionForm.read(body) {
            case .success(let read): form = read
            case .failure(let fault): return .answer(fault.answer)
            }
            if let refused = ProfileRules.delete(form.name, by: authenticated.user) { return .answer(.refused(refused)) }
            guard let everybody = try? directory.accounts().map(\.user) else { return .answer(.unavailable) }
            let now = clock.wall.milliseconds
            let leaving = everybody.filter { $0.name.isSpelled(form.name) }
            let ended = try? database.write(.event) { rows in
                try leaving.flatMap { try endAll($0.id, except: nil, in: rows, now + 1000) }
            }
            guard let ended else { return .answer(.unavailable) }
            forgetRecords(ended)
            return .handOn(cookies: [])
        } ?? .answer(.unavailable)
    }

    /// Runs a route that is passed on: one credential, of our own pages.
    private func guarded(_ caller: Caller, _ body: (AuthenticatedRequest) -> Handing?) -> Handing? {
        guard origins.admits(caller) else { return .answer(.refused(.foreignSite)) }
        switch authenticator.authenticate(caller, duplicates: .refused) {
        case .refused(let refused), .absent(let refused): return .answer(.refused(refused))
        case .present(let authenticated):
            guard let handing = body(authenticated) else { return nil }
            return adding(authenticator.renewal(authenticated, caller), to: handing)
        }
    }

    private func adding(_ cookie: String?, to handing: Handing) -> Handing {
        guard let cookie else { return handing }
        switch handing {
        case .answer(let answer): return .answer(answer.adding(cookie))
        case .handOn(let cookies): return .handOn(cookies: cookies + [cookie])
        }
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

/// The body of the routes that change or make a user.
private struct ProfileForm: Equatable {
    /// 0: oneself.
    var id: Int64 = 0
    var name = ""
    var password = ""
    var roles: [String]?

    static func read(_ body: FormBody) -> Result<ProfileForm, FormFault> {
        StrictBody.fields(
            body, known: [("id", .integer), ("username", .text), ("password", .text), ("roles", .texts), ("email", .text)]
        ).map { fields in
            var form = ProfileForm()
            form.id = fields["id"]?.pythonInteger ?? 0
            form.name = fields["username"]?.text ?? ""
            form.password = fields["password"]?.text ?? ""
            if case .array(let roles) = fields["roles"] { form.roles = roles.compactMap(\.text) }
            return form
        }
    }
}

/// The body of the route that deletes a user.
private struct DeletionForm: Equatable {
    var name: String

    static func read(_ body: FormBody) -> Result<DeletionForm, FormFault> {
        StrictBody.fields(body, known: [("username", .text)]).flatMap { fields in
            guard let name = fields["username"]?.text else { return .failure(FormFault([.missing("username", in: fields)])) }
            return .success(DeletionForm(name: name))
        }
    }
}

/// Bodies that are checked here and read by swingmusic afterwards: nothing in them may be readable in two ways.
private enum StrictBody {
    enum Kind { case text, integer, texts }

    /// - Parameter known: the fields that may occur.
    static func fields(_ body: FormBody, known: [(name: String, kind: Kind)]) -> Result<JSONValue, FormFault> {
        guard body.mediaType == "application/json", body.charset ?? "utf-8" == "utf-8" else {
            return .failure(FormFault(message: "Content-Type must be application/json"))
        }
        let value: JSONValue
        do throws(JSONFault) {
            value = try JSONValue(reading: body.bytes, .pythonWithoutDuplicates)
        } catch {
            let reason = error.reason == .duplicateName ? "A field occurs twice" : "Not JSON in UTF-8"
            return .failure(FormFault(message: reason))
        }
        guard let members = value.members else { return .failure(FormFault(message: "The body must be a JSON object")) }
        let errors = members.flatMap { member in
            guard let field = known.first(where: { $0.name.isSpelled(member.name) }) else {
                return [FieldError.unknown(member.name, member.value)]
            }
            return check(member, field.kind)
        }
        return errors.isEmpty ? .success(value) : .failure(FormFault(errors))
    }

    private static func check(_ member: JSONMember, _ kind: Kind) -> [FieldError] {
        switch (kind, member.value) {
        case (.text, .string): return []
        case (.text, let value): return [.notText([.string(member.name)], value)]
        case (.integer, .number(let text)) where Int64(text) != nil: return []
        case (.integer, let value): return [.notInteger(member.name, value)]
        case (.texts, .array(let items)):
            return items.enumerated().compactMap { index, item in
                item.text == nil ? .notText([.string(member.name), .integer(Int64(index))], item) : nil
            }
        case (.texts, let value): return [.notList(member.name, value)]
        }
    }
}
