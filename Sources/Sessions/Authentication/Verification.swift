import Platform

/// What nginx's `auth_request` is told. It knows 2xx, 401 and 403, and nothing else.
public struct Verification: Sendable, Equatable {
    /// 204, 401 or 403.
    public let status: Int
    public let message: String?
    public let userID: Int64?
    /// Percent-encoded UTF-8.
    public let userName: String?
    /// By comma, each percent-encoded.
    public let roles: String?
    /// The value of a `Set-Cookie`.
    public let cookie: String?

    static func refused(_ refused: Refused, cookie: String? = nil) -> Verification {
        // A fault of ours is no reason to sign in again: 403.
        let status = refused.status == 403 || refused.status >= 500 ? 403 : 401
        return Verification(status: status, message: refused.message, userID: nil, userName: nil, roles: nil, cookie: cookie)
    }

    /// May pass, whoever it is.
    static let passed = Verification(status: 204, message: nil, userID: nil, userName: nil, roles: nil, cookie: nil)
}

extension Sessions {
    /// Whether a request to somewhere else may pass.
    /// - Parameters:
    ///   - method: of the request that is asked about. One that changes something must not come from another site.
    ///   - role: that the user must have.
    public func verify(_ caller: Caller, method: String, role: String?) -> Verification {
        switch check(caller, changes: Self.changes(method)) {
        case .refused(let refused), .absent(let refused): return .refused(refused)
        case .user(let signedIn):
            let user = signedIn.user
            if let role, !user.roles.contains(where: { $0.isSpelled(role) }) {
                return .refused(Refused(status: 403, message: "Forbidden"), cookie: signedIn.renewal)
            }
            return Verification(
                status: 204, message: nil, userID: user.id, userName: PercentEncoding.encode(user.name),
                roles: user.roles.map { PercentEncoding.encode($0) }.joined(separator: ","), cookie: signedIn.renewal)
        }
    }

    /// Whether a request may pass that makes the first admin: as long as swingmusic has none. Where that cannot be told it may not.
    public func verifyFirst() -> Verification {
        guard let accounts = try? directory.accounts() else { return .refused(.unavailable) }
        // The extended version speaks of an owner.
        let hasAdmin = accounts.contains { $0.user.isAdmin || $0.user.roles.contains("owner") }
        return hasAdmin ? .refused(Refused(status: 403, message: "There is an admin already")) : .passed
    }

    /// A request below `/auth/` to what is swingmusic's alone: who has a session goes on to swingmusic, as behind the guard.
    /// - Parameter method: of the request. One that changes something must not come from another site.
    public func handOn(_ caller: Caller, method: String) -> Handing {
        switch check(caller, changes: Self.changes(method)) {
        case .refused(let refused), .absent(let refused): .answer(.refused(refused))
        case .user(let signedIn): .handOn(cookies: [signedIn.renewal].compactMap(\.self))
        }
    }

    private static func changes(_ method: String) -> Bool { !["GET", "HEAD", "OPTIONS"].contains(method) }
}
