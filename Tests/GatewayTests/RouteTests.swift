import FastCGI
import JSON
import Testing

@testable import Gateway

/// What every declared route is held to: whoever adds one has it tested here.
@Suite struct RouteTests {
    let stage: GatewayStage
    init() throws { stage = try GatewayStage() }

    /// Every route with its family's prefix before its template, its parameters' examples in it.
    private func all(_ stage: GatewayStage) -> [(family: any RouteFamily, route: Route, path: String)] {
        stage.gateway.router.families.flatMap { family in
            family.routes.map { route in
                let path = route.parameters.reduce(family.prefix + route.template) { path, parameter in
                    switch parameter.example {
                    case .string(let value), .number(let value): path.replacing("{\(parameter.name)}", with: value)
                    default: path
                    }
                }
                return (family, route, path)
            }
        }
    }

    @Test("A declared path is there, with the methods that are declared and no others")
    func served() throws {
        let routes = all(stage)
        for (family, route, path) in routes {
            let response = try #require(stage.ask("BREW", path), "\(path)")
            // nginx asks with any method.
            guard !route.isSubrequest else {
                #expect(response.status == 204)
                continue
            }
            #expect(response.status == 405, "\(path)")
            let methods = routes.filter { $0.family.prefix == family.prefix && $0.route.template == route.template }.map(\.route.allowed)
            let allowed = (methods + (family.prefix == "/auth/" ? ["OPTIONS"] : [])).joined(separator: ", ")
            #expect(response.header("Allow") == allowed, "\(path)")
        }
    }

    @Test("A path that none declares is none")
    func none() {
        for family in stage.gateway.router.families {
            for path in ["no-such", "no-such/path", "no-such/path/at/all"] {
                guard let response = stage.ask("GET", family.prefix + path) else { continue }
                // Below /auth/ it is swingmusic's.
                #expect(response.status == 404 || response.header("X-Accel-Redirect") != nil, "\(family.prefix)\(path)")
            }
        }
        #expect(stage.ask("GET", "/no-such")?.status == 404)
    }

    @Test("A declaration says of each parameter of its path what it is, in their order, and of no other")
    func declarations() {
        var ids: Set<String> = []
        for (family, route, _) in all(stage) {
            let names = route.template.matches(of: /\{(\w+)\}/).map { String($0.1) }
            #expect(route.parameters.filter { $0.place == .path }.map(\.name) == names, "\(route.id)")
            // A path keeps two.
            #expect(names.count <= 2, "\(route.id)")
            #expect(Set(route.parameters.flatMap(\.names)).count == route.parameters.flatMap(\.names).count, "\(route.id)")
            #expect(route.parameters.allSatisfy { ($0.place == .header) == ($0.variable != nil) }, "\(route.id)")
            #expect(ids.insert(route.id).inserted, "\(route.id) is another's")
            #expect(family.routes.filter { $0.template == route.template && $0.method == route.method }.count == 1, "\(route.id)")
        }
    }

    /// What waits for a file, a lookup or the login thread has been let in, or is below /auth/, where the sessions say it later:
    /// Tests/nginx/test_access.py.
    @Test("Every route is used by whom it declares, and by nobody else", arguments: [false, true])
    func access(_ metadataNeedsSession: Bool) throws {
        let stage = try GatewayStage(["SWINGMUSIC_FCGI_METADATA_AUTH": metadataNeedsSession ? "session" : "off"])
        for (family, route, path) in all(stage) {
            // What a page of ours alone may do comes from one.
            let origin = family.tag == "page" ? [("HTTP_ORIGIN", "https://music.example"), ("HTTP_SEC_FETCH_SITE", "same-origin")] : []
            for asker in GatewayStage.Asker.allCases {
                guard let status = stage.ask(route.method.rawValue.uppercased(), path, origin, by: asker)?.status else {
                    let isLetIn = family.seesToAccess || expected(route.access, asker, metadataNeedsSession) == nil
                    #expect(isLetIn, "\(route.id) by \(asker)")
                    continue
                }
                // swingmusic's own word for a token whose time is over, and a form that is missing, say nothing of access.
                if family.seesToAccess, [.optional, .permissive, .open].contains(route.access) { continue }
                if let expected = expected(route.access, asker, metadataNeedsSession) {
                    #expect(status == expected, "\(route.id) by \(asker)")
                } else {
                    // The handler's own word is about whose it is.
                    #expect(status != 401 && (status != 403 || route.access == .session), "\(route.id) by \(asker)")
                }
            }
        }
    }

    @Test("What a route answers is described, whoever asks, and none of it twice")
    func answersDescribed() throws {
        let stage = try GatewayStage(["SWINGMUSIC_FCGI_METADATA_AUTH": "session"])
        for (family, route, path) in all(stage) {
            let described = route.allAnswers(in: family).map(\.status)
            #expect(described == Set(described).sorted(), "\(route.id)")
            for asker in GatewayStage.Asker.allCases {
                guard let status = stage.ask(route.method.rawValue.uppercased(), path, by: asker)?.status else { continue }
                #expect(described.contains(status), "\(route.id) by \(asker): \(status)")
            }
        }
    }

    @Test("Whoever guesses at the administrator's token is throttled where it is asked for, nowhere else, and that is described")
    func guessingDescribed() throws {
        let stage = try GatewayStage([
            "SWINGMUSIC_FCGI_METADATA_AUTH": "off", "SWINGMUSIC_FCGI_ADMIN_TOKEN": "a-token-of-the-administrator",
        ])
        let guess = [("HTTP_AUTHORIZATION", "Bearer a-wrong-one")]
        for (family, route, path) in all(stage) {
            // Ten in a minute are heard; a minute may end meanwhile.
            let tries = (0..<22).lazy.compactMap { _ in stage.ask(route.method.rawValue.uppercased(), path, guess, by: .nobody) }
            let throttled = tries.first { $0.status == 429 }
            #expect((throttled != nil) == [.admin, .caches, .page].contains(route.access), "\(route.id)")
            guard let throttled else { continue }
            let described = route.allAnswers(in: family).first { $0.status == 429 }
            #expect(described?.headers.contains(.retryAfter) ?? false, "\(route.id)")
            #expect(throttled.header("Retry-After") != nil)
        }
    }

    @Test("Users whom nginx names may what users with a session may, and by TCP nobody is one")
    func namedByNginx() throws {
        let stage = try GatewayStage(["SWINGMUSIC_FCGI_METADATA_AUTH": "nginx", "SWINGMUSIC_CONFIG_DIR": ""])
        let names: [(asker: GatewayStage.Asker, given: [(String, String)])] = [
            (.nobody, [("SWINGMUSIC_USER_ID", ""), ("SWINGMUSIC_USER_ROLES", "")]), (.nobody, []),
            (.user, [("SWINGMUSIC_USER_ID", "2"), ("SWINGMUSIC_USER_ROLES", "curator")]),
            (.admin, [("SWINGMUSIC_USER_ID", "1"), ("SWINGMUSIC_USER_ROLES", "admin")]),
        ]
        let origin = [("HTTP_ORIGIN", "https://music.example"), ("HTTP_SEC_FETCH_SITE", "same-origin"), ("HTTP_HOST", "music.example")]
        var count = 0
        for (family, route, path) in all(stage) where !family.seesToAccess {
            for (asker, given) in names {
                for cameByTCP in [false, true] {
                    let parameters = given + origin + [("REQUEST_METHOD", route.method.rawValue.uppercased()), ("DOCUMENT_URI", path)]
                    let outcome = stage.gateway.router.handle(Request(testing: parameters, cameByTCP: cameByTCP))
                    let refusal = expected(route.access, cameByTCP ? .nobody : asker, true)
                    guard case .now(let response) = outcome else {
                        #expect(refusal == nil, "\(route.id) by \(asker)")
                        continue
                    }
                    count += 1
                    if let refusal {
                        #expect(response.status == refusal, "\(route.id) by \(asker)")
                    } else {
                        #expect(response.status != 401 && (response.status != 403 || route.access == .session), "\(route.id) by \(asker)")
                    }
                }
            }
        }
        #expect(count > 100)
    }

    /// The status with which an asker is refused; nil: let in.
    private func expected(_ access: Access, _ asker: GatewayStage.Asker, _ metadataNeedsSession: Bool) -> Int? {
        switch (access, asker) {
        case (.open, _), (.optional, _), (.permissive, _): nil
        case (.metadata, .nobody), (.metadata, .ended), (.mirror, .nobody), (.mirror, .ended): metadataNeedsSession ? 401 : nil
        case (_, .nobody), (_, .ended): 401
        case (.admin, .user), (.caches, .user), (.page, .user): 403
        // An access token is none with which one refreshes.
        case (.refresh, _): 422
        default: nil
        }
    }

    @Test("The description has every route, under its own path, method, access and parameters")
    func described() throws {
        let families = stage.gateway.router.families
        let document = try JSONValue(reading: OpenAPIDocument.bytes(of: families))
        #expect(document == (try JSONValue(reading: Array(#require(stage.ask("GET", "/swingmusic-fcgi/openapi.json")).body))))
        for (family, route, _) in all(stage) {
            let operation = try #require(document["paths"]?[family.prefix + route.template]?[route.method.rawValue], "\(route.id)")
            #expect(operation["operationId"]?.text == route.id)
            #expect(operation["parameters"]?.items?.compactMap { $0["name"]?.text } ?? [] == route.parameters.map(\.name))
            #expect((operation["security"]?.items?.isEmpty ?? false) == (route.access == .open), "\(route.id)")
        }
        let described = document["paths"]?.members?.reduce(0) { $0 + ($1.value.members?.count ?? 0) }
        #expect(described == all(stage).count)
    }
}

/// What a handler can read of a request.
@Suite struct GivenParametersTests {
    private static let id = Parameter.path("id", "", .text)
    private static let one = Parameter.query("one", "", .text, others: ["first"])
    private static let other = Parameter.query("other", "", .text)
    private static let (name, age) = (BodyMember("name", .text), BodyMember("age", .integer()))

    /// Tells what it reads: declared or not.
    private struct Telling: RouteFamily {
        let prefix = "/x/", tag = "", about = "", label = Counter.Family.none
        let errorFormat = ErrorFormat.plain
        var routes: [Route] {
            [
                Route(.get, "{id}", id: "", access: .open, summary: "", parameters: [id, one], answers: []) { routed in
                    .now(Response(status: 200, body: Array([id, one, other].map { routed.given[$0] ?? "-" }.joined(separator: " ").utf8)))
                },
                Route(
                    .post, "{id}", id: "", access: .open, summary: "", body: .object(optional: [name], example: .null), answers: []
                ) { routed throws(BadRequest) in
                    let object = try routed.object()
                    let text = "\(routed.given[id] ?? "-") \(object.string(name) ?? "-") \(try object.integer(age) ?? 0)"
                    return .now(Response(status: 200, body: Array(text.utf8)))
                },
            ]
        }
    }

    private func ask(_ method: String, _ path: String, _ query: String = "", body: String? = nil) -> String? {
        let router = Router(
            families: [Telling()], accessControl: AccessControl(authenticator: NobodyKnown(), metadataNeedsSession: false, adminToken: nil))
        let parameters = [("REQUEST_METHOD", method), ("DOCUMENT_URI", path), ("QUERY_STRING", query)]
        let request = Request(testing: parameters, body: body.map { .bytes(Array($0.utf8)) } ?? .none)
        guard case .now(let response) = router.handle(request) else { return nil }
        return response.status == 200 ? response.text : "\(response.status)"
    }

    @Test("A parameter that the route does not declare is not to be had, in the query, the path or the body")
    func undeclared() {
        #expect(ask("GET", "/x/7", "one=a&other=b") == "7 a -")
        #expect(ask("POST", "/x/7", body: #"{"name":"anna","age":3}"#) == "- anna 0")
        #expect(ask("POST", "/x/7", body: "[]") == "400")
    }

    @Test("A declared one is the first of its names that is there, decoded")
    func declared() {
        #expect(ask("GET", "/x/a b", "first=c+d&one=%C3%A9") == "a b é -")
        #expect(ask("GET", "/x/7", "first=c+d") == "7 c d -")
        #expect(ask("GET", "/x/7") == "7 - -")
        #expect(ask("GET", "/x/") == "404" && ask("GET", "/x/7/8") == "404" && ask("PUT", "/x/7") == "405")
    }
}
