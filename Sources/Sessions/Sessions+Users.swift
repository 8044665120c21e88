extension Sessions {
    /// `GET /auth/user`
    public func user(_ caller: Caller) -> Answer {
        signedIn(caller) { .json($0.user.json) }
    }

    /// `GET /auth/users`
    /// - Parameter simplified: of the query, as sent; nil where it is not in it.
    public func users(_ caller: Caller, simplified: String?) -> Answer {
        let presence: Presence?
        switch examine(caller, duplicates: .firstCounts) {
        case .present(let found): presence = found
        case .absent: presence = nil
        case .refused(let refused): return .refused(refused)
        }
        var isSimplified = false
        if let simplified {
            guard let value = BooleanText.read(simplified) else { return FieldError.answer([.notBoolean("simplified", simplified)]) }
            isSimplified = value
        }
        guard let settings = settings.current(), let everybody = try? directory.accounts().map(\.user) else { return .unavailable }
        let listing = UserListing.decide(
            everybody: everybody, caller: presence?.user, listsUsersOnLogin: settings.listsUsersOnLogin)
        let users = listing.users.map { isSimplified ? $0.simplifiedJSON : $0.json }
        guard !users.contains(nil) else { return .message("A user has no first name", status: 422) }
        return .json(
            .object([JSONMember("settings", .object(listing.settings)), JSONMember("users", .array(users.compactMap(\.self)))]))
    }
}
