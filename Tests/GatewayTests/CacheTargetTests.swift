import FastCGI
import Testing

@testable import Gateway

/// A key is what the client sent, decoded once, in the cache that nginx compared.
@Suite struct CacheTargetTests {
    private static let name = Parameter.path("name", "", oneOf: ["session", "temp"])
    private static let key = Parameter.path("key", "", .text)
    private let paths: PathTree = PathTree(
        [
            Route(.get, "{name}", id: "", access: .open, summary: "", parameters: [name], answers: []) { _ in .now(Response(status: 200)) },
            Route(.get, "{name}/{key}", id: "", access: .open, summary: "", parameters: [name, key], answers: []) { _ in
                .now(Response(status: 200))
            },
        ], .asSent)

    /// The key that a request names, and its cache; the route is that of a cache for an empty key.
    /// - Parameters:
    ///   - compared: what nginx has made of the path, without `/cache/`.
    ///   - raw: `$request_uri`.
    private func target(_ compared: String, _ raw: String?) throws(BadRequest) -> (cache: String, key: [UInt8]) {
        var path = "/cache/" + compared
        let request = Request(testing: raw.map { [("REQUEST_URI", $0)] } ?? [])
        let match = path.withUTF8 { paths.find($0, from: 7, RawPath(request)) }
        if let fault = match.fault { throw fault }
        guard let found = match.paths?.route(.get) else { throw BadRequest(404, "") }
        #expect((found.template == "{name}") == match.values.rest.isEmpty)
        return (match.values[0] ?? "", match.values.rest)
    }

    private func key(_ compared: String, _ raw: String?) throws -> String {
        String(decoding: try target(compared, raw).key, as: UTF8.self)
    }

    private func refusal(_ compared: String, _ raw: String?) -> Int? {
        do throws(BadRequest) {
            _ = try target(compared, raw)
            return nil
        } catch {
            return error.status
        }
    }

    @Test(
        "what nginx made of it does not matter to the key",
        arguments: [
            ("temp/a/b", "/cache/temp/a//b", "a//b"), ("temp/b", "/cache/temp/a/../b", "a/../b"), ("temp/b", "/cache/temp/./b", "./b"),
            ("temp/a/b", "/cache/temp/a%2Fb", "a/b"), ("temp/a+b", "/cache/temp/a+b", "a+b"),
            ("temp/a%2Fb", "/cache/temp/a%252Fb", "a%2Fb"),
            ("temp/k", "/cache/temp/k?ttl=1s", "k"), ("temp/k?x", "/cache/temp/k%3Fx?y", "k?x"), ("temp/a#b", "/cache/temp/a%23b", "a#b"),
            ("temp/", "/cache/temp//", "/"), ("temp/", "/cache/temp/a/..", "a/.."), ("temp/\0", "/cache/temp/%00", "\0"),
            ("temp", "/cache/temp", ""), ("temp/", "/cache/temp/", ""),
        ])
    func keys(_ compared: String, _ raw: String, _ expected: String) throws {
        #expect(try key(compared, raw) == expected)
        #expect(try target(compared, raw).cache == "temp")
    }

    @Test("bytes that are no text are a key")
    func bytes() throws { #expect(try target("temp/\u{FFFD}", "/cache/temp/%ff%FE").key == [0xFF, 0xFE]) }

    @Test(
        "a cache that is named otherwise than plainly, and what is no path, is 400",
        arguments: [
            ("session/x", "/cache/temp/..%2Fsession%2Fx"), ("session/x", "/cache/temp/../session/x"), ("x", "/cache/temp/../x"),
            ("temp/x", "/cache/%74emp/x"), ("temp/x", "//cache/temp/x"), ("temp/x", "/cache//temp/x"), ("temp/x", "/cache/./temp/x"),
            ("temp/x", "/other/../cache/temp/x"), ("temp/x", "/cache/tempx/../temp/x"), ("temp", "/cache/temp/..%2Ftemp"),
            ("temp", "/cache/temp#x"), ("temp/x", "/cache/temp/x#y"), ("temp/x", "/cache/temp/x%"), ("temp/x", "/cache/temp/x%4"),
            ("temp/x", "/cache/temp/x%zz"), ("", "/cache/temp/.."), ("temp/x", "*"),
        ])
    func refused(_ compared: String, _ raw: String) { #expect(refusal(compared, raw) == 400) }

    @Test("a cache that is none is 404, a key of more than 512 bytes 400, counted after decoding")
    func limits() throws {
        #expect(refusal("nonsense/x", "/cache/nonsense/x") == 404)
        #expect(refusal("", "/cache/") == 404)
        let stage = try GatewayStage()
        let whole = String(repeating: "%6b", count: 512)
        func status(_ compared: String, _ raw: String?) -> Int? {
            stage.ask("GET", "/cache/" + compared, raw.map { [("REQUEST_URI", $0)] } ?? [])?.status
        }
        #expect(status("temp/k", "/cache/temp/" + whole) == 404)
        #expect(status("temp/k", "/cache/temp/k" + whole) == 400)
        #expect(status("temp/" + String(repeating: "k", count: 513), nil) == 400)
        #expect(status("nonsense/x", "/cache/nonsense/x") == 404)
    }

    @Test("with an older include file the key is what nginx made of the path")
    func without() throws {
        #expect(try key("temp/a/b", nil) == "a/b")
        #expect(try key("temp/a/b", "") == "a/b")
    }

    @Test("only a path to which nothing was done but decoding is as it was compared")
    func compared() {
        func isAs(_ compared: String, _ raw: String) -> Bool? {
            let request = Request(testing: [("DOCUMENT_URI", compared), ("REQUEST_URI", raw)])
            return RawPath(request)?.isAs(compared: request)
        }
        #expect(isAs("/auth/sessions/a b", "/auth/sessions/a%20b?x=1") == true)
        #expect(isAs("/auth/sessions", "/auth/sessions/..%2fsessions") == false)
        #expect(isAs("/auth/sessions", "/auth//sessions") == false)
        #expect(isAs("/auth/sessions", "/auth/sessions%") == false)
        #expect(isAs("/auth/sessions", "") == nil)
    }
}
