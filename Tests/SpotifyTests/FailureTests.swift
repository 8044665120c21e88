import CSystem
import Testing

@testable import Spotify

@Suite struct FailureTests {
    @Test(
        "each status is its error",
        arguments: [
            (#""status": 400, "message": "Invalid limit""#, SpotifyError.badRequest("Invalid limit")),
            (#""status": 401, "message": "The access token expired""#, .unauthorized),
            (#""status": 403, "message": "Forbidden""#, .forbidden("Forbidden")),
            (#""status": 403, "body": "the user\tmay not""#, .accountRefused("the user may not")),
            (#""status": 403, "body": """#, .accountRefused("status 403")),
            (
                #""status": 403, "message": "Active premium subscription required for the owner of the app""#,
                .accountRefused("Active premium subscription required for the owner of the app")
            ),
            (#""status": 404, "message": "Resource not found""#, .notFound("Resource not found")),
            (#""status": 404, "body": "<html>no</html>""#, .unexpected(status: 404)),
            (#""status": 429, "retry_after": 30"#, .rateLimited(retryAfter: .seconds(30), quotaExceeded: false)),
            (#""status": 429, "retry_after": 86400"#, .rateLimited(retryAfter: .seconds(86_400), quotaExceeded: false)),
            (#""status": 429"#, .rateLimited(retryAfter: nil, quotaExceeded: false)),
            (#""status": 429, "retry_after": 0"#, .rateLimited(retryAfter: .zero, quotaExceeded: false)),
            (
                #""status": 429, "reason": "QUOTA_EXCEEDED", "retry_after": 3600"#,
                .rateLimited(retryAfter: .seconds(3600), quotaExceeded: true)
            ),
            (#""status": 429, "body": """#, .rateLimited(retryAfter: nil, quotaExceeded: false)),
            (#""status": 500, "message": "Oops""#, .server(status: 500, message: "Oops")),
            (#""status": 502, "body": "<html>Bad Gateway</html>""#, .server(status: 502, message: "<html>Bad Gateway</html>")),
            (#""status": 503, "body": """#, .server(status: 503, message: "status 503")),
            (#""status": 503, "body": "", "retry_after": 6"#, .server(status: 503, message: "status 503", retryAfter: .seconds(6))),
            (#""status": 500, "body": "", "retry_after": 0"#, .server(status: 500, message: "status 500")),
            (#""status": 204, "body": """#, .unexpected(status: 204)),
            (#""status": 418"#, .unexpected(status: 418)),
        ])
    func statuses(rule: String, error: SpotifyError) throws {
        let caller = try Caller()
        try caller.standIn.fail("{\"behaviour\": \"status\", \(rule)}")
        #expect(try caller.call() == .failure(error))
        try caller.standIn.fail("")
        #expect(try caller.call().isAnswer, "the next call works again")
    }

    @Test("Spotify's own refusals are told apart")
    func own() throws {
        let caller = try Caller()
        #expect(try caller.call("/v1/tracks/0000000000000000000000") == .failure(.notFound("Resource not found")))
        #expect(try caller.call("/v1/tracks/x") == .failure(.badRequest("Invalid base62 id")))
        #expect(try caller.call("/v1/tracks?ids=11dFghVXANMlKmJXsNCbNl") == .failure(.forbidden("Forbidden")))
        try caller.standIn.control("POST", "token", #"{"revoke": true}"#)
        #expect(try caller.call() == .failure(.unauthorized))
    }

    @Test(
        "each broken answer is its error, and the next call works again",
        arguments: [
            (#""behaviour": "not_json""#, "notJSON"), (#""behaviour": "bad_json""#, "notJSON"), (#""behaviour": "empty""#, "notJSON"),
            (#""behaviour": "huge""#, "tooLarge"), (#""behaviour": "truncate""#, "cut"), (#""behaviour": "chunked_cut""#, "cut"),
            (#""behaviour": "reset""#, "cut"), (#""behaviour": "close""#, "cut"), (#""behaviour": "half_head""#, "notJSON"),
            (#""behaviour": "garbage""#, "cut"), (#""behaviour": "hang""#, "timedOut"),
            (#""behaviour": "drip", "bytes": 8, "ms": 50"#, "timedOut"),
            (#""behaviour": "redirect", "location": "/v1/markets""#, "unexpected"),
        ])
    func broken(rule: String, name: String) throws {
        let caller = try Caller(timeout: .milliseconds(600))
        try caller.standIn.fail("{\(rule)}")
        let start = csys_monotonic_ns()
        guard case .failure(let error) = try caller.call() else {
            Issue.record("it should fail")
            return
        }
        #expect(error.name == name, "\(error)")
        // By the call's own timeout, not the ten seconds that it is driven here; a busy machine may take its time.
        #expect(csys_monotonic_ns() - start < 5_000_000_000)
        #expect(caller.asked == 1)
        #expect(try caller.standIn.calls().count == 1)
        try caller.standIn.fail("")
        #expect(try caller.call().isAnswer)
    }

    @Test("chunks, a wrong content type and a close without warning do not matter", arguments: ["chunked", "content_type", "close_after"])
    func harmless(behaviour: String) throws {
        let caller = try Caller()
        try caller.standIn.fail("{\"behaviour\": \"\(behaviour)\"}")
        for _ in 0..<3 {
            #expect(try caller.call().isAnswer)
            let end = csys_monotonic_ns() + 1_000_000_000
            while behaviour == "close_after", caller.client.hasWarmConnection, csys_monotonic_ns() < end {}
        }
        #expect(try caller.standIn.calls().count == 3)
    }

    @Test("a body of 8 MiB is taken, one byte more is not")
    func cap() throws {
        let caller = try Caller()
        let frame = #"{"name":""}"#.utf8.count
        try caller.standIn.fail(#"{"behaviour": "huge", "bytes": \#((8 << 20) - frame)}"#)
        #expect(try caller.call().isAnswer)
        try caller.standIn.fail(#"{"behaviour": "huge", "bytes": \#((8 << 20) - frame + 1)}"#)
        #expect(try caller.call() == .failure(.tooLarge))
    }

    @Test("nobody listening, an unknown name, or a silent port is unreachable, and the gate is not asked")
    func unreachable() throws {
        for address in ["http://127.0.0.1:1", "http://name.invalid"] {
            let endpoints = SpotifyEndpoints(apiURL: address, accountsURL: address, timeout: .seconds(2))
            let client = try SpotifyClient(endpoints: endpoints, log: .init(label: "test"))
            var ended: CallResult?
            var token: Result<AccessToken, SpotifyError>?
            client.begin(gate: { .send(target: "/v1/asked", bearer: "x") }) { ended = $0 }
            client.requestToken(SpotifyCredentials(clientID: "a", clientSecret: "b")) { token = $0 }
            let end = csys_monotonic_ns() + 5_000_000_000
            while client.active > 0, csys_monotonic_ns() < end { client.poll(for: .milliseconds(50), wake: nil) }
            guard case .failure(.unreachable) = ended, case .failure(.unreachable) = token else {
                Issue.record("\(address): \(String(describing: ended)) \(String(describing: token))")
                continue
            }
        }
    }

    @Test(
        "an address that is none is refused at the start",
        arguments: ["", "ftp://x", "api.spotify.com", "https://", "https://u:p@x", "https://x?y"])
    func addresses(address: String) {
        #expect(!SpotifyEndpoints.isUsable(address))
        #expect(throws: SpotifyError.self) { try SpotifyClient(endpoints: .init(apiURL: address), log: .init(label: "test")) }
    }
}

extension SpotifyError {
    fileprivate var name: String {
        switch self {
        case .notJSON: "notJSON"
        case .tooLarge: "tooLarge"
        case .cut: "cut"
        case .timedOut: "timedOut"
        case .unexpected: "unexpected"
        default: "\(self)"
        }
    }
}
