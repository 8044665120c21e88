import JSON
import Testing

@testable import Sessions

@Suite struct UsersRouteTests {
    private func house(_ guest: Bool = true) throws -> Household {
        try Household(
            users: [("admin", #"["admin"]"#), ("bob", "[]"), ("carol", #"["admin"]"#)] + (guest ? [("guest", #"["guest"]"#)] : []))
    }

    private func names(_ answer: Answer) throws -> [String] {
        guard case .array(let users)? = try JSONValue(reading: answer.body)["users"] else { return [] }
        return users.compactMap { $0["username"]?.text }
    }

    @Test("anonymous callers see the users if the setting says so, else the guest alone")
    func anonymous() throws {
        let house = try house()
        let worker = house.worker()
        #expect(try names(worker.users(Caller(), simplified: nil)) == ["carol", "admin", "guest", "bob"])
        #expect(worker.users(Caller(), simplified: nil).text.hasPrefix(#"{"settings":{},"users":["#))
        try house.writeSettings(usersOnLogin: false)
        #expect(try names(worker.users(Caller(), simplified: nil)) == ["guest"])
        try house.change("DELETE FROM user WHERE username = 'guest'")
        #expect(worker.users(Caller(), simplified: nil).text == "{\"settings\":{},\"users\":[]}\n")
    }

    @Test("a plain user sees nobody, an admin all with the settings and oneself first")
    func signedIn() throws {
        let house = try house()
        let worker = house.worker()
        #expect(worker.users(.cookie(try house.foreignToken(user: 2)), simplified: nil).text == "{\"settings\":{},\"users\":[]}\n")
        let admin = worker.users(.cookie(try house.foreignToken(user: 1)), simplified: nil)
        #expect(try names(admin) == ["admin", "carol", "guest", "bob"])
        #expect(admin.text.hasPrefix(#"{"settings":{"enableGuest":true,"usersOnLogin":true},"users":[{"extra":null,"id":1,"#))
        try house.writeSettings(usersOnLogin: false)
        let closed = worker.users(.cookie(try house.foreignToken(user: 1)), simplified: nil)
        #expect(closed.text.hasPrefix(#"{"settings":{"enableGuest":true,"usersOnLogin":false}"#))
        #expect(try names(closed) == ["guest"])
    }

    @Test("a token is optional, a bad one is an error, another scheme is none")
    func optional() throws {
        let worker = try house().worker()
        #expect(worker.users(Caller(authorization: ["Basic x"]), simplified: nil).status == 200)
        #expect(worker.users(Caller(authorization: ["Bearer"]), simplified: nil).status == 422)
        #expect(worker.users(.bearer("x"), simplified: nil).status == 422)
    }

    @Test("simplified shows first names; extra without one is 422")
    func simplified() throws {
        let house = try Household(users: [("bob", "[]")])
        let worker = house.worker()
        for value in ["true", "1", "True", "yes", "on", "t", "y"] {
            #expect(
                worker.users(Caller(), simplified: value).text == #"{"settings":{},"users":[{"firstname":"","id":1,"username":"bob"}]}"#
                    + "\n")
        }
        for value in ["maybe", "", "2", " true"] {
            let input = value
            #expect(
                worker.users(Caller(), simplified: value).text
                    == #"[{"type":"bool_parsing","loc":["simplified"],"msg":"Input should be a valid boolean, unable to interpret input","input":"\#(input)","url":"https://errors.pydantic.dev/2.13/v/bool_parsing"}]"#
            )
        }
        #expect(worker.users(Caller(), simplified: "off").text.contains(#""roles":[]"#))
        try house.change(#"UPDATE user SET extra = '{"firstname": "Bö"}'"#)
        #expect(worker.users(Caller(), simplified: "1").text.contains(#""firstname":"B\u00f6""#))
        try house.change(#"UPDATE user SET extra = '{"lastname": "B"}'"#)
        #expect(worker.users(Caller(), simplified: "1").status == 422)
        #expect(worker.users(Caller(), simplified: nil).text.contains(#""extra":{"lastname":"B"}"#))
        try house.change("UPDATE user SET extra = '{}'")
        #expect(worker.users(Caller(), simplified: "1").status == 200)
    }
}
