import Platform

/// Who a request comes from. There is this one answer, and all routes work with it.
public enum Authentication: Sendable {
    case authenticated(Principal)
    /// A credential that is not good, or a request that is not admissible.
    case refused(Refused)
    /// No credential at all, with the refusal for routes that need one.
    case anonymous(Refused)
    /// It cannot be said here: `sessions.db` has to be written first, or waited for.
    case needsWrite(PendingAuthentication)
}

/// Whose a good credential is.
public enum Principal: Sendable {
    case user(AuthenticatedRequest)
    /// A user whom somebody else has found out, and we believe: on a host without sessions. The sessions never say so.
    case named(NamedUser)
    /// Who has the admin token of our settings. The sessions know nothing of that one, and never say so.
    case administrator
    /// A client key's, by its number in `sessions.db`. It is nobody's session.
    case client(Int64)

    /// A user who is no admin.
    public var isOrdinaryUser: Bool {
        switch self {
        case .user(let request): !request.user.isAdmin
        case .named(let user): !user.isAdmin
        case .administrator, .client: false
        }
    }
}

/// A user in the words of `/auth/verify`.
public struct NamedUser: Sendable, Equatable {
    public let id: Int64
    public let isAdmin: Bool

    /// nil for what no answer of `/auth/verify` says.
    /// - Parameters:
    ///   - id: of `X-Swingmusic-User-Id`: a number in decimal digits.
    ///   - roles: of `X-Swingmusic-Roles`, one text: by comma, each percent-encoded.
    public init?(id: String, roles: [String]) {
        guard id.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int64(id), roles.count <= 1 else { return nil }
        self.id = number
        // What swingmusic calls its admins has nothing in it to encode.
        isAdmin = roles.first?.split(separator: ",").contains("admin") ?? false
    }
}

extension Authentication {
    /// The user whose session it is; nil for everybody else.
    public var user: AuthenticatedRequest? { if case .authenticated(.user(let request)) = self { request } else { nil } }

    /// Of the user, whoever has found out who it is; nil for everybody else.
    public var userID: Int64? {
        switch self {
        case .authenticated(.user(let request)): request.user.id
        case .authenticated(.named(let user)): user.id
        case .authenticated, .refused, .anonymous, .needsWrite: nil
        }
    }

    /// The refusal for routes that need a user, or the user.
    func signedIn() throws(Refused) -> AuthenticatedRequest {
        switch self {
        case .authenticated(.user(let request)): return request
        case .refused(let refused), .anonymous(let refused): throw refused
        case .authenticated(.client): throw .misplacedClientToken
        case .authenticated(.administrator), .authenticated(.named), .needsWrite: throw .unavailable
        }
    }
}

/// A request whose token is good, and whose it is.
public final class AuthenticatedRequest: Sendable {
    let account: Account
    let token: Token
    let session: KnownSession
    let place: Credential.Place
    let settings: SwingmusicSettings
    /// The value of a `Set-Cookie` that the answer should carry: the renewed token.
    public let renewal: String?

    init(
        account: Account, token: Token, session: KnownSession, place: Credential.Place, settings: SwingmusicSettings, renewal: String? = nil
    ) {
        self.account = account
        self.token = token
        self.session = session
        self.place = place
        self.settings = settings
        self.renewal = renewal
    }

    public var user: User { account.user }

    /// Why it may not pass to where a role is wanted; nil: it may.
    /// - Parameter role: that the user must have; nil: any will do.
    public func refusal(without role: String?) -> Refused? {
        guard let role, !user.roles.contains(where: { $0.isSpelled(role) }) else { return nil }
        return Refused(status: 403, message: "Forbidden")
    }

    /// Names the session to its owner; it is no secret and opens nothing.
    public var sessionID: String { session.id }
}

/// A request of which it cannot be said at once who sends it: the token is seen for the first time, the user's row has changed, the cookie
/// is to be renewed, or somebody holds a lock. A thread that may wait sees to it.
public struct PendingAuthentication: Sendable {
    /// The user of a good token whose cookie is to be renewed: the request may go on without it.
    private let meanwhile: AuthenticatedRequest?
    private let begin: @Sendable (@escaping @Sendable (Authentication) -> Void) -> Void

    init(meanwhile: AuthenticatedRequest?, begin: @escaping @Sendable (@escaping @Sendable (Authentication) -> Void) -> Void) {
        self.meanwhile = meanwhile
        self.begin = begin
    }

    /// How long a caller should be kept for it: a little longer than a lock is waited for, or as long as a cookie is worth.
    public var patience: Duration { meanwhile == nil ? .seconds(6) : .milliseconds(250) }

    /// What counts when that time is over.
    public var fallback: Authentication { meanwhile.map { .authenticated(.user($0)) } ?? .refused(.unavailable) }

    /// Has it found out. Never waits.
    /// - Parameter completion: called once, with another answer than `needsWrite`: at once where too many wait already, else on a thread that
    ///   others wait for.
    public func settle(_ completion: @escaping @Sendable (Authentication) -> Void) { begin(completion) }
}

/// When a cookie that is due to be renewed is handed out.
public enum RenewalDelivery: Sendable {
    /// With this answer, which waits for it.
    case withAnswer
    /// With this answer if it was made already, else with a later one: nothing waits.
    case whenMade
    /// The request does not renew it.
    case never
}
