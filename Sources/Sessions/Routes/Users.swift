import Platform
import JSON

extension Sessions {
    /// `GET /auth/user`
    public func user(_ authenticated: AuthenticatedRequest) -> Answer {
        Answer.json(authenticated.user.json).adding(authenticated.renewal)
    }

    /// `GET /auth/users`
    /// - Parameters:
    ///   - authentication: of who may ask: nobody's, or a user's.
    ///   - simplified: of the query, as sent; nil where it is not in it.
    ///   - waits: for a lock on swingmusic's database.
    /// - Returns: nil where somebody holds that lock.
    public func users(_ authentication: Authentication, simplified: String?, waits: Bool) -> Answer? {
        var isSimplified = false
        if let simplified {
            guard let value = BooleanText.read(simplified) else { return FieldError.answer([.notBoolean("simplified", simplified)]) }
            isSimplified = value
        }
        guard let settings = settings.current() else { return .unavailable }
        let everybody: [User]
        do throws(UserDatabaseError) {
            everybody = try directory.accounts(waits ? .brief : .none).map(\.user)
        } catch {
            return error == .busy && !waits ? nil : .unavailable
        }
        let listing = UserListing.decide(
            everybody: everybody, caller: authentication.user?.user, listsUsersOnLogin: settings.listsUsersOnLogin)
        let users = listing.users.map { isSimplified ? $0.simplifiedJSON : $0.json }
        guard !users.contains(nil) else { return .message("A user has no first name", status: 422) }
        return .json(
            .object([JSONMember("settings", .object(listing.settings)), JSONMember("users", .array(users.compactMap(\.self)))]))
    }

    /// Why a request that makes the first admin may not pass: it may as long as swingmusic has none. Where that cannot be told it may not.
    /// - Parameter waits: for a lock on swingmusic's database.
    /// - Returns: nil in `refused` for one that may; nil where somebody holds that lock.
    public func refusalOfFirstAdmin(waits: Bool) -> (refused: Refused?, isKnown: Bool) {
        do throws(UserDatabaseError) {
            // The extended version speaks of an owner.
            let hasAdmin = try directory.accounts(waits ? .brief : .none).contains { $0.user.isAdmin || $0.user.roles.contains("owner") }
            return (hasAdmin ? Refused(status: 403, message: "There is an admin already") : nil, true)
        } catch {
            return (.unavailable, error != .busy || waits)
        }
    }
}

/// Who is shown to whom on the login page.
private struct UserListing: Equatable {
    var users: [User]
    /// For admins.
    var settings: [JSONMember]

    /// - Parameter caller: nil for an anonymous one.
    static func decide(everybody: [User], caller: User?, listsUsersOnLogin: Bool) -> UserListing {
        guard caller?.isAdmin ?? true else { return UserListing(users: [], settings: []) }
        let guest = everybody.first { $0.isGuestAccount }
        let shown = listsUsersOnLogin ? everybody : [guest].compactMap(\.self)
        var settings: [JSONMember] = []
        if caller != nil {
            settings = [JSONMember("enableGuest", .bool(guest != nil)), JSONMember("usersOnLogin", .bool(listsUsersOnLogin))]
        }
        return UserListing(users: ordered(shown, caller: caller), settings: settings)
    }

    /// Highest id first, then admins to the front, then the caller before all.
    private static func ordered(_ users: [User], caller: User?) -> [User] {
        let newestFirst = users.sorted { $0.id > $1.id }
        let adminsFirst = newestFirst.filter(\.isAdmin) + newestFirst.filter { !$0.isAdmin }
        return adminsFirst.filter { $0.id == caller?.id } + adminsFirst.filter { $0.id != caller?.id }
    }
}

extension User {
    /// The account that swingmusic makes for guests.
    public var isGuestAccount: Bool { name.isSpelled("guest") || isGuest }

    /// The body of `/auth/user`.
    var json: JSONValue {
        .object([
            JSONMember("extra", extraValue), JSONMember("id", .integer(id)), JSONMember("image", image.map(JSONValue.string) ?? .null),
            JSONMember("roles", rolesValue), JSONMember("username", .string(name)),
        ])
    }

    /// With the first name alone; nil where swingmusic fails: extra without one.
    var simplifiedJSON: JSONValue? {
        let firstName: JSONValue
        if extraValue.isTruthy {
            guard let name = extraValue["firstname"] else { return nil }
            firstName = name
        } else {
            firstName = .string("")
        }
        return .object([JSONMember("firstname", firstName), JSONMember("id", .integer(id)), JSONMember("username", .string(name))])
    }
}

/// A boolean of a query, as pydantic reads it.
private enum BooleanText {
    static func read(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "1", "true", "t", "yes", "y", "on": true
        case "0", "false", "f", "no", "n", "off": false
        default: nil
        }
    }
}
