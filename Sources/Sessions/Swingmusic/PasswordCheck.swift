/// Whether a password is a user's, as swingmusic decides it: the legacy salt first, then the present one.
enum PasswordCheck: Equatable {
    case wrong
    case right
    /// Right under the legacy salt: the row should hold this hash from now on.
    case outdated(newHash: String)

    static func decide(
        password: String, stored: String, salt: String, legacySalt: String?, hash: (_ password: String, _ salt: String) -> String?
    ) -> PasswordCheck {
        if let legacySalt, let legacy = hash(password, legacySalt), PasswordHash.isSame(legacy, stored) {
            guard let new = hash(password, salt) else { return .right }
            return PasswordHash.isSame(new, stored) ? .right : .outdated(newHash: new)
        }
        guard let present = hash(password, salt) else { return .wrong }
        return PasswordHash.isSame(present, stored) ? .right : .wrong
    }
}
