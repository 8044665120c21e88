import Platform
import Synchronization
import Testing

@testable import FastCGI
@testable import Gateway

/// What pages of other origins are told, whichever family answers and whenever.
@Suite struct CrossOriginTests {
    private static let friend = ("HTTP_ORIGIN", "https://friend.example")
    private static let evil = ("HTTP_ORIGIN", "https://evil.example")
    private static let cors = [
        "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers",
        "Access-Control-Max-Age", "Access-Control-Expose-Headers",
    ]

    /// A family that answers what the path asks for; it refuses OPTIONS, as one that asks for an identity first does.
    private struct Fixed: RouteFamily {
        let prefix: String
        var readers = CrossOrigin.Readers.named
        let tag = "", about = "", label = Counter.Family.none
        let errorFormat = ErrorFormat.plain
        var routes: [Route] {
            ["{status}", "verify"].map { template in
                Route(
                    .get, template, id: "", access: .open, readers: template == "verify" ? .nobody : nil, isSubrequest: true, summary: "",
                    answers: [], handler: answer)
            }
        }

        @Sendable private func answer(_ routed: RoutedRequest) -> Outcome {
            if routed.request.method == .options { return .now(errorFormat.error(401, "Who are you?")) }
            let response = Response(status: Int(routed.rest) ?? 200)
            switch routed.rest {
            case "soon":
                return .pending(
                    PendingResponse { promise in
                        promise.keep(.now(response))
                        return nil
                    })
            case "later": return .parked(ParkedRequest(deadline: .never, parked: { _ in }, ended: { _ in Response(status: 503) }))
            default: return .now(response)
            }
        }
    }

    private func router(_ origins: String?) throws -> Router {
        let settings = try Settings(environment: origins.map { ["SWINGMUSIC_FCGI_CORS_ORIGINS": $0] } ?? [:])
        return Router(
            families: Self.families.map { Fixed(prefix: $0, readers: $0 == "/auth/" ? .anyone : .named) },
            accessControl: AccessControl(authenticator: NobodyKnown(), metadataNeedsSession: false, adminToken: nil),
            crossOrigin: CrossOrigin(settings.corsOrigins))
    }

    private func outcome(_ origins: String?, _ path: String, _ method: String, _ headers: [(String, String)]) throws -> Outcome {
        let parameters = [("REQUEST_METHOD", method), ("DOCUMENT_URI", path), ("HTTP_HOST", "music.example")] + headers
        return try router(origins).handle(Request(testing: parameters))
    }

    private func ask(_ origins: String?, _ path: String, _ headers: [(String, String)] = [], method: String = "GET") throws -> Response {
        guard case .now(let response) = try outcome(origins, path, method, headers) else { throw NotNow() }
        return response
    }

    private struct NotNow: Error {}

    private static let families = ["/spotify/v1/", "/api/catalog/", "/auth/", "/cache/", "/dragonfly/", "/swingmusic-fcgi/"]

    @Test("a named origin is told in every family, with whatever status", arguments: families, [200, 304, 400, 401, 404, 429, 503])
    func named(_ family: String, _ status: Int) throws {
        let response = try ask("https://friend.example", family + "\(status)", [Self.friend])
        #expect(response.status == status)
        #expect(response.header("Access-Control-Allow-Origin") == "https://friend.example")
        #expect(response.header("Access-Control-Allow-Credentials") == "true")
        #expect(response.header("Vary") == "Origin")
        let exposed = try #require(response.header("Access-Control-Expose-Headers"))
        for name in ["Retry-After", "ETag", "Cache-Status"] { #expect(exposed.contains(name)) }
    }

    @Test("without the setting no page is told anything, and nothing varies", arguments: families.filter { $0 != "/auth/" })
    func unset(_ family: String) throws {
        for headers in [[], [Self.evil], [("HTTP_ORIGIN", "https://music.example")]] {
            let response = try ask(nil, family + "200", headers)
            for name in Self.cors + ["Vary"] { #expect(response.header(name) == nil) }
        }
    }

    @Test("another origin than the named ones is told nothing, and caches that it depends on it")
    func others() throws {
        for headers in [[], [Self.evil], [("HTTP_ORIGIN", "null")], [("HTTP_ORIGIN", "https://friend.example.evil")]] {
            let response = try ask("https://friend.example", "/spotify/v1/200", headers)
            for name in Self.cors { #expect(response.header(name) == nil) }
            #expect(response.header("Vary") == "Origin")
        }
    }

    @Test("a star is for any origin, never with credentials, and is said to all", arguments: families)
    func star(_ family: String) throws {
        for headers in [[], [Self.evil], [Self.friend], [("HTTP_ORIGIN", "https://music.example")]] {
            let response = try ask("*", family + "200", headers)
            #expect(response.header("Access-Control-Allow-Origin") == "*")
            #expect(response.header("Access-Control-Allow-Credentials") == nil)
            #expect(response.header("Access-Control-Expose-Headers")?.contains("ETag") == true)
            #expect(response.header("Vary") == nil)
        }
    }

    @Test("a preflight is answered before anybody is asked who they are", arguments: families)
    func preflight(_ family: String) throws {
        let asked = [
            ("HTTP_ACCESS_CONTROL_REQUEST_METHOD", "PUT"), ("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "authorization, prefer"),
        ]
        let granted = try ask("https://friend.example", family + "x", asked + [Self.friend], method: "OPTIONS")
        #expect(granted.status == 200 && granted.body.isEmpty)
        #expect(granted.header("Access-Control-Allow-Origin") == "https://friend.example")
        #expect(granted.header("Access-Control-Allow-Methods")?.contains("PUT") == true)
        #expect(granted.header("Access-Control-Allow-Headers") == "authorization, prefer")
        #expect(granted.header("Access-Control-Max-Age") != nil && granted.header("Vary") == "Origin")
        let star = try ask("*", family + "x", asked + [Self.evil], method: "OPTIONS")
        #expect(star.status == 200 && star.header("Access-Control-Allow-Origin") == "*")
        #expect(star.header("Access-Control-Allow-Credentials") == nil)
        // OPTIONS that is no such question goes the way of every other request.
        #expect(try ask("https://friend.example", family + "x", [Self.friend], method: "OPTIONS").status == 401)
        #expect(try ask("https://friend.example", family + "x", asked, method: "OPTIONS").status == 401)
    }

    @Test("a preflight of an origin that is not allowed is answered, and allows nothing")
    func refusedPreflight() throws {
        let asked = [Self.evil, ("HTTP_ACCESS_CONTROL_REQUEST_METHOD", "GET")]
        for origins in [nil, "https://friend.example"] {
            let response = try ask(origins, "/cache/x", asked, method: "OPTIONS")
            #expect(response.status == 200)
            for name in Self.cors { #expect(response.header(name) == nil) }
        }
    }

    @Test("verify answers about another request: its preflight opens nothing")
    func verify() throws {
        let asked = [Self.friend, ("HTTP_ACCESS_CONTROL_REQUEST_METHOD", "GET")]
        for origins in [nil, "*", "https://friend.example"] {
            #expect(try ask(origins, "/auth/verify", asked, method: "OPTIONS").status == 401)
            #expect(try ask(origins, "/auth/verify", asked).header("Access-Control-Allow-Origin") == nil)
        }
    }

    @Test("below /auth any page reads without the cookie, our own and named ones with it")
    func sessions() throws {
        func sharing(_ origins: String?, _ origin: String?) throws -> [String?] {
            let response = try ask(origins, "/auth/200", origin.map { [("HTTP_ORIGIN", $0)] } ?? [])
            return [response.header("Access-Control-Allow-Origin"), response.header("Access-Control-Allow-Credentials")]
        }
        for origins in [nil, "https://friend.example"] {
            #expect(try sharing(origins, nil) == [nil, nil])
            #expect(try sharing(origins, "https://evil.example") == ["*", nil])
            #expect(try sharing(origins, "http://music.example") == ["http://music.example", "true"])
        }
        #expect(try sharing("https://friend.example", "https://friend.example") == ["https://friend.example", "true"])
        #expect(try sharing(nil, "https://friend.example") == ["*", nil])
    }

    @Test("an answer that comes soon is dressed as well")
    func soon() throws {
        guard case .pending(let soon) = try outcome("https://friend.example", "/cache/soon", "GET", [Self.friend]) else { throw NotNow() }
        let kept = KeptPromises()
        _ = soon.outcome(for: Connection(descriptor: -1), kept)
        guard case .now(let response)? = kept.take().first?.outcome else { throw NotNow() }
        #expect(response.header("Access-Control-Allow-Origin") == "https://friend.example")
    }

    @Test("so is one that had to be waited for, whoever gives it")
    func later() throws {
        guard case .parked(let parkedRequest) = try outcome("https://friend.example", "/cache/later", "GET", [Self.friend]) else {
            throw NotNow()
        }
        #expect(parkedRequest.finished(Response(status: 503)).header("Access-Control-Allow-Origin") == "https://friend.example")
        let refused = parkedRequest.finished(Response(status: 401))
        #expect(refused.header("WWW-Authenticate") == #"Bearer realm="swingmusic-fcgi""#)
    }

    @Test("401 says how to sign in, in every family and nothing else does", arguments: families + ["/auth/verify"])
    func challenge(_ path: String) throws {
        let verify = path == "/auth/verify"
        let refused = try verify ? ask(nil, path, method: "OPTIONS") : ask(nil, path + "401")
        #expect(refused.header("WWW-Authenticate") == #"Bearer realm="swingmusic-fcgi""#)
        for status in [200, 403, 404, 503] where !verify { #expect(try ask(nil, path + "\(status)").header("WWW-Authenticate") == nil) }
    }
}
