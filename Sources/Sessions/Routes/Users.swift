/// Who is shown to whom on the login page.
struct UserListing: Equatable {
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
    var isGuestAccount: Bool { name.isSpelled("guest") || isGuest }
}
