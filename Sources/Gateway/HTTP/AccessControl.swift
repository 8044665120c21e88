import FastCGI
import Sessions

/// Who may use a route. Each route declares it, as `access` in Routes/; requests are held against it by `AccessControl`, below `/auth/` by
/// the sessions themselves.
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
    /// The administrator: the admin token as bearer, or a session with the role admin.
    case admin
    /// The administrator, or who has the token for the caches alone.
    case caches
}

/// Holds requests against what their route declares.
struct AccessControl: Sendable {
    let identities: any RequestAuthenticator
    /// `SWINGMUSIC_FCGI_METADATA_AUTH` is `session`.
    let metadataNeedsSession: Bool
    let adminToken: Secret?
    /// `SWINGMUSIC_FCGI_CACHE_TOKEN`.
    var cacheToken: Secret?
    /// nil: wrong guesses of the two are not counted.
    var guessLimit: GuessLimit?

    /// Who a lookup is charged to and the renewed cookie that is due, or the refusal.
    enum Admission {
        case admitted(client: String, user: Int?, renewal: String?)
        case refused(Response)
    }

    func admit(_ request: Request, to access: Access, _ errorFormat: ErrorFormat) -> Admission {
        switch access {
        case .metadata where metadataNeedsSession: return admitUser(request, errorFormat)
        case .open, .metadata: return .admitted(client: request.parameter("REMOTE_ADDR") ?? "", user: nil, renewal: nil)
        // The other two are for routes below /auth/ alone. Elsewhere they ask for a session.
        case .session, .optional, .refresh: return admitUser(request, errorFormat)
        case .admin: return admitAdmin(request, errorFormat, isForCaches: false)
        case .caches: return admitAdmin(request, errorFormat, isForCaches: true)
        }
    }

    /// The refusal of who may not use a route; nil for who may.
    func refusal(of request: Request, at access: Access, _ errorFormat: ErrorFormat) -> Response? {
        if case .refused(let response) = admit(request, to: access, errorFormat) { response } else { nil }
    }

    private func admitUser(_ request: Request, _ errorFormat: ErrorFormat) -> Admission {
        switch identities.identity(of: request) {
        case .user(let id, _, let renewal): .admitted(client: "user:\(id)", user: id, renewal: renewal)
        case .anonymous: .refused(errorFormat.error(401, "No token provided"))
        case .refused(let status, let message): .refused(Self.refusal(status, message, errorFormat))
        }
    }

    private func admitAdmin(_ request: Request, _ errorFormat: ErrorFormat, isForCaches: Bool) -> Admission {
        if adminToken != nil || cacheToken != nil, let bearer = Self.bearer(request), !isSessionToken(bearer) {
            let address = request.parameter("REMOTE_ADDR") ?? ""
            // The right one waits, too: else the answer would tell which it is.
            if let wait = guessLimit?.wait(address: address) { return .refused(Self.tooMany(wait, errorFormat)) }
            if adminToken?.equals(bearer) == true { return .admitted(client: "", user: nil, renewal: nil) }
            // Where it does not open anything it is no guess either.
            if cacheToken?.equals(bearer) == true {
                return isForCaches
                    ? .admitted(client: "", user: nil, renewal: nil)
                    : .refused(errorFormat.error(403, "This token is for the caches alone"))
            }
            guessLimit?.noteWrong(address: address)
        }
        switch identities.identity(of: request) {
        case .user(let id, let roles, let renewal) where roles.contains("admin"):
            return .admitted(client: "user:\(id)", user: id, renewal: renewal)
        case .user: return .refused(errorFormat.error(403, "Only admins can do that"))
        case .anonymous: return .refused(errorFormat.error(401, "An admin's session or token is needed"))
        case .refused(let status, let message): return .refused(Self.refusal(status, message, errorFormat))
        }
    }

    /// A bad token is 401 whatever swingmusic makes of it; that it cannot be checked is not the caller's fault.
    private static func refusal(_ status: Int, _ message: String, _ errorFormat: ErrorFormat) -> Response {
        if status == 503 { return errorFormat.unavailable(message, retryAfter: .seconds(5)) }
        return errorFormat.error(status == 403 ? 403 : 401, message)
    }

    /// swingmusic's tokens are no guesses at this one: they are signed. Where this one looks like them, all are guesses.
    private func isSessionToken(_ bearer: Substring) -> Bool {
        adminToken?.hasFormOfToken != true && cacheToken?.hasFormOfToken != true && Secret(String(bearer)).hasFormOfToken
    }

    private static func tooMany(_ seconds: Int, _ errorFormat: ErrorFormat) -> Response {
        errorFormat.unavailable("Too many wrong admin tokens from this address", retryAfter: .seconds(seconds), status: 429)
    }

    private static func bearer(_ request: Request) -> Substring? {
        guard let header = request.parameter("HTTP_AUTHORIZATION"), header.hasPrefix("Bearer ") else { return nil }
        return header.dropFirst("Bearer ".count)
    }
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
protocol RequestAuthenticator: Sendable {
    func identity(of request: Request) -> Identity
}

/// Without swingmusic's folder nobody can be known.
struct NobodyKnown: RequestAuthenticator {
    func identity(of request: Request) -> Identity { .anonymous }
}

/// swingmusic's sessions as the other families see them.
struct SessionAuthenticator: RequestAuthenticator {
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
