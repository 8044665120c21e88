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
}

extension Sessions {
    /// Whether a request to somewhere else may pass.
    /// - Parameters:
    ///   - method: of the request that is asked about. One that changes something must not come from another site.
    ///   - role: that the user must have.
    public func verify(_ caller: Caller, method: String, role: String?) -> Verification {
        switch check(caller, changes: !["GET", "HEAD", "OPTIONS"].contains(method)) {
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
}
