import Caching
import FastCGI
import Foundation
import GRDB
import Logging
import Sessions
import Testing

@testable import Gateway

/// The paths below `/auth/`, without what answers there.
private let paths = PathTree(AuthRoutes(sessions: nil, blockingWorker: BlockingWorker(name: "test"), publicURL: nil).routes, .exact)

@Suite struct AuthRouteTests {
    private func id(_ path: String, _ method: Method) -> String? { paths.find(path).paths?.route(method)?.id }

    @Test("paths and methods are matched as swingmusic matches them")
    func matching() {
        #expect(id("login", .post) == "login")
        #expect(id("user", .head) == "user")
        #expect(id("sessions", .get) == "sessions")
        #expect(id("sessions", .delete) == "endSessions")
        #expect(id("sessions/abc", .delete) == "endSession")
        #expect(id("profile/update", .put) == "updateUser")
        #expect(id("devices", .get) == "devices")
        #expect(id("devices", .post) == "changeDevices")
        for method in [Method.get, .post, .options, .other("BREW")] { #expect(id("verify", method) == "verify") }
        for (path, method) in [
            ("login", Method.get), ("sessions/abc", .get), ("user", .post), ("login", .put), ("sessions", .other("BREW")),
        ] {
            #expect(id(path, method) == nil && paths.find(path).paths != nil)
        }
        for path in ["", "nothing", "login/", "/login", "sessions/", "sessions//", "sessions/a/b", "profile", "Login"] {
            #expect(paths.find(path).paths == nil)
        }
        #expect(paths.find("sessions/abc").values[0] == "abc")
    }
}

@Suite("What swingmusic might read as a route of ours is not handed on") struct ForeignPathTests {
    /// swingmusic's own, all of which are answered here (its contract), and those that are ours alone.
    private static let ours = [
        "login", "getpaircode", "pair", "refresh", "profile/update", "profile/create", "profile/guest/create", "profile/delete", "logout",
        "users", "user", "sessions", "sessions/abc",
    ]

    @Test("in none of its spellings, whatever the method", arguments: ours)
    func spellings(_ path: String) {
        let last = path.split(separator: "/").last ?? ""
        let spellings = [
            path, path + "/", path + "//", "/" + path, path.uppercased(), path.capitalized, path + ";a=b", path + "%2f", path + "%00",
            path + "\n", path + " ", "x/../" + path, "x/%2e%2e/" + path, "%2e/" + path, path.replacing("/", with: "%2F"), path + "/.",
            path + "/x/%2e%2e", path.replacing("/", with: "\\"),
            path + "?", path + "?x/y", path + "#x", path + "%3fx", path + "%23",
            path.replacing(last, with: "%" + String(last.utf8.first ?? 0, radix: 16) + last.dropFirst()),
        ]
        for spelling in spellings where AuthRoutes.isForeign(spelling[...], paths) { Issue.record("\(spelling) would be handed on") }
    }

    @Test(
        "and what is swingmusic's alone is",
        arguments: ["password/change", "invite", "invite/accept", "loginx", "users/3", "pair/all", "profile", "", "bootstrap/status"])
    func foreign(_ path: String) { #expect(AuthRoutes.isForeign(path[...], paths)) }
}

/// The router's session routes that answer at once, over a swingmusic folder of their own.
@Suite final class AuthRoutesTests {
    private let folder: String
    private let caches: Caches
    private let sessions: Sessions
    private let router: Router
    /// HS256 under the key `key`: `{"sub":{"id":1}}`.
    private static let admin = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOnsiaWQiOjF9fQ.1aKizs8_ya4AWFP5xWskRN8XVFVh-CToGXpfIR7ktTs"

    init() throws {
        folder = NSTemporaryDirectory() + "auth-routes-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try #"{"serverId":"key","usersOnLogin":true}"#.write(toFile: folder + "/settings.json", atomically: true, encoding: .utf8)
        let queue = try DatabaseQueue(path: folder + "/swingmusic.db")
        try queue.inDatabase { db in
            try db.execute(
                sql: """
                    CREATE TABLE user (id INTEGER NOT NULL, image VARCHAR, password VARCHAR NOT NULL, username VARCHAR NOT NULL,
                        roles JSON NOT NULL, extra JSON, PRIMARY KEY (id));
                    INSERT INTO user (password, username, roles) VALUES ('x', 'admin', '["admin"]')
                    """)
        }
        try queue.close()
        let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        caches = try Caches(CachesConfiguration(path: folder + "/cache.db"), log: log)
        sessions = Sessions(
            SessionsConfiguration(swingmusicFolder: folder, dataFolder: folder, origins: ["https://friend.example"]), caches: caches,
            log: log)
        let friend = try #require(BaseURL("https://friend.example"))
        router = Router(
            families: [AuthRoutes(sessions: sessions, blockingWorker: BlockingWorker(name: "test"), publicURL: nil)],
            accessControl: Self.nobody, crossOrigin: CrossOrigin(.named([friend])))
        // Seen for the first time it is written down, which no event thread does.
        _ = router.handle(Request(testing: [("REQUEST_METHOD", "GET"), ("DOCUMENT_URI", "/auth/verify"), cookie])).waitedFor()
    }

    /// It has no say below `/auth/`.
    private static let nobody = AccessControl(authenticator: NobodyKnown(), metadataNeedsSession: false, adminToken: nil)

    deinit {
        sessions.close()
        caches.close()
        try? FileManager.default.removeItem(atPath: folder)
    }

    private func ask(_ method: String, _ path: String, _ parameters: [(String, String)] = []) throws -> Response {
        let request = Request(testing: [("REQUEST_METHOD", method), ("DOCUMENT_URI", path), ("HTTP_HOST", "music.example")] + parameters)
        guard case .now(let response) = router.handle(request) else {
            Issue.record("\(method) \(path) was parked")
            return Response(status: 0)
        }
        return response
    }

    private func bodyPolicy(_ path: String) -> BodyPolicy {
        router.bodyPolicy(for: Request(testing: [("REQUEST_METHOD", "POST"), ("DOCUMENT_URI", path), ("CONTENT_LENGTH", "5")]))
    }

    private let bearer = ("HTTP_AUTHORIZATION", "Bearer \(AuthRoutesTests.admin)")
    private let cookie = ("HTTP_COOKIE", "access_token_cookie=\(AuthRoutesTests.admin)")

    @Test("a path or method that is none asks for a token first, except below the open paths")
    func unmatched() throws {
        #expect(try ask("GET", "/auth/login/").status == 404)
        #expect(try ask("GET", "/auth/USER").status == 401)
        #expect(try ask("GET", "/auth/USER", [bearer]).status == 404)
        #expect(try ask("POST", "/auth/user").status == 401)
        let refused = try ask("POST", "/auth/user", [bearer])
        #expect(refused.status == 405)
        #expect(refused.header("Allow") == "GET, HEAD, OPTIONS")
        #expect(try ask("GET", "/auth/login").status == 404)
        let put = try ask("PUT", "/auth/login")
        #expect(put.status == 405 && put.header("Allow") == "POST, OPTIONS")
        #expect(try ask("DELETE", "/auth/devices", [bearer]).header("Allow") == "GET, HEAD, POST, OPTIONS")
        #expect(try ask("BREW", "/auth/sessions", [bearer]).header("Allow") == "GET, HEAD, DELETE, OPTIONS")
        #expect(try ask("POST", "/auth/nothing").status == 401)
        for path in ["login", "users", "pair", "logout", "refresh", "profile/create"] {
            #expect(try ask("BREW", "/auth/" + path).status == 405, "\(path)")
        }
        for path in ["user", "getpaircode", "profile/update", "sessions"] {
            #expect(try ask("BREW", "/auth/" + path).status == 401, "\(path)")
        }
    }

    @Test("what is swingmusic's alone is handed on for who has a session, and for nobody else")
    func handedOn() throws {
        for path in ["/auth/nothing", "/auth/loginx", "/auth/password/change", "/auth/"] {
            for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
                #expect(try ask(method, path).status == 401)
                #expect(try ask(method, path, [("HTTP_AUTHORIZATION", "Bearer rubbish")]).status == 422)
                #expect(try ask(method, path, [bearer]).header("X-Accel-Redirect") == "@swingmusic_profile")
                #expect(try ask(method, path, [cookie, cookie]).status == 401)
                let foreign = try ask(method, path, [cookie, ("HTTP_ORIGIN", "https://evil.example")])
                #expect(foreign.status == (method == "GET" ? 200 : 403))
                #expect((foreign.header("X-Accel-Redirect") == nil) == (method != "GET"))
            }
        }
        #expect(bodyPolicy("/auth/password/change") == .ignore)
        #expect(bodyPolicy("/auth/login") == .read(limit: 65_536))
        #expect(bodyPolicy("/auth/login/") == .read(limit: 65_536))
    }

    @Test("OPTIONS is 200 and empty, and a preflight of ours is granted with credentials")
    func options() throws {
        for path in ["/auth/user", "/auth/nothing", "/auth/profile/update"] {
            let response = try ask("OPTIONS", path)
            #expect(response.status == 200 && response.body.isEmpty)
        }
        let preflight = [
            ("HTTP_ORIGIN", "https://friend.example"), ("HTTP_ACCESS_CONTROL_REQUEST_METHOD", "PUT"),
            ("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "content-type"),
        ]
        let response = try ask("OPTIONS", "/auth/profile/update", preflight)
        #expect(response.header("Access-Control-Allow-Origin") == "https://friend.example")
        #expect(response.header("Access-Control-Allow-Credentials") == "true")
        #expect(response.header("Access-Control-Allow-Headers") == "content-type")
    }

    @Test("an id with dots and slashes in it ends no other sessions")
    func escapedID() throws {
        for (compared, raw) in [
            ("/auth/sessions", "/auth/sessions/..%2Fsessions"), ("/auth/sessions/x", "/auth/sessions/y/../x"),
            ("/auth/sessions", "/auth/sessions/%2e%2e/sessions"),
        ] {
            let response = try ask("DELETE", compared, [bearer, ("REQUEST_URI", raw)])
            #expect(response.status == 400 && response.header("Content-Type") == "application/json")
        }
    }

    @Test("other sites read without credentials")
    func sharing() throws {
        let foreign = try ask("GET", "/auth/users", [("HTTP_ORIGIN", "https://evil.example")])
        #expect(foreign.header("Access-Control-Allow-Origin") == "*")
        #expect(foreign.header("Access-Control-Allow-Credentials") == nil)
        let own = try ask("GET", "/auth/users", [("HTTP_ORIGIN", "https://music.example")])
        #expect(own.header("Access-Control-Allow-Origin") == "https://music.example")
        #expect(own.header("Access-Control-Allow-Credentials") == "true")
        #expect(try ask("GET", "/auth/users").header("Access-Control-Allow-Origin") == nil)
        #expect(try ask("GET", "/auth/users").header("Vary") == "Accept-Encoding")
    }

    @Test("HEAD is GET without a body")
    func head() throws {
        let response = try ask("HEAD", "/auth/user", [bearer])
        #expect(response.status == 200 && response.omitsBody)
    }

    @Test("verify answers who it is, whatever the method and the announced length")
    func verify() throws {
        for method in ["GET", "POST", "BREW", "OPTIONS"] {
            let response = try ask(method, "/auth/verify", [cookie, ("CONTENT_LENGTH", "5000000")])
            #expect(response.status == 204)
            #expect(response.header("X-Swingmusic-User-Id") == "1")
            #expect(response.header("X-Swingmusic-Username") == "admin")
            #expect(response.header("X-Swingmusic-Roles") == "admin")
            #expect(response.header("Cache-Control") == "no-store")
        }
        #expect(try ask("GET", "/auth/verify").status == 401)
        #expect(try ask("GET", "/auth/verify").header("WWW-Authenticate") == #"Bearer realm="swingmusic-fcgi""#)
        // A preflight of a guarded location: nginx must not be told that it may pass.
        let preflight = [("HTTP_ORIGIN", "https://friend.example"), ("HTTP_ACCESS_CONTROL_REQUEST_METHOD", "GET")]
        #expect(try ask("OPTIONS", "/auth/verify", preflight).status == 401)
        #expect(try ask("GET", "/auth/verify", [cookie, cookie]).status == 401)
        #expect(try ask("GET", "/auth/verify", [cookie, ("QUERY_STRING", "role=admin")]).status == 204)
        #expect(try ask("GET", "/auth/verify", [cookie, ("QUERY_STRING", "role=owner")]).status == 403)
        #expect(try ask("POST", "/auth/verify", [cookie, ("HTTP_ORIGIN", "https://evil.example")]).status == 403)
        #expect(try ask("POST", "/auth/verify", [("QUERY_STRING", "first=1")]).status == 403)
        #expect(bodyPolicy("/auth/verify") == .ignore)
    }

    @Test("without swingmusic's folder the routes are 503, and verify lets nobody in")
    func unconfigured() throws {
        let bare = Router(
            families: [AuthRoutes(sessions: nil, blockingWorker: BlockingWorker(name: "test"), publicURL: nil)], accessControl: Self.nobody)
        func status(_ path: String) -> Int? {
            guard case .now(let response) = bare.handle(Request(testing: [("REQUEST_METHOD", "GET"), ("DOCUMENT_URI", path)])) else {
                return nil
            }
            return response.status
        }
        #expect(status("/auth/user") == 503)
        #expect(status("/auth/login") == 503)
        #expect(status("/auth/verify") == 403)
    }

    @Test("the other families know a session, its role, and a page of another site")
    func identity() {
        let source = SessionAuthenticator(sessions: sessions, publicURL: nil)
        func identity(_ method: String, _ parameters: [(String, String)]) -> Authentication {
            source.authenticate(
                Request(testing: [("REQUEST_METHOD", method), ("HTTP_HOST", "music.example")] + parameters), takesClients: false)
        }
        let admin = identity("GET", [cookie]).user
        #expect(admin?.user.id == 1 && admin?.user.isAdmin == true && admin?.renewal == nil)
        guard case .anonymous = identity("GET", []) else { return #expect(Bool(false)) }
        guard case .refused(let foreign) = identity("POST", [cookie, ("HTTP_ORIGIN", "https://evil.example")]) else {
            return #expect(Bool(false))
        }
        guard case .refused(let twice) = identity("GET", [cookie, cookie]) else { return #expect(Bool(false)) }
        #expect(foreign.status == 403 && twice.status == 401)
    }

    @Test("a name with line breaks, and a role with a comma, stay within their headers")
    func injection() throws {
        let queue = try DatabaseQueue(path: folder + "/swingmusic.db")
        try queue.inDatabase { db in
            try db.execute(
                sql: #"INSERT INTO user (password, username, roles) VALUES ('x', 'zoë' || char(13, 10) || 'X-Evil: 1', '["a","x,y"]')"#)
        }
        try queue.close()
        // `{"sub":{"id":2}}`: seen for the first time, so it waits.
        let second = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOnsiaWQiOjJ9fQ.X5DAao_BvEsnJf80utw1ypX2qCfWmn_SXRukVIZHm5k"
        let parameters = [("REQUEST_METHOD", "GET"), ("DOCUMENT_URI", "/auth/verify"), ("HTTP_AUTHORIZATION", "Bearer \(second)")]
        let outcome = router.handle(Request(testing: parameters))
        guard case .parked = outcome, case .now(let response) = outcome.waitedFor() else { return #expect(Bool(false)) }
        #expect(response.status == 204)
        #expect(response.header("X-Swingmusic-Username") == "zo%C3%AB%0D%0AX-Evil%3A%201")
        #expect(response.header("X-Swingmusic-Roles") == "a,x%2Cy")
    }
}
