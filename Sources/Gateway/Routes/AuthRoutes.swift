import FastCGI
import Platform
import Sessions

/// `/auth/...`: swingmusic's session routes, and those by which sessions are seen, ended and asked about.
struct AuthRoutes: RouteFamily {
    /// nil without `SWINGMUSIC_CONFIG_DIR`.
    let sessions: Sessions?
    let blockingWorker: BlockingWorker
    let publicURL: BaseURL?
    let errorFormat = ErrorFormat.swingmusic

    /// How long a login may wait for its turn to be hashed.
    private static let loginWait = Duration.seconds(30)

    func bodyPolicy(_ routed: RoutedRequest) -> BodyPolicy {
        // nginx asks with the length of another request's body; and what is handed on nobody reads here.
        routed.rest == "verify" || AuthRoute.isForeign(routed.rest) ? .ignore : .read(limit: 65_536)
    }

    /// swingmusic lets any page read. Here pages that are not the user's read without the user's cookie.
    /// nginx asks `verify` about another request, a preflight perhaps: what lets that pass must not come from its own headers.
    /// The page of one's devices is for nobody else's scripts: what is in it proves that a form is of that page.
    func readers(_ routed: RoutedRequest) -> CrossOrigin.Readers {
        routed.rest == "verify" || routed.rest == "devices" ? .nobody : .anyone
    }

    func answer(_ routed: RoutedRequest) -> Outcome {
        let request = routed.request
        guard let sessions else { return .now(withoutSessions(routed)) }
        let caller = Caller(request, publicURL: publicURL)
        if routed.rest == "verify" { return verify(sessions, caller, routed) }
        let style = AuthResponse(isHead: request.method == .head)
        if let status = request.parameter("HANDED_ON_STATUS") { return handedBack(request, sessions, style, status) }
        if request.method == .options { return .now(style.options()) }
        switch AuthRoute.match(routed.rest, request.method) {
        case .route(let route) where route.endsSessions(request.method) && RawPath(request)?.isAs(compared: request) == false:
            // An id with dots and slashes in it must not become another route.
            return .now(style.dressed(errorFormat.error(400, "The path has escapes, dots or slashes that change what it names")))
        case .route(let route): return outcome(route, routed, sessions, caller, style)
        case .foreign:
            let handing = sessions.handOn(caller, method: request.parameter("REQUEST_METHOD") ?? "")
            guard case .handOn = handing else { return .now(style.response(handing)) }
            return pass(style.response(handing), sessions, caller, request)
        case .notFound: return .now(unmatched(style, sessions, caller, routed, errorFormat.error(404, "Not found")))
        case .methodNotAllowed(let allowed):
            return .now(unmatched(style, sessions, caller, routed, errorFormat.methodNotAllowed(allowed)))
        }
    }

    private func verify(_ sessions: Sessions, _ caller: Caller, _ routed: RoutedRequest) -> Outcome {
        let method = routed.request.parameter("REQUEST_METHOD") ?? ""
        // Asked a thousand times a second, and nearly always without a query.
        let hasQuery = routed.request.withParameter("QUERY_STRING") { !$0.isEmpty } ?? false
        if hasQuery, routed.query["first"] != nil { return .now(AuthResponse.verification(sessions.verifyFirst())) }
        let verification = sessions.verify(caller, method: method, role: hasQuery ? routed.query["role"] : nil)
        let response = AuthResponse.verification(verification)
        guard verification.status == 204 else { return .now(response) }
        return pass(response, sessions, caller, routed.request)
    }

    /// Lets a request go on to a server behind the guard. The extended version of swingmusic has a path at which one sets one's own
    /// password: to what cannot be seen here, so that it happens is noted first.
    private func pass(_ response: Response, _ sessions: Sessions, _ caller: Caller, _ request: Request) -> Outcome {
        switch request.method {
        case .get, .head, .options: return .now(response)
        default:
            let changesPassword = request.withParameter("REQUEST_URI") { uri in
                uri.prefix { $0 != UInt8(ascii: "?") }.elementsEqual("/auth/password/change".utf8)
            }
            guard changesPassword ?? false else { return .now(response) }
            return blockingWorker.run(errorFormat, busy: response) {
                sessions.expectPasswordChange(caller)
                return response
            }
        }
    }

    /// What only reads is answered at once; what writes to disk is done on the errands' thread, what hashes on the login thread.
    private func outcome(_ route: AuthRoute, _ routed: RoutedRequest, _ sessions: Sessions, _ caller: Caller, _ style: AuthResponse)
        -> Outcome
    {
        let (isDeleting, isPosting) = (routed.request.method == .delete, routed.request.method == .post)
        let query = routed.query
        let body = FormBody(routed.request)
        switch route {
        case .verify: return .now(errorFormat.error(404, "Not found"))
        case .user: return .now(style.response(sessions.user(caller)))
        case .users: return .now(style.response(sessions.users(caller, simplified: query["simplified"])))
        case .login: return park(style) { finish in sessions.login(body, caller) { finish(style.response($0)) }.map(style.response) }
        case .updateProfile:
            return hand(routed, style) { request, finish in sessions.updateProfile(body, caller, as: request, completion: finish)
            }
        case .refresh: return errand(style) { sessions.refresh(caller) }
        case .pairCode: return errand(style) { sessions.pairCode(caller) }
        case .pair:
            let code = query["code"]
            return errand(style) { sessions.pair(caller, code: code) }
        case .logout: return errand(style) { sessions.logout(caller) }
        case .sessions where isDeleting: return errand(style) { sessions.endOthers(caller) }
        case .sessions:
            let user = query["user"]
            return errand(style) { sessions.list(caller, user: user) }
        case .session(let id): return errand(style) { sessions.end(caller, session: id) }
        case .devices where isPosting:
            let (form, scheme) = (DeviceForm(body), Self.scheme(routed.request))
            return page(style) { sessions.changeDevices(form.change, proof: form.proof, caller, scheme: scheme) }
        case .devices: return page(style) { sessions.devices(caller) }
        case .createUser: return hand(routed, style) { request, _ in sessions.createUser(body, caller, as: request) }
        case .createGuest: return hand(routed, style) { request, _ in sessions.createGuest(body, caller, as: request) }
        case .deleteUser: return hand(routed, style) { _, _ in sessions.deleteUser(body, caller) }
        }
    }

    private func page(_ style: AuthResponse, _ work: @escaping @Sendable () -> (outcome: DeviceOutcome, cookie: String?)) -> Outcome {
        blockingWorker.run(errorFormat) {
            let (outcome, cookie) = work()
            return style.dressed(DevicesPage.response(outcome), cookies: [cookie].compactMap(\.self))
        }
    }

    /// How a browser came, if a server on the way says so. Where TLS ends at a proxy before nginx, nginx knows it from that proxy alone;
    /// browsers let no page send the header to another origin.
    private static func scheme(_ request: Request) -> String? {
        let forwarded = (request.parameter("HTTP_X_FORWARDED_PROTO") ?? "").split(separator: ",").first.map(String.init)
        let scheme = (forwarded ?? request.parameter("REQUEST_SCHEME") ?? "").lowercased().filter { $0 != " " }
        return ["http", "https"].contains(scheme) ? scheme : nil
    }

    /// nginx comes back with the same request when swingmusic did not answer it (`@swingmusic_profile_away` in sessions.conf).
    private func handedBack(_ request: Request, _ sessions: Sessions, _ style: AuthResponse, _ status: String) -> Outcome {
        let name = request.parameter("REQUEST_ID") ?? ""
        return blockingWorker.run(errorFormat) {
            sessions.handingFailed(name)
            return style.away(status: status == "504" ? 504 : 502)
        }
    }

    /// What swingmusic carries out if `attempt` says so.
    /// - Parameter attempt: given a name for the request, and what to call where it answers nil; attempted again for as long as another
    ///   request may come to nothing.
    private func hand(
        _ routed: RoutedRequest, _ style: AuthResponse,
        _ attempt: @escaping @Sendable (_ request: String, _ finish: @escaping @Sendable (Handing) -> Void) -> Handing?
    ) -> Outcome {
        let name = routed.request.parameter("REQUEST_ID") ?? ""
        let request = name.isEmpty ? Sessions.nameForRequest() : name
        return blockingWorker.attempt(errorFormat, patience: Self.loginWait) { isLast, answer in
            guard let handing = attempt(request, { answer(style.response($0)) }) else { return .handedOver }
            if case .contested = handing, !isLast { return .again }
            return .done(style.response(handing))
        }
    }

    private func errand(_ style: AuthResponse, _ work: @escaping @Sendable () -> Answer) -> Outcome {
        blockingWorker.run(errorFormat) { style.response(work()) }
    }

    /// - Parameter begin: answers at once, or takes the closure and answers with it later.
    private func park(_ style: AuthResponse, _ begin: @escaping @Sendable (@escaping @Sendable (Response) -> Void) -> Response?) -> Outcome
    {
        let busy = style.response(.message("The server is busy", status: 503, retryAfter: 3))
        return .parked(
            ParkedRequest(
                deadline: SystemClock().monotonic + Self.loginWait,
                parked: { reply in
                    if let response = begin({ reply.send($0) }) { reply.send(response) }
                },
                ended: { _ in busy }))
    }

    /// Before a path or method that is none, swingmusic asks for a token.
    private func unmatched(_ style: AuthResponse, _ sessions: Sessions, _ caller: Caller, _ routed: RoutedRequest, _ response: Response)
        -> Response
    {
        guard !AuthRoute.isExempt(routed.rest) else { return style.dressed(response) }
        let answer = sessions.user(caller)
        guard answer.status == 200 else { return style.response(answer) }
        return style.dressed(response, cookies: answer.cookies)
    }

    private func withoutSessions(_ routed: RoutedRequest) -> Response {
        if routed.rest == "verify" { return errorFormat.error(403, "Sessions are not set up") }
        return errorFormat.unavailable("Sessions are not set up", retryAfter: .seconds(60))
    }
}

/// The routes below `/auth/`.
enum AuthRoute: Equatable {
    case login, user, users, refresh, pairCode, pair, logout
    case verify
    case sessions
    case session(String)
    case devices
    case updateProfile, createUser, createGuest, deleteUser

    /// As `Sessions` sees to it.
    var access: Access {
        switch self {
        case .login: .open
        case .logout, .users, .pair, .createUser: .optional
        case .refresh: .refresh
        case .user, .pairCode, .verify, .sessions, .session, .devices, .updateProfile, .createGuest, .deleteUser: .session
        }
    }

    /// What swingmusic says to a path and a method.
    enum Match: Equatable {
        case route(AuthRoute)
        case notFound
        case methodNotAllowed(allowed: String)
        /// A path that is swingmusic's alone: the extended version has some.
        case foreign
    }

    /// - Parameter path: what follows `/auth/`.
    static func match(_ path: Substring, _ method: Method) -> Match {
        let routes = routes(path)
        if let found = routes.first(where: { $0.method == method || ($0.method == .get && method == .head) }) { return .route(found.route) }
        if isForeign(path) { return .foreign }
        // A GET that no route takes falls to swingmusic's file route, which has no such file.
        if routes.isEmpty || method == .get || method == .head { return .notFound }
        return .methodNotAllowed(allowed: allowed(routes.map(\.method)))
    }

    /// Whether a path is none of ours, in any spelling that somebody could take for one of ours: swingmusic has these routes as well, and
    /// with other rules. So nothing that it might read as `login` is handed on.
    static func isForeign(_ path: Substring) -> Bool { routes(path).isEmpty && routes(plainest(path)[...]).isEmpty }

    /// The path as the most careless reader would see it: decoded once more, in lower case, with empty and dotted parts resolved, without
    /// what would be a query or a fragment, without what follows a semicolon, without spaces and control characters.
    private static func plainest(_ sent: Substring) -> String {
        let decoded = PercentEncoding.bytes(sent.utf8) ?? Array(sent.utf8)
        let text = String(decoding: decoded.filter { $0 > 0x20 && $0 != 0x7f }, as: UTF8.self).lowercased().replacing("\\", with: "/")
        var parts: [Substring] = []
        let path = text.prefix { $0 != "?" && $0 != "#" }
        for part in path.split(separator: "/").map({ $0.prefix { $0 != ";" } }) where !part.isEmpty && part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return parts.joined(separator: "/")
    }

    /// Whether a request to this path is answered without a token having been looked at first.
    static func isExempt(_ path: Substring) -> Bool {
        ["login", "users", "pair", "logout", "refresh", "profile/create"].contains(where: path.hasPrefix)
    }

    /// Whether sessions end by that method, and the path has a text in it that says which.
    func endsSessions(_ method: Method) -> Bool {
        switch self {
        case .sessions, .session: method == .delete
        default: false
        }
    }

    private static func routes(_ path: Substring) -> [(method: Method, route: AuthRoute)] {
        switch path {
        case "login": [(.post, .login)]
        case "user": [(.get, .user)]
        case "users": [(.get, .users)]
        case "refresh": [(.post, .refresh)]
        case "getpaircode": [(.get, .pairCode)]
        case "pair": [(.get, .pair)]
        case "logout": [(.get, .logout)]
        case "sessions": [(.get, .sessions), (.delete, .sessions)]
        case "devices": [(.get, .devices), (.post, .devices)]
        case "verify": [(.get, .verify)]
        case "profile/update": [(.put, .updateProfile)]
        case "profile/create": [(.post, .createUser)]
        case "profile/guest/create": [(.post, .createGuest)]
        case "profile/delete": [(.delete, .deleteUser)]
        default: one(path)
        }
    }

    private static func one(_ path: Substring) -> [(method: Method, route: AuthRoute)] {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == "sessions", !parts[1].isEmpty else { return [] }
        return [(.delete, .session(String(parts[1])))]
    }

    private static func allowed(_ methods: [Method]) -> String {
        (methods.map(name) + ["OPTIONS"]).joined(separator: ", ")
    }

    private static func name(_ method: Method) -> String {
        switch method {
        case .get: "GET, HEAD"
        case .post: "POST"
        case .put: "PUT"
        case .delete: "DELETE"
        default: ""
        }
    }
}

/// How the answers below `/auth/` are dressed: `Vary`, cookies, HEAD.
private struct AuthResponse: Sendable {
    let isHead: Bool

    func response(_ answer: Answer) -> Response {
        var response = Response(status: answer.status, contentType: ErrorFormat.json, body: answer.body)
        response.add("Cache-Control", "no-store")
        if let seconds = answer.retryAfter { response.add("Retry-After", "\(seconds)") }
        return dressed(response, cookies: answer.cookies)
    }

    /// What swingmusic is to carry out is handed back to nginx, which passes the request on as it came.
    func response(_ handing: Handing) -> Response {
        switch handing {
        case .answer(let answer): return response(answer)
        case .handOn(let cookies):
            var response = Response(status: 200)
            response.add("X-Accel-Redirect", "@swingmusic_profile")
            for cookie in cookies { response.add("Set-Cookie", cookie) }
            return response
        case .contested: return response(Handing.taken)
        }
    }

    /// In the words of `@swingmusic_away` in sessions.conf.
    func away(status: Int) -> Response {
        dressed(ErrorFormat.swingmusic.unavailable("swingmusic does not answer", retryAfter: .seconds(10), status: status))
    }

    /// OPTIONS is always 200 and empty.
    func options() -> Response { dressed(Response(status: 200, contentType: "text/html; charset=utf-8")) }

    func dressed(_ bare: Response, cookies: [String] = []) -> Response {
        var response = bare
        response.omitsBody = isHead
        for cookie in cookies { response.add("Set-Cookie", cookie) }
        response.add("Vary", "Accept-Encoding")
        return response
    }

    /// For nginx's `auth_request`: no body to speak of, and nothing that a cache may keep.
    static func verification(_ verification: Verification) -> Response {
        var response =
            verification.message.map { ErrorFormat.swingmusic.error(verification.status, $0) } ?? Response(status: verification.status)
        if verification.message == nil { response.add("Cache-Control", "no-store") }
        if let id = verification.userID { response.add("X-Swingmusic-User-Id", "\(id)") }
        if let name = verification.userName { response.add("X-Swingmusic-Username", name) }
        if let roles = verification.roles { response.add("X-Swingmusic-Roles", roles) }
        if let cookie = verification.cookie { response.add("Set-Cookie", cookie) }
        return response
    }
}

extension FormBody {
    init(_ request: Request) {
        var content: [UInt8] = []
        if case .bytes(let bytes) = request.body { content = bytes }
        self.init(bytes: content, contentType: request.parameter("CONTENT_TYPE"))
    }
}
