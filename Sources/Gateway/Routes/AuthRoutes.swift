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
    func readers(_ routed: RoutedRequest) -> CrossOrigin.Readers { ["verify", "devices"].contains(routed.rest) ? .nobody : .anyone }

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
            let change = PasswordChange(request, caller)
            return decided(sessions.authenticate(caller, changes: request.changesSomething), style) { authentication in
                let handing = sessions.handOn(authentication)
                guard case .handOn = handing else { return .now(style.response(handing)) }
                return pass(style.response(handing), sessions, change)
            }
        case .notFound: return unmatched(style, sessions, caller, routed, errorFormat.error(404, "Not found"))
        case .methodNotAllowed(let allowed): return unmatched(style, sessions, caller, routed, errorFormat.methodNotAllowed(allowed))
        }
    }

    /// Goes on with who a request comes from: at once, or when it is known.
    private func decided(
        _ authentication: Authentication, _ style: AuthResponse, _ proceed: @escaping @Sendable (Authentication) -> Outcome
    ) -> Outcome {
        guard case .needsWrite(let pending) = authentication else { return proceed(authentication) }
        return pending.parked(otherwise: style.response(.refused(.unavailable)), proceed)
    }

    private func verify(_ sessions: Sessions, _ caller: Caller, _ routed: RoutedRequest) -> Outcome {
        let request = routed.request
        // Asked a thousand times a second, and nearly always without a query.
        let hasQuery = request.withParameter("QUERY_STRING") { !$0.isEmpty } ?? false
        if hasQuery, routed.query["first"] != nil { return verifyFirst(sessions) }
        let role = hasQuery ? routed.query["role"] : nil
        switch sessions.authenticate(caller, changes: request.changesSomething) {
        case .needsWrite(let pending):
            let change = PasswordChange(request, caller)
            return pending.parked(otherwise: AuthResponse.verification(.refused(.unavailable), role: nil)) { authentication in
                verified(authentication, role, sessions, change)
            }
        case let authentication: return verified(authentication, role, sessions, PasswordChange(request, caller))
        }
    }

    private func verified(_ authentication: Authentication, _ role: String?, _ sessions: Sessions, _ change: PasswordChange?) -> Outcome {
        let response = AuthResponse.verification(authentication, role: role)
        return response.status == 204 ? pass(response, sessions, change) : .now(response)
    }

    private func verifyFirst(_ sessions: Sessions) -> Outcome {
        let (refused, isKnown) = sessions.refusalOfFirstAdmin(waits: false)
        if isKnown { return .now(AuthResponse.verification(refused)) }
        return blockingWorker.run(errorFormat, busy: AuthResponse.verification(.unavailable)) {
            AuthResponse.verification(sessions.refusalOfFirstAdmin(waits: true).refused)
        }
    }

    /// A request to the path at which the extended version of swingmusic has one set one's own password.
    private struct PasswordChange: Sendable {
        let caller: Caller

        /// nil for any other request.
        init?(_ request: Request, _ caller: Caller) {
            guard request.changesSomething else { return nil }
            let isOne = request.withParameter("REQUEST_URI") { uri in
                uri.prefix { $0 != UInt8(ascii: "?") }.elementsEqual("/auth/password/change".utf8)
            }
            guard isOne ?? false else { return nil }
            self.caller = caller
        }
    }

    /// Lets a request go on to a server behind the guard. The extended version of swingmusic has a path at which one sets one's own
    /// password: to what cannot be seen here, so that it happens is noted first.
    private func pass(_ response: Response, _ sessions: Sessions, _ change: PasswordChange?) -> Outcome {
        guard let change else { return .now(response) }
        return blockingWorker.run(errorFormat, busy: response) { context in
            sessions.expectPasswordChange(change.caller, context)
            return response
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
        case .user:
            return decided(sessions.authenticate(caller, duplicates: .firstCounts), style) { .now(style.response(sessions.user($0))) }
        case .users:
            let simplified = query["simplified"]
            return decided(sessions.authenticate(caller, duplicates: .firstCounts, renewal: .never), style) { authentication in
                if let answer = sessions.users(authentication, simplified: simplified, waits: false) { return .now(style.response(answer)) }
                return errand(style) { _ in sessions.users(authentication, simplified: simplified, waits: true) ?? .refused(.unavailable) }
            }
        case .login: return park(style) { finish in sessions.login(body, caller) { finish(style.response($0)) }.map(style.response) }
        case .updateProfile:
            return hand(routed, style) { context, request, finish in
                sessions.updateProfile(body, caller, as: request, context, completion: finish)
            }
        case .refresh: return errand(style) { context in sessions.refresh(caller, context) }
        case .pairCode: return errand(style) { context in sessions.pairCode(caller, context) }
        case .pair:
            let code = query["code"]
            return errand(style) { context in sessions.pair(caller, code: code, context) }
        case .logout: return errand(style) { context in sessions.logout(caller, context) }
        case .sessions where isDeleting: return errand(style) { context in sessions.endOthers(caller, context) }
        case .sessions:
            let user = query["user"]
            return errand(style) { context in sessions.list(caller, user: user, context) }
        case .session(let id): return errand(style) { context in sessions.end(caller, session: id, context) }
        case .devices where isPosting:
            let (form, scheme) = (DeviceForm(body), Self.scheme(routed.request))
            return page(style) { context in sessions.changeDevices(form.change, proof: form.proof, caller, scheme: scheme, context) }
        case .devices: return page(style) { context in sessions.devices(caller, context) }
        case .createUser: return hand(routed, style) { context, request, _ in sessions.createUser(body, caller, as: request, context) }
        case .createGuest: return hand(routed, style) { context, request, _ in sessions.createGuest(body, caller, as: request, context) }
        case .deleteUser: return hand(routed, style) { context, _, _ in sessions.deleteUser(body, caller, context) }
        }
    }

    private func page(
        _ style: AuthResponse, _ work: @escaping @Sendable (borrowing BlockingContext) -> (outcome: DeviceOutcome, cookie: String?)
    ) -> Outcome {
        blockingWorker.run(errorFormat) { context in
            let (outcome, cookie) = work(context)
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
        return blockingWorker.run(errorFormat) { context in
            sessions.handingFailed(name, context)
            return style.away(status: status == "504" ? 504 : 502)
        }
    }

    /// What swingmusic carries out if `attempt` says so.
    /// - Parameter attempt: given a name for the request, and what to call where it answers nil; attempted again for as long as another
    ///   request may come to nothing.
    private func hand(
        _ routed: RoutedRequest, _ style: AuthResponse,
        _ attempt:
            @escaping @Sendable (
                _ context: borrowing BlockingContext, _ request: String, _ finish: @escaping @Sendable (Handing) -> Void
            ) -> Handing?
    ) -> Outcome {
        let name = routed.request.parameter("REQUEST_ID") ?? ""
        let request = name.isEmpty ? Sessions.nameForRequest() : name
        return blockingWorker.attempt(errorFormat, patience: Self.loginWait) { context, isLast, answer in
            guard let handing = attempt(context, request, { answer(style.response($0)) }) else { return .handedOver }
            if case .contested = handing, !isLast { return .again }
            return .done(style.response(handing))
        }
    }

    private func errand(_ style: AuthResponse, _ work: @escaping @Sendable (borrowing BlockingContext) -> Answer) -> Outcome {
        blockingWorker.run(errorFormat) { context in style.response(work(context)) }
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
        -> Outcome
    {
        guard !AuthRoute.isExempt(routed.rest) else { return .now(style.dressed(response)) }
        return decided(sessions.authenticate(caller, duplicates: .firstCounts), style) { authentication in
            let answer = sessions.user(authentication)
            guard answer.status == 200 else { return .now(style.response(answer)) }
            return .now(style.dressed(response, cookies: answer.cookies))
        }
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

    /// For nginx's `auth_request`, which knows 2xx, 401 and 403, and nothing else: no body to speak of, and nothing that a cache may keep.
    /// - Parameter role: that the user must have.
    static func verification(_ authentication: Authentication, role: String?) -> Response {
        let request = authentication.user
        var response = verification(authentication.refusal(without: role))
        if response.status == 204, let user = request?.user {
            response.add("X-Swingmusic-User-Id", "\(user.id)")
            // Percent-encoded UTF-8, the roles by comma.
            response.add("X-Swingmusic-Username", PercentEncoding.encode(user.name))
            response.add("X-Swingmusic-Roles", user.roles.map { PercentEncoding.encode($0) }.joined(separator: ","))
        }
        if let cookie = request?.renewal { response.add("Set-Cookie", cookie) }
        return response
    }

    /// - Parameter refused: nil for who may pass.
    static func verification(_ refused: Refused?) -> Response {
        guard let refused else {
            var response = Response(status: 204)
            response.add("Cache-Control", "no-store")
            return response
        }
        // A fault of ours is no reason to sign in again: 403.
        return ErrorFormat.swingmusic.error(refused.status == 403 || refused.status >= 500 ? 403 : 401, refused.message)
    }
}

extension FormBody {
    init(_ request: Request) {
        var content: [UInt8] = []
        if case .bytes(let bytes) = request.body { content = bytes }
        self.init(bytes: content, contentType: request.parameter("CONTENT_TYPE"))
    }
}
