import FastCGI
import Platform
import Sessions

/// `/auth/...`: swingmusic's session routes, and those by which sessions are seen, ended and asked about. Who may use them is
/// found out by their own work, as they declare it: in swingmusic's order and words.
struct AuthRoutes: RouteFamily {
    /// nil without `SWINGMUSIC_CONFIG_DIR`.
    let sessions: Sessions?
    let blockingWorker: BlockingWorker
    let publicURL: BaseURL?
    /// nil: sign-ins are not counted.
    var timings: Timings?

    let prefix = "/auth/"
    let tag = "auth"
    let label = Counter.Family.auth
    let about = """
        swingmusic's session routes, answered in its stead, and those by which sessions are seen, ended and asked about. They need \
        SWINGMUSIC_CONFIG_DIR; without it all are 503, verify 403. As with swingmusic, a path or method that is none is 401 without a \
        token, GET of a path that only takes other methods is 404, and OPTIONS is 200 and empty everywhere. What is described nowhere here is \
        handed on to swingmusic, with the token alone, for who has a session.
        """
    let errorFormat = ErrorFormat.swingmusic
    let seesToAccess = true
    /// swingmusic lets any page read. Here pages that are not the user's read without the user's cookie.
    let readers = CrossOrigin.Readers.anyone
    var schemas: KeyValuePairs<String, Schema> { SessionSchemas.all }

    private static let simplified = Parameter.query(
        "simplified", "Names alone. As swingmusic reads it: also 1, t, yes, y, on and 0, f, no, n, off, in capitals or not.",
        .either(
            .boolean, .text(pattern: "^(1|0|[TtYyFfNn]|[Tt][Rr][Uu][Ee]|[Yy][Ee][Ss]|[Oo][Nn]|[Ff][Aa][Ll][Ss][Ee]|[Nn][Oo]|[Oo][Ff][Ff])$")
        ),
        example: true)
    private static let code = Parameter.query("code", "What getpaircode gave.", .text(most: 100), isRequired: true, example: "k3v9x2")
    private static let whose = Parameter.query(
        "user", "Of whom: a user's id, or `all`; oneself when left out.", .either(WholeNumber.id, .constant("all")), example: 1)
    private static let session = Parameter.path(
        "id", "The session's id, as the list has it.", .text(pattern: "^[0-9A-Za-z_-]{1,64}$"), example: "nobodys-session")
    private static let role = Parameter.query("role", "A role that the user must have.", .text, example: "admin")
    private static let first = Parameter.query(
        "first", "Instead: may the first admin be made? Whoever asks, as long as there is none.", .text, example: "1")

    // Who may use a route, how it is worked on, and what is done for whom, are said in one: what only reads is answered `atOnce`; what writes to disk
    // is an `errand`, done by a thread that may wait; what hashes is on the login thread.

    var routes: [Route] { signingIn + seeing + changingUsers }

    private var signingIn: [Route] {
        [
            change(
                .post, "login", "login", "Sign in.", .json(200, "Signed in.", .named("Tokens"), headers: [.setCookie]), [404, 422, 429],
                words: [401: "A wrong password.", 403: Access.foreignPage],
                body: .json(SessionSchemas.login, example: ["username": "anna", "password": "secret"]),
                .open { sessions, caller, routed in
                    let body = FormBody(routed.request)
                    return park { finish in
                        sessions.login(body, caller) { finish(AuthResponse.response(counted(.login, $0))) }
                            .map { AuthResponse.response(counted(.login, $0)) }
                    }
                }),
            read(
                "logout", "logout", "End the session and forget the cookie.",
                SessionSchemas.message("Logged out, also without a session.", [.setCookie]), [], words: [403: Access.foreignPage],
                .permissive { sessions, caller, _ in errand { context in sessions.logout(caller, context) } }),
            change(
                .post, "refresh", "refresh", "Two new tokens of the same session.", .json(200, "The tokens.", .named("Tokens")), [],
                words: [429: "The session has as many tokens as it may."],
                .errand(blockingWorker, .refresh) { _ in { sessions, user, _, context in sessions.refresh(user, context) } }),
            read(
                "user", "user", "Who one is.", .json(200, "The user.", .named("User")), [],
                .atOnce(.session(.firstCounts)) { _ in { sessions, user, _ in .now(AuthResponse.response(sessions.user(user))) } }),
            read(
                "users", "users", "Who may sign in.", .json(200, "What the caller may see of it.", SessionSchemas.users), [422],
                parameters: [Self.simplified],
                .atOnce(.optional(.firstCounts)) { routed in
                    let simplified = routed.given[Self.simplified]
                    return { sessions, authentication, _ in users(sessions, authentication, simplified) }
                }),
            read(
                "getpaircode", "pairCode", "A code for signing in on another device, good for ten minutes.",
                .json(
                    200, "The code. `server_url` and `qr_payload` with SWINGMUSIC_FCGI_PUBLIC_URL alone.",
                    .object(
                        ["code": .text(least: 6, most: 6), "expires_at": .integer(), "ttl_seconds": .integer(1)],
                        optional: ["server_url": .text, "qr_payload": .text])), [], words: [403: Access.foreignPage],
                .errand(blockingWorker, .session(.firstCounts, changes: true)) { _ in
                    { sessions, user, _, context in sessions.pairCode(user, context, serverURL: publicURL?.text) }
                }),
            read(
                "pair", "pair", "Redeem a code, once.", .json(200, "Tokens of a new session, the device's own.", .named("Tokens")),
                [400, 429], parameters: [Self.code],
                .errand(blockingWorker, .optional(.firstCounts)) { routed in
                    let code = routed.given[Self.code]
                    return { sessions, _, caller, context in counted(.pair, sessions.pair(caller, code: code, context)) }
                }),
        ]
    }

    private var seeing: [Route] {
        [
            route(
                .get, "verify", "verify", readers: .nobody, isSubrequest: true, "May this request pass? For nginx's auth_request.",
                about: """
                    Answers any method as it answers GET: nginx asks with the method of the request that it asks about. A method that changes \
                    something must not come from a page of another site.
                    """, [Self.role, Self.first], answers: SessionSchemas.verifications, verify),
            read(
                "sessions", "sessions", "One's own sessions; for admins anybody's.",
                .json(200, "Open sessions, times in seconds since 1970.", .object(["sessions": .list(of: .named("Session"))])), [403, 422],
                parameters: [Self.whose],
                .errand(blockingWorker, .session()) { routed in
                    // No number but one in its one form is anybody's id; the sessions refuse what is none in their turn.
                    let whose = routed.given[Self.whose].map { $0 == "all" || WholeNumber.readPlain($0) ?? -1 >= 0 ? $0 : "" }
                    return { sessions, user, caller, context in sessions.list(user, caller, user: whose, context) }
                }),
            change(
                .delete, "sessions", "endSessions", "End all of one's own but this one.",
                .json(200, "Ended.", .object(["ended": .integer(0), "msg": .text])), [400],
                .asSent(
                    .errand(blockingWorker, .session()) { _ in
                        { sessions, user, caller, context in sessions.endOthers(user, caller, context) }
                    })),
            change(
                .delete, "sessions/{id}", "endSession", "End one of one's own sessions; for admins anybody's.",
                SessionSchemas.message("Ended.", [.setCookie]), [400, 404], parameters: [Self.session],
                .asSent(
                    .errand(blockingWorker, .session()) { routed in
                        let id = routed.given[Self.session] ?? ""
                        return { sessions, user, caller, context in sessions.end(user, caller, session: id, context) }
                    })),
            // The page is for nobody else's scripts: what is in it proves that a form is of that page.
            route(
                .get, "devices", "devices", readers: .nobody, isPage: true, "One's own sessions, as a page for people.",
                answers: SessionSchemas.devicesPage,
                .page(blockingWorker, .session()) { _ in { sessions, user, caller, context in sessions.devices(user, caller, context) } }),
            route(
                .post, "devices", "changeDevices", readers: .nobody, isPage: true, "What the forms of that page do.",
                about: """
                    Ends the session named in `session`, all others of one's own (`end-others`), or this one (`sign-out`). It takes a browser's \
                    `Origin` that is this server's own, scheme, host and port, and the `proof` that the page was given for this session.
                    """,
                body: DeviceForm.body, answers: SessionSchemas.devicesChanged,
                .page(blockingWorker, .session()) { routed in
                    let (form, scheme) = (DeviceForm(FormBody(routed.request)), routed.request.scheme)
                    return { sessions, user, caller, context in
                        sessions.changeDevices(form.change, proof: form.proof, user, caller, scheme: scheme, context)
                    }
                }),
        ]
    }

    private var changingUsers: [Route] {
        [
            handedOn(
                .post, "profile/create", "createUser", "Add a user.",
                SessionSchemas.handedOn(.either(.named("User"), SessionSchemas.firstUser)),
                words: [401: "Only admins may add users here, and there is no token."],
                body: .json(SessionSchemas.profile, example: ["username": "bert", "password": "secret"]),
                .hand(blockingWorker, .optional()) { sessions, authentication, caller, handed, context in
                    sessions.createUser(handed.body, authentication, caller, as: handed.name, context)
                }),
            handedOn(
                .post, "profile/guest/create", "createGuest", "Add the guest. Admins alone.", SessionSchemas.handedOn(.named("Message")),
                .hand(blockingWorker, .session()) { sessions, user, caller, handed, context in
                    sessions.createGuest(handed.body, user, caller, as: handed.name, context)
                }),
            handedOn(
                .put, "profile/update", "updateUser", "Change a user. Others than oneself, and roles, admins alone.",
                SessionSchemas.handedOn(.named("User")), body: .json(SessionSchemas.profile, example: ["password": "secret"]),
                .hand(blockingWorker, .session()) { sessions, user, caller, handed, context in
                    sessions.updateProfile(handed.body, user, caller, as: handed.name, context, completion: handed.finish)
                }),
            handedOn(
                .delete, "profile/delete", "deleteUser", "Remove a user. Admins alone.", SessionSchemas.handedOn(.named("Message")),
                body: .json(SessionSchemas.deletion, example: ["username": "bert"]),
                .hand(blockingWorker, .session()) { sessions, user, caller, handed, context in
                    sessions.deleteUser(handed.body, user, caller, context)
                }),
        ]
    }

    private func counted(_ way: SignIn.Way, _ answer: Answer) -> Answer {
        timings?.add(signIn: way, SignIn.Ending(status: answer.status))
        return answer
    }

    // MARK: Declaring

    private func route(
        _ method: Route.Method, _ template: String, _ id: String, readers: CrossOrigin.Readers? = nil, isSubrequest: Bool = false,
        isPage: Bool = false, _ summary: String, about: String? = nil, _ parameters: [Parameter] = [], body: DescribedBody? = nil,
        answers: [DescribedAnswer], _ work: AdmittedWork
    ) -> Route {
        Route(
            method, template, id: id, access: work.access, readers: readers, isSubrequest: isSubrequest, isPage: isPage, summary: summary,
            about: about, parameters: parameters, body: body, answers: answers
        ) { routed in
            guard let sessions else { return .now(withoutSessions(routed)) }
            return work.run(
                sessions, Caller(routed.request, publicURL: publicURL, letsForeignOrigins: sessions.namesForeignOrigins), routed)
        }
    }

    private func read(
        _ template: String, _ id: String, _ summary: String, _ success: DescribedAnswer, _ refusals: [Int], words: [Int: String] = [:],
        parameters: [Parameter] = [], _ work: AdmittedWork
    ) -> Route {
        change(.get, template, id, summary, success, refusals, words: words, parameters: parameters, work)
    }

    /// - Parameters:
    ///   - refusals: what the route refuses itself, beside what access brings.
    ///   - words: of statuses that mean something else there than elsewhere.
    private func change(
        _ method: Route.Method, _ template: String, _ id: String, _ summary: String, about: String? = nil, _ success: DescribedAnswer,
        _ refusals: [Int], words: [Int: String] = [:], parameters: [Parameter] = [], body: DescribedBody? = nil, _ work: AdmittedWork
    ) -> Route {
        route(
            method, template, id, summary, about: about, parameters, body: body,
            answers: [success] + SessionSchemas.refusals(refusals, words), work)
    }

    /// A change that swingmusic carries out.
    private func handedOn(
        _ method: Route.Method, _ template: String, _ id: String, _ summary: String, _ success: DescribedAnswer,
        words: [Int: String] = [:], body: DescribedBody? = nil, _ work: AdmittedWork
    ) -> Route {
        change(
            method, template, id, summary,
            about: "Checked here, and handed on to swingmusic. What that answers then, an error of its own, too, is the answer.", success,
            [400, 403, 422, 502, 504], words: words, body: body, work)
    }

    // MARK: Before and beside the routes

    func answerFirst(_ routed: RoutedRequest) -> Outcome? {
        guard let sessions else { return .now(withoutSessions(routed)) }
        if routed.route?.isSubrequest == true { return nil }
        let request = routed.request
        if let status = request.parameter("HANDED_ON_STATUS") { return handedBack(request, sessions, status) }
        return request.method == .options ? .now(AuthResponse.options()) : nil
    }

    func answerUnserved(_ routed: RoutedRequest, _ paths: PathTree) -> Outcome? {
        guard let sessions else { return nil }
        let request = routed.request
        let caller = Caller(request, publicURL: publicURL, letsForeignOrigins: sessions.namesForeignOrigins)
        if Self.isForeign(routed.rest, paths) {
            return AdmittedWork.atOnce(.session()) { routed in
                let isChange = Self.setsPassword(routed.request)
                return { sessions, user, caller in
                    pass(AuthResponse.response(sessions.handOn(user)), sessions, isChange ? caller : nil)
                }
            }.run(sessions, caller, routed)
        }
        // A GET that no route takes falls to swingmusic's file route, which has no such file.
        let isRead = request.method == .get || request.method == .head
        let refusal =
            routed.allowed.flatMap { isRead ? nil : errorFormat.methodNotAllowed($0 + ", OPTIONS") } ?? errorFormat.error(404, notFound)
        // Before a path or method that is none, swingmusic asks for a token, except below the paths that are open.
        if paths.all.contains(where: { $0.access != .session && routed.rest.hasPrefix($0.template) }) {
            return .now(AuthResponse.dressed(refusal))
        }
        return AdmittedWork.atOnce(.session(.firstCounts, changes: false)) { _ in
            { _, user, _ in .now(AuthResponse.dressed(refusal, cookies: [user.renewal].compactMap(\.self))) }
        }.run(sessions, caller, routed)
    }

    /// What is handed on nobody reads here.
    func readsBody(ofUnserved routed: RoutedRequest, _ paths: PathTree) -> Bool { !Self.isForeign(routed.rest, paths) }

    /// Whether a path is none of ours, in any spelling that somebody could take for one of ours: swingmusic has these routes as well, and
    /// with other rules. So nothing that it might read as `login` is handed on. The extended version has paths that are its alone.
    static func isForeign(_ path: Substring, _ paths: PathTree) -> Bool {
        paths.find(path).paths == nil && paths.find(plainest(path)).paths == nil
    }

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

    private func withoutSessions(_ routed: RoutedRequest) -> Response {
        guard routed.route?.isSubrequest == true else {
            return errorFormat.unavailable("Sessions are not set up", .noSessions, retryAfter: .seconds(60))
        }
        // Whoever asks for another host is told that this one cannot say it, and not that nobody asks.
        var refused = errorFormat.error(403, "Sessions are not set up")
        refused.add(retryAfter: .seconds(60))
        return refused
    }

    // MARK: Answering

    private var verify: AdmittedWork {
        let verified = AdmittedWork.atOnce(.session(), refusal: { AuthResponse.verification($0) }) { routed in
            let (role, isChange) = (Self.query(routed)?[Self.role], Self.setsPassword(routed.request))
            return { sessions, user, caller in
                let response = AuthResponse.verification(user, role: role)
                return response.status == 204 ? pass(response, sessions, isChange ? caller : nil) : .now(response)
            }
        }
        return verified.unless { sessions, routed in Self.query(routed)?[Self.first] == nil ? nil : verifyFirst(sessions) }
    }

    /// Asked a thousand times a second, and nearly always without a query.
    private static func query(_ routed: RoutedRequest) -> GivenParameters? {
        routed.request.withParameter("QUERY_STRING") { !$0.isEmpty } ?? false ? routed.given : nil
    }

    private func verifyFirst(_ sessions: Sessions) -> Outcome {
        let (refused, isKnown) = sessions.refusalOfFirstAdmin(waits: false)
        if isKnown { return .now(AuthResponse.verification(refused)) }
        return blockingWorker.run(errorFormat, busy: AuthResponse.verification(.unavailable)) {
            AuthResponse.verification(sessions.refusalOfFirstAdmin(waits: true).refused)
        }
    }

    /// Whether a request is to the path at which the extended version of swingmusic has one set one's own password.
    private static func setsPassword(_ request: Request) -> Bool {
        guard request.changesSomething else { return false }
        return request.withParameter("REQUEST_URI") { uri in
            uri.prefix { $0 != UInt8(ascii: "?") }.elementsEqual("/auth/password/change".utf8)
        } ?? false
    }

    /// Lets a request go on to a server behind the guard. What password is being set there cannot be seen here, so that it happens is
    /// noted first.
    /// - Parameter setting: who sets the own password with it; nil where none is set.
    private func pass(_ response: Response, _ sessions: Sessions, _ setting: Caller?) -> Outcome {
        guard let setting else { return .now(response) }
        return blockingWorker.run(errorFormat, busy: response) { context in
            sessions.expectPasswordChange(setting, context)
            return response
        }
    }

    private func users(_ sessions: Sessions, _ authentication: Authentication, _ simplified: String?) -> Outcome {
        if let answer = sessions.users(authentication, simplified: simplified, waits: false) { return .now(AuthResponse.response(answer)) }
        return errand { _ in sessions.users(authentication, simplified: simplified, waits: true) ?? .refused(.unavailable) }
    }

    /// nginx comes back with the same request when swingmusic did not answer it (`@swingmusic_profile_away` in sessions.conf).
    private func handedBack(_ request: Request, _ sessions: Sessions, _ status: String) -> Outcome {
        let name = request.parameter("REQUEST_ID") ?? ""
        return blockingWorker.run(errorFormat) { context in
            sessions.handingFailed(name, context)
            return AuthResponse.away(status: status == "504" ? 504 : 502)
        }
    }

    private func errand(_ work: @escaping @Sendable (borrowing BlockingContext) -> Answer) -> Outcome {
        blockingWorker.run(errorFormat) { context in AuthResponse.response(work(context)) }
    }

    /// - Parameter begin: answers at once, or takes the closure and answers with it later.
    private func park(_ begin: @escaping @Sendable (@escaping @Sendable (Response) -> Void) -> Response?) -> Outcome {
        let busy = AuthResponse.response(.message("The server is busy", status: 503, retryAfter: 3)).because(.busy)
        return .parked(
            ParkedRequest(
                deadline: SystemClock().monotonic + AdmittedWork.longestWait,
                parked: { reply in
                    if let response = begin({ reply.send($0) }) { reply.send(response) }
                },
                ended: { _ in busy }))
    }
}
