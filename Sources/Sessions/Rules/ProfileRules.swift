/// What may be changed about whom: swingmusic's own rules in its order, and those that close what it leaves open.
enum ProfileRules {
    private static func refuse(_ status: Int, _ message: String) -> Refused { Refused(status: status, message: message) }

    static let nameTaken = refuse(400, "Username already exists")
    static let fieldsRequired = refuse(400, "Username and password are required")

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
