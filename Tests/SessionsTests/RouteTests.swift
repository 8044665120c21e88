import JSON
import Testing

@testable import Sessions

@Suite struct RouteTests {
    let house: Household
    let worker: Sessions

    init() throws {
        house = try Household()
        worker = house.worker()
    }

    @Test("login answers tokens and a cookie that holds the access token")
    func login() throws {
        let answer = worker.logIn(#"{"username":"admin","password":"adminpw","extra":1}"#)
        #expect(answer.status == 200)
        let access = try answer.member("accesstoken")
        #expect(
            answer.text
                == #"{"accesstoken":"\#(access)","maxage":2592000,"msg":"Logged in as admin","refreshtoken":"\#(try answer.member("refreshtoken"))"}"#
                + "\n")
        #expect(
            answer.cookies == [
                "access_token_cookie=\(access); Expires=Wed, 23 Dec 2026 02:13:20 GMT; Max-Age=2592000; HttpOnly; Path=/"
            ])
        #expect(worker.user(.bearer(access)).text == #"{"extra":null,"id":1,"image":null,"roles":["admin"],"username":"admin"}"# + "\n")
    }

    @Test(
        "cookies are as swingmusic writes them over plain HTTP, and over HTTPS say so, and for whose pages they are",
        arguments: [(CookieReach.unsaid, ""), (.own, "; Secure; SameSite=Lax"), (.foreign, "; Secure; SameSite=None")])
    func reach(_ reach: CookieReach, _ attributes: String) throws {
        let body = #"{"username":"admin","password":"adminpw"}"#
        let answer = worker.logIn(body, Caller(reach: reach))
        let access = try answer.member("accesstoken")
        #expect(
            answer.cookies == [
                "access_token_cookie=\(access); Expires=Wed, 23 Dec 2026 02:13:20 GMT; Max-Age=2592000; HttpOnly; Path=/\(attributes)"
            ])
        #expect(
            worker.logout(Caller(reach: reach)).cookies == [
                "access_token_cookie=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/\(attributes)"
            ])
        var due = Caller.cookie(try house.signed(#"{"sub":{"id":2},"exp":\#(house.now / 1000 + 86_400)}"#))
        due.reach = reach
        let renewed = try #require(worker.user(due).cookies.first)
        #expect(renewed.hasSuffix("; HttpOnly; Path=/\(attributes)"))
    }

    private static func missing(_ field: String, _ input: String) -> String {
        #"{"type":"missing","loc":["\#(field)"],"msg":"Field required","input":\#(input),"url":"https://errors.pydantic.dev/2.13/v/missing"}"#
    }
    private static func text(_ field: String, _ input: String) -> String {
        #"{"type":"string_type","loc":["\#(field)"],"msg":"Input should be a valid string","input":\#(input),"url":"https://errors.pydantic.dev/2.13/v/string_type"}"#
    }
    private static let nothing = "[\(missing("username", "{}")),\(missing("password", "{}"))]"

    @Test(
        "what is wrong with a login's body is said as pydantic says it",
        arguments: [
            ("", nothing), ("{}", nothing), ("[]", nothing), ("null", nothing), ("0", nothing), ("{", nothing), (#""{}""#, nothing),
            (#"{"username":"zoë","pass":1e3}"#, "[\(missing("password", #"{"username":"zoë","pass":1000.0}"#))]"),
            (#"{"username":1,"password":null}"#, "[\(text("username", "1")),\(text("password", "null"))]"),
            (#"{"username":[],"password":{}}"#, "[\(text("username", "[]")),\(text("password", "{}"))]"),
            (
                "[1]",
                #"[{"type":"model_type","loc":[],"msg":"Input should be a valid dictionary or instance of LoginBody","input":[1],"ctx":{"class_name":"LoginBody"},"url":"https://errors.pydantic.dev/2.13/v/model_type"}]"#
            ),
            (
                #""[1]""#,
                #"[{"type":"model_type","loc":[],"msg":"Input should be an object","input":[1],"ctx":{"class_name":"LoginBody"},"url":"https://errors.pydantic.dev/2.13/v/model_type"}]"#
            ),
            (
                #""x""#,
                #"[{"type":"json_invalid","loc":[],"msg":"Invalid JSON: expected value at line 1 column 1","input":"x","ctx":{"error":"expected value at line 1 column 1"},"url":"https://errors.pydantic.dev/2.13/v/json_invalid"}]"#
            ),
        ])
    func badLogin(body: String, expected: String) {
        let answer = worker.logIn(body)
        #expect(answer.status == 422)
        #expect(answer.text == expected)
    }

    @Test("a body of another type is no body; JSON in a JSON string is read; the last of two keys counts")
    func bodies() {
        let good = Array(#"{"username":"nobody","password":"b"}"#.utf8)
        for type in ["application/json", "application/json; charset=utf-8", "application/vnd.api+json", " APPLICATION/JSON"] {
            #expect(worker.answer(FormBody(bytes: good, contentType: type))?.status == 404, "\(type)")
        }
        for type in ["text/json", "text/plain", nil, "application/jsonx", "text/x+json"] {
            #expect(worker.answer(FormBody(bytes: good, contentType: type))?.text == Self.nothing)
        }
        #expect(worker.logIn(#""{\"username\":\"nobody\",\"password\":\"b\"}""#).message == "User not found")
        #expect(worker.logIn(#"{"username":"bob","username":"nobody","password":"b"}"#).message == "User not found")
    }

    @Test("names are exact, and of equal ones the lowest id counts")
    func names() throws {
        #expect(worker.logIn(#"{"username":"Admin","password":"adminpw"}"#).message == "User not found")
        #expect(worker.logIn(#"{"username":" admin","password":"adminpw"}"#).message == "User not found")
        let wrong = worker.logIn(#"{"username":"admin","password":"bobpw"}"#)
        #expect(wrong.status == 401)
        #expect(wrong.message == "Hehe! invalid password")
        try house.change("UPDATE user SET username = 'bob' WHERE id = 3")
        #expect(worker.user(.bearer(try worker.tokens(of: "bob").access)).text.contains(#""id":2"#))
    }

    @Test("a hash in capitals does not match")
    func capitals() throws {
        try house.change("UPDATE user SET password = upper(password) WHERE id = 2")
        #expect(worker.logIn(#"{"username":"bob","password":"bobpw"}"#).status == 401)
    }

    @Test("a user outside of ASCII logs in and is shown escaped")
    func nonASCII() throws {
        let house = try Household(users: [("zoë", "[]")])
        let worker = house.worker()
        let tokens = try worker.tokens(of: "zoë")
        #expect(worker.user(.bearer(tokens.access)).text == #"{"extra":null,"id":1,"image":null,"roles":[],"username":"zo\u00eb"}"# + "\n")
        #expect(worker.verify(.bearer(tokens.access), method: "GET", role: nil).user?.name == "zoë")
    }

    @Test("a missing, other or bad token has swingmusic's answer")
    func tokens() throws {
        #expect(worker.user(Caller()).status == 401)
        #expect(worker.user(Caller()).message == CredentialTests.noneAtAll)
        let access = try worker.tokens(of: "bob").access
        #expect(worker.user(Caller(cookies: ["access_token_cookie=x"], authorization: ["Bearer \(access)"])).status == 422)
        #expect(worker.user(Caller(cookies: ["access_token_cookie=\(access); access_token_cookie=x"])).status == 200)
        #expect(worker.user(Caller(cookies: ["access_token_cookie=x; access_token_cookie=\(access)"])).status == 422)
    }

    @Test("roles and names come from the database at once")
    func roles() throws {
        let access = try worker.tokens(of: "bob").access
        #expect(worker.verify(.cookie(access), method: "GET", role: "admin").status == 403)
        try house.change(#"UPDATE user SET roles = '["admin", "x,y"]' WHERE id = 2"#)
        let verification = worker.verify(.cookie(access), method: "GET", role: "admin")
        #expect(verification.status == 204)
        #expect(verification.user?.id == 2)
        #expect(verification.user?.roles == ["admin", "x,y"])
    }

    @Test("verify knows 204, 401 and 403 only")
    func verify() throws {
        let access = try worker.tokens(of: "bob").access
        #expect(worker.verify(Caller(), method: "GET", role: nil).status == 401)
        #expect(worker.verify(.bearer("x"), method: "GET", role: nil).status == 401)
        #expect(
            worker.verify(Caller(cookies: ["access_token_cookie=\(access)", "access_token_cookie=\(access)"]), method: "GET", role: nil)
                .status == 401)
        #expect(worker.verify(Caller(authorization: ["Bearer"]), method: "GET", role: nil).status == 401)
        var foreign = Caller.cookie(access)
        foreign.origin = "https://evil.example"
        #expect(worker.verify(foreign, method: "GET", role: nil).status == 204)
        #expect(worker.verify(foreign, method: "POST", role: nil).status == 403)
    }

    @Test("refresh keeps the sub of the presented token, stale name and all, and the old token")
    func refresh() throws {
        let refresh = try house.foreignToken(.refresh, user: 3)
        let answer = worker.refresh(.bearer(refresh))
        #expect(answer.status == 200)
        #expect(answer.message == "Logged in as old name")
        #expect(answer.cookies.isEmpty)
        let key = try #require(SigningKey(serverID: Household.serverID))
        let made = try TokenReader.read(Array(try answer.member("accesstoken").utf8), key: key)
        #expect(made.claims.subject == .object([JSONMember("id", .integer(3)), JSONMember("username", .string("old name"))]))
        #expect(worker.refresh(.bearer(refresh)).status == 200)
        #expect(worker.user(.bearer(try answer.member("accesstoken"))).text.contains("carol"))
        #expect(worker.refresh(Caller(cookies: ["refresh_token_cookie=\(refresh)"])).status == 200)
    }

    @Test("refresh wants a refresh token")
    func badRefresh() throws {
        #expect(worker.refresh(Caller()).message?.contains(#"Missing cookie "refresh_token_cookie""#) == true)
        #expect(worker.refresh(.bearer(try house.foreignToken(user: 2))).message == "Only refresh tokens are allowed")
        #expect(worker.refresh(.bearer("garbage")).status == 422)
        let nameless = try house.signed(#"{"sub":{"id":2},"type":"refresh"}"#)
        #expect(worker.refresh(.bearer(nameless)).status == 422)
        let gone = try house.signed(#"{"sub":{"id":9},"type":"refresh"}"#)
        #expect(worker.refresh(.bearer(gone)).message == "Error loading the user {'id': 9}")
    }

    @Test("logout is always 200, clears the cookie and says so")
    func logout() throws {
        for caller in [Caller(), .cookie("garbage"), .cookie(try worker.tokens(of: "bob").access)] {
            let answer = worker.logout(caller)
            #expect(answer.status == 200)
            #expect(answer.text == "{\"msg\":\"Logged out\"}\n")
            #expect(answer.cookies == ["access_token_cookie=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"])
        }
    }

    @Test("a cookie with under a week left is renewed, unless an Authorization header came along")
    func renewal() throws {
        let day: Int64 = 86_400
        let now = house.now / 1000
        let due = try house.signed(#"{"sub":{"id":2},"exp":\#(now + 7 * day - 1)}"#)
        let answer = worker.user(.cookie(due))
        let cookie = try #require(answer.cookies.first)
        #expect(cookie.hasSuffix("; Expires=Tue, 23 Nov 2027 03:20:00 GMT; Max-Age=31540000; HttpOnly; Path=/"))
        let renewed = String(cookie.dropFirst("access_token_cookie=".count).prefix { $0 != ";" })
        let key = try #require(SigningKey(serverID: Household.serverID))
        let token = try TokenReader.read(Array(renewed.utf8), key: key)
        #expect(token.claims.subject == .object([JSONMember("id", .integer(2))]))
        #expect(token.claims.expiresAt == now + 30 * day)
        #expect(worker.user(.cookie(due)).cookies == answer.cookies)
        #expect(worker.verify(.cookie(due), method: "GET", role: "admin").cookie == cookie)

        var both = Caller.cookie(due)
        both.authorization = ["Basic x"]
        #expect(worker.user(both).cookies.isEmpty)
        #expect(worker.user(.bearer(due)).cookies.isEmpty)
        #expect(worker.user(.cookie(try house.signed(#"{"sub":{"id":2},"exp":\#(now + 7 * day)}"#))).cookies.isEmpty)
        #expect(worker.user(.cookie(try house.signed(#"{"sub":{"id":2}}"#))).cookies.isEmpty)
        // A refusal of the route carries it as well; a route that takes a token optionally does not renew.
        #expect(worker.end(.cookie(due), session: "nothing").cookies == answer.cookies)
        #expect(worker.users(.cookie(due), simplified: nil).cookies.isEmpty)
    }
}

extension Sessions {
    /// A login whatever thread it is answered on.
    func answer(_ body: FormBody) -> Answer? {
        let form = LoginForm.read(body)
        if case .failure(let fault) = form { return fault.answer }
        return logIn(String(decoding: body.bytes, as: UTF8.self))
    }
}
