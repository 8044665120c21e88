import FastCGI
import Sessions

/// Who may use a route. Routes declare it as `access`.
enum Access: Sendable {
    /// Anybody.
    case open
    /// Anybody, or with `SWINGMUSIC_FCGI_METADATA_AUTH=session` users with a session.
    case metadata
    /// A token is not needed; a bad one is refused.
    case optional
    /// A user with a session.
    case session
    /// Who has a refresh token.
    case refresh
    /// The administrator.
    case admin
}

/// Decides who may use the metadata routes and who the administrator's.
struct AccessControl: Sendable {
    let identities: any Authenticator
    /// `SWINGMUSIC_FCGI_METADATA_AUTH` is `session`.
    let metadataNeedsSession: Bool
    let adminToken: Secret?

    /// Who a lookup is charged to and the renewed cookie that is due, or the refusal.
    enum Admission {
        case admitted(client: String, user: Int?, renewal: String?)
        case refused(Response)
    }

    func admitToMetadata(_ request: Request, _ errorFormat: ErrorFormat) -> Admission {
        guard metadataNeedsSession else { return .admitted(client: Self.address(request), user: nil, renewal: nil) }
        return admitUser(request, errorFormat)
    }

    /// Asks for a session whatever the setting says.
    func admitUser(_ request: Request, _ errorFormat: ErrorFormat) -> Admission {
        switch identities.identity(of: request) {
        case .user(let id, _, let renewal): .admitted(client: "user:\(id)", user: id, renewal: renewal)
        case .anonymous: .refused(errorFormat.error(401, "No token provided"))
        case .refused(let status, let message): .refused(Self.refusal(status, message, errorFormat))
        }
    }

    /// nil for the administrator: the admin token as bearer, or a session with the role admin.
    func refuseUnlessAdmin(_ request: Request, _ errorFormat: ErrorFormat) -> Response? {
        if let adminToken, let bearer = Self.bearer(request), adminToken.equals(bearer) { return nil }
        switch identities.identity(of: request) {
        case .user(_, let roles, _): return roles.contains("admin") ? nil : errorFormat.error(403, "Only admins can do that")
        case .anonymous: return errorFormat.error(401, "An admin's session or token is needed")
        case .refused(let status, let message): return Self.refusal(status, message, errorFormat)
        }
    }

    /// A bad token is 401 whatever swingmusic makes of it; that it cannot be checked is not the caller's fault.
    private static func refusal(_ status: Int, _ message: String, _ errorFormat: ErrorFormat) -> Response {
        if status == 503 { return errorFormat.unavailable(message, retryAfter: .seconds(5)) }
        return errorFormat.error(status == 403 ? 403 : 401, message)
    }

    private static func bearer(_ request: Request) -> Substring? {
        guard let header = request.parameter("HTTP_AUTHORIZATION"), header.hasPrefix("Bearer ") else { return nil }
        return header.dropFirst("Bearer ".count)
    }

    private static func address(_ request: Request) -> String { request.parameter("REMOTE_ADDR") ?? "" }
}

extension Response {
    func renewing(_ cookie: String?) -> Response {
        guard let cookie else { return self }
        var response = self
        response.add("Set-Cookie", cookie)
        return response
    }
}

extension Outcome {
    /// The renewed cookie comes with an answer that is there at once. Who is parked gets it next time: the old one is good for days.
    func renewing(_ cookie: String?) -> Outcome {
        guard cookie != nil else { return self }
        switch self {
        case .now(let response): return .now(response.renewing(cookie))
        case .pending(let soon): return .pending(soon.observed { $0.renewing(cookie) })
        case .parked: return self
        }
    }
}

/// Who a request comes from, for the routes that are not about sessions.
enum Identity: Sendable {
    /// - renewal: the value of a `Set-Cookie` with the renewed token, when one is due.
    case user(id: Int, roles: [String], renewal: String? = nil)
    /// No token at all.
    case anonymous
    /// A token that is no good, with swingmusic's status and words for it.
    case refused(status: Int, message: String)
}

/// Tells who a request comes from. Asked on an event thread.
protocol Authenticator: Sendable {
    func identity(of request: Request) -> Identity
}

/// Without swingmusic's folder nobody can be known.
struct NobodyKnown: Authenticator {
    func identity(of request: Request) -> Identity { .anonymous }
}

/// swingmusic's sessions as the other families see them.
struct SessionAuthenticator: Authenticator {
    let sessions: Sessions
    let publicURL: BaseURL?

    func identity(of request: Request) -> Identity {
        let caller = Caller(request, publicURL: publicURL)
        let changes = ![.get, .head, .options].contains(request.method)
        switch sessions.check(caller, changes: changes) {
        case .user(let signedIn): return .user(id: Int(signedIn.user.id), roles: signedIn.user.roles, renewal: signedIn.renewal)
        case .absent: return .anonymous
        case .refused(let refused): return .refused(status: refused.status, message: refused.message)
        }
    }
}

extension Caller {
    /// - Parameter publicURL: `SWINGMUSIC_FCGI_PUBLIC_URL`; without it the request's own host is ours.
    init(_ request: Request, publicURL: BaseURL?) {
        self.init(
            cookies: request.parameters("HTTP_COOKIE"), authorization: request.parameters("HTTP_AUTHORIZATION"),
            address: request.parameter("REMOTE_ADDR") ?? "", userAgent: request.parameter("HTTP_USER_AGENT"),
            origin: request.parameter("HTTP_ORIGIN"), fetchSite: request.parameter("HTTP_SEC_FETCH_SITE"),
            site: publicURL.map { .origin($0.text) } ?? request.parameter("HTTP_HOST").map(OwnSite.host))
    }
}
