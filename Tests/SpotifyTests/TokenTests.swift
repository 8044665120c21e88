import Testing

@testable import Spotify

@Suite struct TokenTests {
    @Test("the token and its life are what the accounts service says")
    func granted() throws {
        let caller = try Caller()
        try caller.standIn.control("POST", "token", #"{"expires_in": 120}"#)
        let token = try caller.renew().get()
        #expect(token.expiresIn == .seconds(120))
        #expect(try caller.call(bearer: token.token).isAnswer)
        #expect(try caller.standIn.figure("token_requests") == 2)
        #expect(try caller.standIn.calls("token").map(\.target) == ["/api/token", "/api/token"])
    }

    @Test("refused credentials say so")
    func refused() throws {
        let caller = try Caller()
        try caller.standIn.control("POST", "token", #"{"client_secret": "other"}"#)
        #expect(try caller.renew() == .failure(.badCredentials("invalid_client: Invalid client secret")))
        try caller.standIn.fail(#"{"on": "token", "behaviour": "status", "status": 401, "body": "{\"error\":\"invalid_client\"}"}"#)
        #expect(try caller.renew() == .failure(.badCredentials("invalid_client")))
    }

    @Test(
        "other failures of a token request are what they are",
        arguments: [
            (#""behaviour": "status", "status": 503, "body": """#, SpotifyError.server(status: 503, message: "status 503")),
            (#""behaviour": "status", "status": 429, "retry_after": 7"#, .rateLimited(retryAfter: .seconds(7), quotaExceeded: false)),
            (#""behaviour": "not_json""#, .notJSON),
            (#""behaviour": "status", "status": 200, "body": "{\"token\":1}""#, .unexpected(status: 200)),
            (#""behaviour": "status", "status": 200, "body": "{\"access_token\":\"a\\nb\",\"expires_in\":9}""#, .unexpected(status: 200)),
            (#""behaviour": "status", "status": 200, "body": "{\"access_token\":\"ab\",\"expires_in\":0}""#, .unexpected(status: 200)),
            (#""behaviour": "hang""#, .timedOut),
            (#""behaviour": "huge""#, .tooLarge),
        ])
    func failures(rule: String, error: SpotifyError) throws {
        let caller = try Caller(timeout: .milliseconds(500))
        try caller.standIn.fail("{\"on\": \"token\", \(rule)}")
        #expect(try caller.renew() == .failure(error))
    }

    @Test("a token request neither takes the API's kept connection nor keeps its own")
    func connections() throws {
        let caller = try Caller()
        #expect(try caller.call().isAnswer)
        _ = try caller.renew().get()
        #expect(try caller.call().isAnswer)
        #expect(Set(try caller.standIn.calls().map(\.connection)).count == 1)
        #expect(Set(try caller.standIn.calls("all").map(\.connection)).count == 3)
    }
}
