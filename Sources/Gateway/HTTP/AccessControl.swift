import FastCGI
import Platform
import Sessions

/// Who may use a route. Each route declares it, as `access` in Routes/; requests are held against it by `AccessControl`, below `/auth/` by
/// `AdmittedWork`, of which the route has it.
enum Access: Sendable {
    /// Anybody.
    case open
    /// Anybody, or with `SWINGMUSIC_FCGI_METADATA_AUTH=session` users with a session, or with `nginx` those whom nginx names.
    case metadata
    /// As `metadata`, or who has a client key's token.
    case mirror
    /// A token is not needed; a bad one is refused.
    case optional
    /// A token is not needed; a bad one is as none.
    case permissive
    /// A user with a session.
    case session
    /// Who has a refresh token.
    case refresh
    /// The administrator: the admin token as bearer, or a session with the role admin.
    case admin
    /// The administrator, or who has the token for the caches alone.
    case caches
    /// The administrator, or who has signed in to the status page with the admin token.
    case page
}

/// Holds requests against what their route declares.
struct AccessControl: Sendable {
    let authenticator: any RequestAuthenticator
    /// `SWINGMUSIC_FCGI_METADATA_AUTH` is `session`, or `nginx`.
    let metadataNeedsSession: Bool
    let adminToken: Secret?
    /// `SWINGMUSIC_FCGI_CACHE_TOKEN`.
    var cacheToken: Secret?
    /// nil: wrong guesses of the two are not counted.
    var guessLimit: GuessLimit?
    /// nil: nobody signs in to the status page with the admin token.
    var adminSessions: AdminSessions?
    var security: SecurityLog?
    /// `SPOTIFY_PRIVATE_PLAYLISTS`; nil: nobody.
    var privatePlaylists: Settings.PrivatePlaylists?

    /// Whether a request may use a route, and whose it is as far as the route asks. Never waits.
    /// - Parameter known: what was found out of it meanwhile.
    /// - Returns: `anonymous` for anybody who may use a route that is open; `refused` for who may not use it, whoever it is.
    func admit(_ request: Request, to access: Access, known: Authentication? = nil) -> Authentication {
        switch access {
        case .metadata where metadataNeedsSession: return admitUser(request, known)
        case .mirror where metadataNeedsSession: return admitUser(request, known, takesClients: true)
        case .open, .metadata, .mirror: return Self.anybody
        // The other three are for routes below /auth/ alone. Elsewhere they ask for a session.
        case .session, .optional, .permissive, .refresh: return admitUser(request, known)
        case .admin: return admitAdmin(request, known, isForCaches: false)
        case .caches: return admitAdmin(request, known, isForCaches: true)
        case .page:
            if adminSessions?.session(of: request) != nil { return .authenticated(.administrator) }
            return admitAdmin(request, known, isForCaches: false)
        }
    }

    /// Whether who asks may see what the connected account's owner keeps from others: a user who has signed in, never a client by its key, nor
    /// the guest, whom nobody knows.
    func showsPrivate(to authentication: Authentication) -> Bool {
        switch privatePlaylists {
        case nil: false
        case .users: authentication.user.map { !$0.user.isGuestAccount } ?? false
        case .admin: authentication.user?.user.isAdmin ?? false
        }
    }

    private static let anybody = Authentication.anonymous(Refused(status: 401, message: "No token provided"))

    private func admitUser(_ request: Request, _ known: Authentication?, takesClients: Bool = false) -> Authentication {
        let authentication = known ?? authenticator.authenticate(request, takesClients: takesClients)
        if case .anonymous = authentication { return .refused(Refused(status: 401, message: "No token provided")) }
        return authentication
    }

    private func admitAdmin(_ request: Request, _ known: Authentication?, isForCaches: Bool) -> Authentication {
        if known == nil, adminToken != nil || cacheToken != nil, let bearer = Self.bearer(request), !isOtherToken(bearer) {
            let address = request.parameter("REMOTE_ADDR") ?? ""
            if let refused = guessedTooOften(address) { return .refused(refused) }
            if adminToken?.equals(bearer) == true { return .authenticated(.administrator) }
            // Where it does not open anything it is no guess either.
            if cacheToken?.equals(bearer) == true {
                return isForCaches
                    ? .authenticated(.administrator) : .refused(Refused(status: 403, message: "This token is for the caches alone"))
            }
            guessLimit?.noteWrong(address: address)
            security?.note(.tokenRefused, from: address)
        }
        let authentication = known ?? authenticator.authenticate(request, takesClients: false)
        switch authentication {
        case .authenticated(let somebody) where somebody.isOrdinaryUser:
            return .refused(Refused(status: 403, message: "Only admins can do that"))
        case .anonymous: return .refused(Refused(status: 401, message: "An admin's session or token is needed"))
        case .authenticated, .refused, .needsWrite: return authentication
        }
    }

    /// The right one waits, too: else the answer would tell which it is.
    private func guessedTooOften(_ address: String) -> Refused? {
        guessLimit?.wait(address: address).map {
            Refused(status: 429, message: "Too many wrong admin tokens from this address", retryAfter: $0)
        }
    }

    /// Why a text that somebody gave for the admin token is not taken for it; nil: it is it. Counted as a guess.
    func refusal(ofToken text: String, from address: String) -> Refused? {
        if let refused = guessedTooOften(address) { return refused }
        if adminToken?.equals(text) == true { return nil }
        guessLimit?.noteWrong(address: address)
        security?.note(.tokenRefused, from: address)
        return Refused(status: 401, message: "That is not the admin token")
    }

    /// A bad token is 401 whatever swingmusic makes of it; that it cannot be checked is not the caller's fault.
    /// - Parameter wanted: which token is wanted; said with a 401.
    static func refusal(_ refused: Refused, _ errorFormat: ErrorFormat, wanted: @autoclosure () -> String? = nil) -> Response {
        if let seconds = refused.retryAfter {
            return errorFormat.unavailable(
                refused.message, refused.status == 429 ? .guesses : .sessions, retryAfter: .seconds(seconds), status: refused.status)
        }
        if refused.status == 403 { return errorFormat.error(403, refused.message) }
        return errorFormat.error(401, wanted().map { "\($0) (\(refused.message))" } ?? refused.message)
    }

    /// swingmusic's tokens are no guesses at this one: they are signed. Nor are client keys'. Where this one looks like them, all are guesses.
    private func isOtherToken(_ bearer: Substring) -> Bool {
        adminToken?.hasFormOfToken != true && cacheToken?.hasFormOfToken != true && Secret(String(bearer)).hasFormOfToken
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

extension Authentication {
    /// Who a lookup is charged to.
    func client(_ request: Request) -> String {
        switch self {
        case .authenticated(.user(let authenticated)): "user:\(authenticated.user.id)"
        case .authenticated(.named(let user)): "user:\(user.id)"
        case .authenticated(.administrator): ""
        case .authenticated(.client(let number)): "key:\(number)"
        case .anonymous, .refused, .needsWrite: request.parameter("REMOTE_ADDR") ?? ""
        }
    }
}

extension PendingAuthentication {
    /// Parks a request until it is known whose it is.
    /// - Parameters:
    ///   - otherwise: the answer where that comes to nothing in time, and `proceed` has none at once.
    ///   - proceed: what the request goes on with, made on an event thread.
    func parked(otherwise: Response, _ proceed: @escaping @Sendable (Authentication) -> Outcome) -> Outcome {
        let fallback = fallback
        return .parked(
            ParkedRequest(
                deadline: SystemClock().monotonic + patience,
                parked: { reply in settle { authentication in reply.goOn { proceed(authentication) } } },
                ended: { ending in
                    guard ending != .clientLeft, case .now(let response) = proceed(fallback) else { return otherwise }
                    return response
                }))
    }
}

/// Tells who a request comes from. Asked on an event thread.
protocol RequestAuthenticator: Sendable {
    /// - Parameter takesClients: whether a client key's token will do.
    func authenticate(_ request: Request, takesClients: Bool) -> Authentication
}

/// Without swingmusic's folder nobody can be known.
struct NobodyKnown: RequestAuthenticator {
    func authenticate(_ request: Request, takesClients: Bool) -> Authentication {
        .anonymous(Refused(status: 401, message: "No token provided"))
    }
}

/// Users as nginx names them, which has asked the host with swingmusic's folder (`auth_request`). nginx sets these parameters itself; what a
/// caller sends comes under names with HTTP_ before them and so never as one of these. By TCP anybody could: there they are not believed.
struct NginxAuthenticator: RequestAuthenticator {
    private static let refusedByTCP = Refused(status: 401, message: "Users are named by nginx over the Unix socket alone")
    private static let unsaid = Refused(status: 401, message: "nginx does not say who asks: SWINGMUSIC_USER_ID is not set in this location")
    private static let unreadable = Refused(status: 401, message: "What nginx says of the user cannot be read")

    func authenticate(_ request: Request, takesClients: Bool) -> Authentication {
        if request.cameByTCP { return .refused(Self.refusedByTCP) }
        let ids = request.parameters("SWINGMUSIC_USER_ID")
        if ids.isEmpty { return .refused(Self.unsaid) }
        if ids.allSatisfy(\.isEmpty) { return .anonymous(Refused(status: 401, message: "No token provided")) }
        // Twice is once too often: some location sets it beside the include files.
        guard ids.count == 1, let user = NamedUser(id: ids[0], roles: request.parameters("SWINGMUSIC_USER_ROLES")) else {
            return .refused(Self.unreadable)
        }
        return .authenticated(.named(user))
    }
}

/// swingmusic's sessions as the other families see them.
struct SessionAuthenticator: RequestAuthenticator {
    let sessions: Sessions
    let publicURL: BaseURL?

    /// What is answered from memory does not wait for a cookie.
    func authenticate(_ request: Request, takesClients: Bool) -> Authentication {
        let caller = Caller(request, publicURL: publicURL, letsForeignOrigins: sessions.namesForeignOrigins)
        if takesClients, !request.changesSomething { return sessions.authenticateReader(caller) }
        return sessions.authenticate(caller, changes: request.changesSomething, renewal: .whenMade)
    }
}

extension Request {
    /// A page of another site must not have sent it with a user's cookie.
    var changesSomething: Bool {
        switch method {
        case .get, .head, .options: false
        case .post, .put, .delete, .patch, .other: true
        }
    }

    /// How a browser came, if a server on the way says so. Where TLS ends at a proxy before nginx, nginx knows it from that proxy alone;
    /// browsers let no page send the header to another origin.
    var scheme: String? {
        let forwarded = (parameter("HTTP_X_FORWARDED_PROTO") ?? "").split(separator: ",").first.map(String.init)
        let scheme = (forwarded ?? parameter("REQUEST_SCHEME") ?? "").lowercased().filter { $0 != " " }
        return ["http", "https"].contains(scheme) ? scheme : nil
    }
}

extension Request {
    /// Whether a browser came by HTTPS, as the servers on the way say. Where TLS ends at a proxy before nginx, nginx knows it from that proxy
    /// alone; who says so without one makes a cookie of their own useless, and nobody else's.
    fileprivate var cameByHTTPS: Bool {
        func isHTTPS(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
            text.count == 5 && String(decoding: text, as: UTF8.self).lowercased() == "https"
        }
        if withParameter("REQUEST_SCHEME", isHTTPS) ?? false { return true }
        return withParameter("HTTP_X_FORWARDED_PROTO") { list in
            isHTTPS(UnsafeBufferPointer(rebasing: list.prefix { $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: " ") }))
        } ?? false
    }
}

extension Caller {
    /// - Parameters:
    ///   - publicURL: `SWINGMUSIC_FCGI_PUBLIC_URL`; without it the request's own host is ours.
    ///   - letsForeignOrigins: whether pages of other origins may use a user's cookie.
    init(_ request: Request, publicURL: BaseURL?, letsForeignOrigins: Bool) {
        let isSecure = publicURL?.text.hasPrefix("https:") ?? false || request.cameByHTTPS
        self.init(
            cookies: request.parameters("HTTP_COOKIE"), authorization: request.parameters("HTTP_AUTHORIZATION"),
            address: request.parameter("REMOTE_ADDR") ?? "", userAgent: request.parameter("HTTP_USER_AGENT"),
            origin: request.parameter("HTTP_ORIGIN"), fetchSite: request.parameter("HTTP_SEC_FETCH_SITE"),
            site: publicURL.map { .origin($0.text) } ?? request.parameter("HTTP_HOST").map(OwnSite.host),
            reach: !isSecure ? .unsaid : letsForeignOrigins ? .foreign : .own)
    }
}
