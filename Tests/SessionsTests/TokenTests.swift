import Platform
import Testing

@testable import Sessions

/// Tokens of the reference instance, with their key.
private enum Reference {
    static let access =
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJmcmVzaCI6ZmFsc2UsImlhdCI6MTc5NTM1MjE0OCwianRpIjoiYTU4ZjEwYTItMDZhZC00YmMyLWExN2MtZDEwMmFmNTA1YmMwIiwidHlwZSI6ImFjY2VzcyIsInN1YiI6eyJpZCI6MSwiaW1hZ2UiOm51bGwsInVzZXJuYW1lIjoiYWRtaW4iLCJyb2xlcyI6WyJhZG1pbiJdLCJleHRyYSI6bnVsbH0sIm5iZiI6MTc5NTM1MjE0OCwiZXhwIjoxNzk3OTQ0MTQ4fQ.nb00RPZlHasV928-IxvGk0hl8m9VcEQsrrw_iPPUe90"
    static let refresh =
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJmcmVzaCI6ZmFsc2UsImlhdCI6MTc5NTM1MjE0OCwianRpIjoiY2EwYjU3ZjgtMzAwMi00ZTQxLTg5YzEtZDE2MDQ0MmVkNDc4IiwidHlwZSI6InJlZnJlc2giLCJzdWIiOnsiaWQiOjEsImltYWdlIjpudWxsLCJ1c2VybmFtZSI6ImFkbWluIiwicm9sZXMiOlsiYWRtaW4iXSwiZXh0cmEiOm51bGx9LCJuYmYiOjE3OTUzNTIxNDgsImV4cCI6MTc5Nzk0NDE0OH0.xbq9f1XhhpAyLMDyN6J8RUgrX6-bKmrUP6y4cv-nAww"
    static let nonASCII =
        #"{"fresh":false,"iat":1795352149,"jti":"ea64cc4a-366d-4000-9f4d-dbb26b20c632","type":"access","sub":{"id":5,"image":null,"username":"zo\u00eb","roles":[],"extra":null},"nbf":1795352149,"exp":1797944149}"#
}

@Suite struct TokenTests {
    let house: Household
    let key: SigningKey

    init() throws {
        house = try Household()
        key = try #require(SigningKey(serverID: Household.serverID))
    }

    @Test("the reference tokens verify, and are made again byte for byte")
    func reference() throws {
        let admin = User(id: 1, name: "admin", image: nil, rolesText: #"["admin"]"#, extraText: nil)
        let issuer = TokenIssuer(key: key)
        for (text, kind, identifier) in [
            (Reference.access, TokenKind.access, "a58f10a2-06ad-4bc2-a17c-d102af505bc0"),
            (Reference.refresh, .refresh, "ca0b57f8-3002-4e41-89c1-d160442ed478"),
        ] {
            let token = try TokenReader.read(Array(text.utf8), key: key)
            #expect(token.claims.kind == kind)
            #expect(token.claims.userID == .user(1))
            #expect(token.claims.expiresAt == 1_797_944_148)
            let made = issuer.make(kind, subject: admin.subject, second: 1_795_352_148, identifier: identifier)
            #expect(made.text == text)
            #expect(made.hash == token.hash)
        }
    }

    @Test("a name outside of ASCII is escaped as Python escapes it")
    func nonASCII() throws {
        let user = User(id: 5, name: "zoë", image: nil, rolesText: "[]", extraText: nil)
        let made = TokenIssuer(key: key).make(
            .access, subject: user.subject, second: 1_795_352_149, identifier: "ea64cc4a-366d-4000-9f4d-dbb26b20c632")
        let payload = try #require(Base64URL.decode(Array(made.text.split(separator: ".")[1].utf8)))
        #expect(String(decoding: payload, as: UTF8.self) == Reference.nonASCII)
    }

    @Test("another spelling of the signature does not make another token")
    func spelling() throws {
        let text = Array(Reference.access.utf8)
        // 43 letters hold 258 bits: the last two of them mean nothing, and only zero is taken.
        for last in "1234567" {
            #expect(throws: TokenFault.self) { try TokenReader.read(text.dropLast() + [last.asciiValue ?? 0], key: key) }
        }
        #expect(throws: TokenFault.padding(part: "crypto")) { try TokenReader.read(text + Array("=".utf8), key: key) }
        #expect(throws: TokenFault.padding(part: "crypto")) { try TokenReader.read(text + Array("!".utf8), key: key) }
    }

    static let now: Int64 = 1_795_400_000

    @Test(
        "payloads are judged as swingmusic's libraries judge them",
        arguments: [
            (#"{"sub":{"id":1}}"#, 200, ""),
            (#"{"sub":{"id":1},"exp":"1795400001"}"#, 200, ""),
            (#"{"sub":{"id":1},"exp":" +1_795_400_001 "}"#, 200, ""),
            (#"{"sub":{"id":1},"exp":1795400000}"#, 401, "Token has expired"),
            (#"{"sub":{"id":1},"exp":1795400000.9}"#, 401, "Token has expired"),
            (#"{"sub":{"id":1},"exp":true}"#, 401, "Token has expired"),
            (#"{"sub":{"id":1},"exp":1e300}"#, 200, ""),
            (#"{"sub":{"id":1},"exp":"abc"}"#, 422, "Expiration Time claim (exp) must be an integer."),
            (#"{"sub":{"id":1},"exp":"12.5"}"#, 422, "Expiration Time claim (exp) must be an integer."),
            (#"{"sub":{"id":1},"exp":null}"#, 422, "Expiration Time claim (exp) must be an integer."),
            (#"{"sub":{"id":1},"iat":"x"}"#, 422, "Issued At claim (iat) must be an integer."),
            (#"{"sub":{"id":1},"nbf":""}"#, 422, "Not Before claim (nbf) must be an integer."),
            (#"{"sub":{"id":1},"iat":1795400001}"#, 422, "The token is not yet valid (iat)"),
            (#"{"sub":{"id":1},"nbf":"1795400001"}"#, 422, "The token is not yet valid (nbf)"),
            (#"{"sub":{"id":1},"iat":1795400000.9,"nbf":1795400000}"#, 200, ""),
            (#"{"sub":{"id":1},"jti":1}"#, 422, "JWT ID must be a string"),
            (#"{"sub":{"id":1},"jti":null}"#, 422, "JWT ID must be a string"),
            (#"{"sub":{"id":1},"jti":1,"exp":1}"#, 422, "JWT ID must be a string"),
            (#"{"sub":{"id":1},"type":"refresh"}"#, 422, "Only non-refresh tokens are allowed"),
            (#"{"sub":{"id":1},"type":"refresh","exp":1}"#, 401, "Token has expired"),
            (#"{"sub":{"id":1},"type":"other"}"#, 200, ""),
            (#"{"sub":{"id":1},"type":null,"aud":"x","iss":1,"csrf":[]}"#, 200, ""),
            (#"{}"#, 422, "Missing claim: sub"),
            (#"{"sub":null}"#, 422, "Invalid claim: sub must be an object with an id"),
            (#"{"sub":"x"}"#, 422, "Invalid claim: sub must be an object with an id"),
            (#"{"sub":{}}"#, 422, "Invalid claim: sub must be an object with an id"),
            (#"{"sub":{"id":[1]}}"#, 422, "Invalid claim: sub must be an object with an id"),
            (#"{"sub":{"id":9}}"#, 401, "Error loading the user {'id': 9}"),
            (#"{"sub":{"id":"1"}}"#, 200, ""),
            (#"{"sub":{"id":1.0}}"#, 200, ""),
            (#"{"sub":{"id":null}}"#, 401, "Error loading the user {'id': None}"),
            (
                #"{"sub":{"id":9,"x":"it's","q":"\"","u":"zo\u00eb\u200b\ud83d\ude00\u007f\n\\","f":1e20,"g":0.1,"t":true,"l":[1,"a"]}}"#,
                401,
                #"Error loading the user {'id': 9, 'x': "it's", 'q': '"', 'u': 'zoë\u200b😀\x7f\n\\', 'f': 1e+20, 'g': 0.1, 't': True, 'l': [1, 'a']}"#
            ),
            (#"{"sub":{"id":1},"sub":{"id":9}}"#, 401, "Error loading the user {'id': 9}"),
            (" {\"sub\" : {\"id\":1}}\n", 200, ""),
            ("[]", 422, "Invalid payload string: must be a json object"),
            ("nope", 422, "Invalid payload string: Expecting value: line 1 column 1 (char 0)"),
            ("{", 422, "Invalid payload string: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
            (#"{"sub":{"id":1}}{}"#, 422, "Invalid payload string: Extra data: line 1 column 17 (char 16)"),
        ])
    func payloads(payload: String, status: Int, message: String) throws {
        let token = try house.signed(payload)
        let worker = try Household(now: Self.now * 1000).worker()
        for caller in [Caller.cookie(token), .bearer(token)] {
            let answer = worker.user(caller)
            #expect(answer.status == status, "\(answer.text)")
            if status != 200 { #expect(answer.message == message) }
        }
    }

    @Test(
        "headers are judged as swingmusic's libraries judge them",
        arguments: [
            (#"{"alg":"HS256"}"#, 200, ""),
            (#"{ "typ":1, "alg":"HS256","kid":"x"}"#, 200, ""),
            (#"{"alg":"none"}"#, 422, "The specified alg value is not allowed"),
            (#"{"alg":"HS512"}"#, 422, "The specified alg value is not allowed"),
            (#"{"alg":"hs256"}"#, 422, "The specified alg value is not allowed"),
            (#"{"alg":null}"#, 422, "The specified alg value is not allowed"),
            (#"{}"#, 422, "Algorithm not specified"),
            (#"{"alg":"HS256","kid":1}"#, 422, "Key ID header parameter must be a string"),
            (#"{"alg":"HS256","crit":["x"]}"#, 422, "Unsupported critical extension"),
            ("[]", 422, "Invalid header string: must be a json object"),
        ])
    func headers(header: String, status: Int, message: String) throws {
        let answer = house.worker().user(.bearer(try house.signed(#"{"sub":{"id":1}}"#, header: header)))
        #expect(answer.status == status)
        if status != 200 { #expect(answer.message == message) }
    }

    @Test(
        "texts that are no token",
        arguments: [
            ("a", "Not enough segments"), ("a.b", "Not enough segments"), ("a.b.c", "Invalid header padding"),
            ("..", "Invalid header string: Expecting value: line 1 column 1 (char 0)"),
            ("eyJhbGciOiJIUzI1NiJ9.x.y", "Invalid payload padding"), ("eyJhbGciOiJIUzI1NiJ9.e30.y", "Invalid crypto padding"),
            ("eyJhbGciOiJIUzI1NiJ9.e30.", "Signature verification failed"),
            ("eyJhbGciOiJIUzI1NiJ9..", "Invalid payload string: Expecting value: line 1 column 1 (char 0)"),
            ("e30.e30.AA", "Algorithm not specified"), (String(repeating: "a", count: 60_000), "The token is too long"),
        ])
    func texts(text: String, message: String) {
        let answer = house.worker().user(.bearer(text))
        #expect(answer.status == 422)
        #expect(answer.message == message)
    }

    @Test("another key or an altered payload is a bad signature, even when also expired")
    func signatures() throws {
        let worker = house.worker()
        let other = try house.signed(#"{"sub":{"id":1},"exp":1}"#, serverID: "other")
        #expect(worker.user(.bearer(other)).message == "Signature verification failed")
        var parts = Reference.access.split(separator: ".").map(String.init)
        parts[1] = String(decoding: Base64URL.encode(#"{"sub":{"id":2}}"#.utf8), as: UTF8.self)
        #expect(worker.user(.bearer(parts.joined(separator: "."))).message == "Signature verification failed")
    }

    @Test("ten thousand random tokens are refused and none is remembered")
    func random() {
        let worker = house.worker()
        for _ in 0..<10_000 {
            #expect(
                worker.user(.bearer("\(RandomName.letters(bits: 128)).\(RandomName.letters(bits: 128)).\(RandomName.letters(bits: 128))"))
                    .status == 422)
        }
        #expect(worker.authenticator.memory.count == 0)
    }
}
