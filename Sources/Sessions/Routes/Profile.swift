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
        guarded(caller) { presence in
            let form: ProfileForm
            switch ProfileForm.read(body) {
            case .success(let read): form = read
            case .failure(let fault): return .answer(fault.answer)
            }
            guard let everybody = try? directory.accounts() else { return .answer(.unavailable) }
            switch ProfileRules.update(form, by: presence.user, everybody: everybody.map(\.user)) {
            case .failure(let refused): return .answer(.refused(refused))
            case .success(let target):
                guard let row = everybody.first(where: { $0.user == target }) else { return .answer(.unavailable) }
                let changesOwnPassword = target.id == presence.user.id && !form.password.isEmpty
                guard changesOwnPassword else { return allow(form, row, row.passwordHash, presence) }
                let isTaken = desk.submit { [self] in
                    let hash = desk.hash(password: form.password, salt: presence.settings.serverID) ?? row.passwordHash
                    let handing = allow(form, row, hash, presence)
                    completion(adding(renewal(presence, caller), to: handing))
                }
                return isTaken ? nil : .answer(.message("Too many logins at once", status: 503, retryAfter: 3))
            }
        }
    }

    /// Notes what the row is going to be, so that the change is known as ours when it shows.
    private func allow(_ form: ProfileForm, _ row: Account, _ newHash: String, _ presence: Presence) -> Handing {
        let now = clock.now()
        let isRenamed = !form.name.isEmpty && !form.name.isSpelled(row.user.name)
        let isOthersPassword = row.user.id != presence.user.id && !form.password.isEmpty
        let keepsAll = newHash == row.passwordHash
        let expected = ExpectedChange(
            userID: row.user.id, name: isRenamed ? form.name : row.user.name, fingerprint: Fingerprint(passwordHash: newHash),
            sessionID: keepsAll ? nil : presence.session.id)
        let isClaimed = try? ledger.write(.event) { rows -> Bool in
            if isRenamed, try !rows.claim(name: form.name, for: presence.session.id, now: now, until: now + 5000) { return false }
            if !isOthersPassword { try rows.expect(expected, until: now + Self.expectation) }
            return true
        }
        guard let isClaimed else { return .answer(.unavailable) }
        return isClaimed ? .handOn(cookies: []) : .answer(.refused(ProfileRules.nameTaken))
    }

    /// `POST /auth/profile/create`
    public func createUser(_ body: FormBody, _ caller: Caller) -> Handing {
        guard origins.admits(caller) else { return .answer(.refused(.foreignSite)) }
        let presence: Presence?
        let missing: Refused
        switch examine(caller, duplicates: .refused) {
        case .present(let found): (presence, missing) = (found, .adminsOnly)
        case .absent(let refused): (presence, missing) = (nil, refused)
        case .refused(let refused): return .answer(.refused(refused))
        }
        let form: ProfileForm
        switch ProfileForm.read(body) {
        case .success(let read): form = read
        case .failure(let fault): return .answer(fault.answer)
        }
        guard let everybody = try? directory.accounts().map(\.user) else { return .answer(.unavailable) }
        switch ProfileRules.create(form, by: presence?.user, everybody: everybody, isOpen: configuration.isRegistrationOpen) {
        case .failure(.tokenMissing): return .answer(.refused(missing))
        case .failure(.refused(let refused)): return .answer(.refused(refused))
        case .success(let creation): return claim(creation == .first ? ["", form.name] : [form.name])
        }
    }

    /// Takes names for a moment, so that of two requests at once only one is passed on. The empty one stands for the first user.
    private func claim(_ names: [String]) -> Handing {
        let now = clock.now()
        let claimant = RandomName.session()
        let isClaimed = try? ledger.write(.event) { rows -> Bool in
            for name in names where try !rows.claim(name: name, for: claimant, now: now, until: now + 5000) { return false }
            return true
        }
        guard let isClaimed else { return .answer(.unavailable) }
        return isClaimed ? .handOn(cookies: []) : .answer(.refused(ProfileRules.nameTaken))
    }

    /// `POST /auth/profile/guest/create`
    public func createGuest(_ body: FormBody, _ caller: Caller) -> Handing {
        guarded(caller) { presence in
            if !body.bytes.isEmpty, case .failure(let fault) = StrictBody.fields(body, known: []) { return .answer(fault.answer) }
            guard let everybody = try? directory.accounts().map(\.user) else { return .answer(.unavailable) }
            if let refused = ProfileRules.createGuest(by: presence.user, everybody: everybody) { return .answer(.refused(refused)) }
            return claim(["guest"])
        } ?? .answer(.unavailable)
    }

    /// `DELETE /auth/profile/delete`. The sessions of whoever has the name end before the request is passed on.
    public func deleteUser(_ body: FormBody, _ caller: Caller) -> Handing {
        guarded(caller) { presence in
            // As in swingmusic an admin's right comes before the form.
            guard presence.user.isAdmin else { return .answer(.refused(.adminsOnly)) }
            let form: DeletionForm
            switch DeletionForm.read(body) {
            case .success(let read): form = read
            case .failure(let fault): return .answer(fault.answer)
            }
            if let refused = ProfileRules.delete(form.name, by: presence.user) { return .answer(.refused(refused)) }
            guard let everybody = try? directory.accounts().map(\.user) else { return .answer(.unavailable) }
            let now = clock.now()
            let leaving = everybody.filter { $0.name.isSpelled(form.name) }
            let ended = try? ledger.write(.event) { rows in
                try leaving.flatMap { try endAll($0.id, except: nil, in: rows, now + 1000) }
            }
            guard let ended else { return .answer(.unavailable) }
            forgetRecords(ended)
            return .handOn(cookies: [])
        } ?? .answer(.unavailable)
    }

    /// Runs a route that is passed on: one credential, of our own pages.
    private func guarded(_ caller: Caller, _ body: (Presence) -> Handing?) -> Handing? {
        guard origins.admits(caller) else { return .answer(.refused(.foreignSite)) }
        switch examine(caller, duplicates: .refused) {
        case .refused(let refused), .absent(let refused): return .answer(.refused(refused))
        case .present(let presence):
            guard let handing = body(presence) else { return nil }
            return adding(renewal(presence, caller), to: handing)
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
