import JSON
import Testing

@testable import Sessions

/// A text that goes on after a NUL ends there for C, and so for SQLite's statements: the name would be another one.
@Suite struct NULTests {
    private let house: Household
    private let worker: Sessions

    init() throws {
        house = try Household()
        worker = house.worker(open: true)
    }

    private func body(_ text: String) -> FormBody { FormBody(bytes: Array(text.utf8), contentType: "application/json") }

    @Test("a login by such a name, or with such a password, is not the user's")
    func login() {
        #expect(worker.logIn(#"{"username":"bob\u0000x","password":"bobpw"}"#).status == 404)
        #expect(worker.logIn(#"{"username":"bob\u0000","password":"bobpw"}"#).status == 404)
        #expect(worker.logIn(#"{"username":"bob","password":"bobpw\u0000"}"#).status == 401)
    }

    @Test("a user is not made, renamed, deleted or given roles by such a text", arguments: ["a\\u0000b", "\\u0000", "bob\\u0000"])
    func changes(text: String) throws {
        let admin = Caller.bearer(try worker.tokens(of: "admin").access)
        func status(_ handing: Handing?) -> Int? { if case .answer(let answer)? = handing { answer.status } else { nil } }
        #expect(status(worker.createUser(body(#"{"username":"\#(text)","password":"p"}"#), admin)) == 422)
        #expect(status(worker.createUser(body(#"{"username":"new","password":"\#(text)"}"#), admin)) == 422)
        #expect(status(worker.deleteUser(body(#"{"username":"\#(text)"}"#), admin)) == 422)
        for member in [#""username":"\#(text)""#, #""password":"\#(text)""#, #""roles":["\#(text)"]"#] {
            #expect(status(worker.updateProfile(body("{\"id\":2,\(member)}"), admin) { _ in }) == 422)
        }
    }

    @Test("a row of swingmusic's with such a name or password is nobody's, and with such roles has none")
    func rows() throws {
        let bob = try house.foreignToken(user: 2)
        #expect(worker.user(.bearer(bob)).status == 200)
        try house.change("UPDATE user SET roles = '[\"admin\"]' || char(0) WHERE id = 2")
        #expect(worker.verify(.bearer(bob), method: "GET", role: "admin").status == 403)
        try house.change("INSERT INTO user (id, username, password, roles) VALUES (9, 'admin' || char(0) || 'x', 'p', '[]')")
        #expect(worker.user(.bearer(try house.foreignToken(user: 9))).status == 401)
        try house.change("UPDATE user SET password = password || char(0) WHERE id = 3")
        #expect(worker.logIn(#"{"username":"carol","password":"carolpw"}"#).status == 404)
    }

    @Test("a session is not ended by an id that goes on after it")
    func sessionID() throws {
        let bob = Caller.bearer(try worker.tokens(of: "bob").access)
        let id = try #require(try worker.all().first?.id)
        #expect(worker.end(bob, session: id + "\0x").status == 404)
        #expect(try worker.end(session: id + "\0") == false)
        #expect(worker.user(bob).status == 200)
    }
}
