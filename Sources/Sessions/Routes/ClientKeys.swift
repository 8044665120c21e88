import Platform

/// Client keys: what administrators do with them, and what clients get for them.
extension Sessions {
    /// By name.
    public func clientKeys(_ context: borrowing BlockingContext) throws -> [ClientKey] {
        try database.read(context, .long) { try $0.clientKeys() }
    }

    /// Makes a key. What is answered is all that ever shows its secret.
    /// - Throws: `ClientKeyFault`, or what keeps `sessions.db` from being written.
    public func addClientKey(named name: String, _ context: borrowing BlockingContext) throws -> NewClientKey {
        guard ClientKey.isName(name) else { throw ClientKeyFault.malformed }
        let key = NewClientKey(name: name)
        let now = clock.wall.milliseconds
        guard try database.write(context, .long, { try $0.insert(key, now: now) }) else { throw ClientKeyFault.taken }
        return key
    }

    /// Ends a key and all its tokens, at every worker with the next request. False where there is none of that name.
    public func revokeClientKey(named name: String, _ context: borrowing BlockingContext) throws -> Bool {
        guard ClientKey.isName(name) else { return false }
        return try database.write(context, .long) { try $0.removeClientKey(named: name) }
    }

    /// A token for a client that brings a key's id and secret. Wrong ones are counted by address, as wrong passwords are; what was brought is
    /// neither kept nor logged: people send what Spotify gave them.
    public func grantToken(id: String, secret: String, address: String, _ context: borrowing BlockingContext) -> ClientGrant {
        // The right one waits, too: else the answer would tell which it is.
        if let wait = throttle.wait(.key, address: address) { return .tooMany(retryAfter: wait) }
        switch throttle.begin(.key, address: address) {
        case .refused(let wait): return .tooMany(retryAfter: wait)
        case .admitted(let attempt):
            let grant = grantToken(id, secret, context)
            if grant == .wrong { security.note(.keyRefused, from: address) } else { throttle.forgive(attempt) }
            return grant
        }
    }

    private func grantToken(_ id: String, _ secret: String, _ context: borrowing BlockingContext) -> ClientGrant {
        let secretHash = TokenHash(of: Array(secret.utf8)[...]).bytes
        let text = ClientToken.make()
        let hash = TokenHash(of: Array(text.utf8)[...])
        do {
            // Strangers who guess do not make the file be written.
            guard try database.read(context, .brief, { try $0.clientKey(id)?.secretHash == secretHash }) else { return .wrong }
            return try database.write(context) { rows in
                guard let key = try rows.clientKey(id), key.secretHash == secretHash else { return .wrong }
                if let wait = try rows.enter(hash, of: key.number) { return .tooMany(retryAfter: wait) }
                return .token(text, seconds: ClientToken.lifetime)
            }
        } catch {
            return .unavailable
        }
    }
}
