import Dispatch
import Platform
import Synchronization
import Testing

@testable import Sessions

@Suite struct ProfileTests {
    let house: Household
    let worker: Sessions

    init() throws {
        house = try Household(users: [("admin", #"["admin"]"#), ("bob", "[]"), ("guest", #"["guest"]"#)])
        worker = house.worker()
    }

    private func expect(_ handing: Handing, _ status: Int, _ message: String, _ place: SourceLocation = #_sourceLocation) {
        #expect(handing.answer?.status == status, sourceLocation: place)
        #expect(handing.answer?.message == message, sourceLocation: place)
    }

    @Test("updates follow swingmusic's rules in its order, and what it leaves open is closed")
    func update() throws {
        let admin = Caller.cookie(try house.foreignToken(user: 1))
        let bob = Caller.cookie(try house.foreignToken(user: 2))
        let guest = Caller.cookie(try house.foreignToken(user: 3))
        expect(worker.update(#"{"password":"x"}"#, guest), 400, "Cannot update guest user")
        expect(worker.update(#"{"username":"guest","roles":[]}"#, bob), 400, "Cannot update guest user")
        expect(worker.update(#"{"roles":[]}"#, bob), 403, "Only admins can update roles")
        expect(worker.update(#"{"id":1,"password":"x"}"#, bob), 403, "Only admins can update other users")
        expect(worker.update(#"{"id":99,"username":"x"}"#, admin), 422, "User not found")
        expect(worker.update(#"{"roles":["x"]}"#, admin), 400, "Cannot remove the only admin")
        expect(worker.update(#"{"id":3,"roles":["admin"]}"#, admin), 400, "Cannot update guest user")
        expect(worker.update(#"{"id":2,"username":"admin"}"#, admin), 400, "Username already exists")
        expect(worker.update(#"{"username":"admin"}"#, bob), 400, "Username already exists")
        #expect(worker.update(#"{"username":"bob"}"#, bob).isHandedOn)
        #expect(worker.update(#"{"id":2,"roles":["admin"],"email":""}"#, admin).isHandedOn)
        #expect(worker.update(#"{"id":2,"username":"new"}"#, bob).isHandedOn)
        #expect(worker.update("{}", bob).isHandedOn)
        expect(worker.update("{}", Caller()), 401, CredentialTests.noneAtAll)
    }

    @Test(
        "only what can be read in one way is handed on",
        arguments: [
            (#"{"username":"x","username":"y"}"#, "application/json"), (#"{"id":1,"id":2}"#, "application/json"),
            (#"{"user\u006eame":"x","username":"y"}"#, "application/json"), (#"{"name":"x"}"#, "application/json"),
            (#"{"id":"2"}"#, "application/json"), (#"{"id":2.0}"#, "application/json"), (#"{"id":true}"#, "application/json"),
            (#"{"id":99999999999999999999}"#, "application/json"), (#"{"roles":null}"#, "application/json"),
            (#"{"roles":["a",1]}"#, "application/json"), (#"{"username":null}"#, "application/json"), ("[]", "application/json"),
            (#""{\"username\":\"x\"}""#, "application/json"), ("", "application/json"), ("{", "application/json"),
            (#"{"username":"\ud800"}"#, "application/json"), ("{} x", "application/json"), ("\u{feff}{}", "application/json"),
            ("{}", "text/plain"), ("{}", "application/json; charset=utf-16"), ("{}", "application/x+json"), ("{}", ""),
            (String(repeating: "[", count: 60_000), "application/json"),
        ])
    func strictness(body: String, type: String) throws {
        let bob = Caller.cookie(try house.foreignToken(user: 2))
        let handing = worker.updateProfile(FormBody(bytes: Array(body.utf8), contentType: type), bob) { _ in }
        #expect(handing?.answer?.status == 422)
    }

    @Test("UTF-16 is not handed on")
    func utf16() throws {
        let bytes = "{}".utf16.flatMap { [UInt8($0 & 0xff), UInt8($0 >> 8)] }
        let bob = Caller.cookie(try house.foreignToken(user: 2))
        #expect(
            worker.updateProfile(FormBody(bytes: [0xff, 0xfe] + bytes, contentType: "application/json"), bob) { _ in }?.answer?.status
                == 422)
        #expect(worker.updateProfile(FormBody(bytes: bytes, contentType: "application/json"), bob) { _ in }?.answer?.status == 422)
    }

    @Test("two cookies, or a foreign page, are refused by every guarded route")
    func guarded() throws {
        let token = try house.foreignToken(user: 1)
        var two = Caller.cookie(token)
        two.cookies.append("access_token_cookie=\(token)")
        var foreign = Caller.cookie(token)
        foreign.origin = "https://evil.example"
        for (caller, status) in [(two, 401), (foreign, 403)] {
            #expect(worker.update("{}", caller).answer?.status == status)
            #expect(worker.createUser(json(#"{"username":"x","password":"y"}"#), caller).answer?.status == status)
            #expect(worker.createGuest(FormBody(), caller).answer?.status == status)
            #expect(worker.deleteUser(json(#"{"username":"x"}"#), caller).answer?.status == status)
        }
    }

    private func json(_ text: String) -> FormBody { FormBody(bytes: Array(text.utf8), contentType: "application/json") }

    @Test("once there is an admin, registering takes one; set open, anybody may")
    func registration() throws {
        let form = json(#"{"username":"new","password":"pw"}"#)
        let admin = Caller.cookie(try house.foreignToken(user: 1))
        expect(worker.createUser(form, Caller()), 401, CredentialTests.noneAtAll)
        expect(worker.createUser(form, .cookie(try house.foreignToken(user: 2))), 403, "Only admins can do that!")
        expect(worker.createUser(form, .cookie("x")), 422, "Not enough segments")
        #expect(worker.createUser(form, admin).isHandedOn)
        #expect(worker.createUser(form, admin).isContested)
        house.pass(seconds: 6)
        let open = house.worker(open: true)
        #expect(open.createUser(form, Caller()).isHandedOn)
        expect(open.createUser(json(#"{"username":"bob","password":"x"}"#), Caller()), 400, "Username already exists")
        expect(open.createUser(json("{}"), Caller()), 400, "Username and password are required")
        #expect(open.createUser(json(#"{"username":"x","password":"y","roles":null}"#), Caller()).answer?.status == 422)
    }

    @Test("the first user must have a name and a password, and of two at once one is first")
    func first() throws {
        let house = try Household(users: [])
        let workers = [house.worker(), house.worker()]
        expect(workers[0].createUser(json("{}"), Caller()), 400, "Username and password are required")
        let made = workers.map {
            $0.createUser(json(#"{"username":"\#(RandomName.letters(bits: 36))","password":"y"}"#), Caller()).isHandedOn
        }
        #expect(made == [true, false])
    }

    // MARK: Claims

    private var admin: Caller { get throws { .cookie(try house.foreignToken(user: 1)) } }

    private func create(_ name: String, _ caller: Caller? = nil, as request: String = Sessions.nameForRequest()) throws -> Handing {
        worker.createUser(json(#"{"username":"\#(name)","password":"pw"}"#), try caller ?? admin, as: request)
    }

    private func carryOut(_ name: String) throws {
        try house.change("INSERT INTO user (username, password, roles) VALUES (?, 'x', '[]')", [name])
    }

    private func delete(_ name: String) throws {
        #expect(worker.deleteUser(json(#"{"username":"\#(name)"}"#), try admin).isHandedOn)
        try house.change("DELETE FROM user WHERE username = ?", [name])
    }

    @Test("a name is free again the moment its user was made and removed, as is the guest's")
    func madeAndRemoved() throws {
        for _ in 0..<3 {
            #expect(try create("new").isHandedOn)
            try carryOut("new")
            try delete("new")
        }
        for _ in 0..<3 {
            try delete("guest")
            #expect(worker.createGuest(FormBody(), try admin).isHandedOn)
            #expect(worker.createGuest(FormBody(), try admin).isContested)
            try house.change(#"INSERT INTO user (username, password, roles) VALUES ('guest', 'x', '["guest"]')"#)
        }
    }

    @Test("a name is free again the moment its user has another one, whoever wants it")
    func renamed() throws {
        let bob = Caller.cookie(try house.foreignToken(user: 2))
        for (old, new) in [("bob", "one"), ("one", "two"), ("two", "one"), ("one", "bob")] {
            #expect(worker.update(#"{"username":"\#(new)"}"#, bob).isHandedOn)
            #expect(try create(new).isContested)
            try house.change("UPDATE user SET username = ? WHERE id = 2", [new])
            #expect(try create(old).isHandedOn)
            try carryOut(old)
            try delete(old)
        }
    }

    @Test("one admin cannot give one name to two users at once, and may say the same twice")
    func twoTargets() throws {
        let admin = try admin
        #expect(worker.update(#"{"id":2,"username":"x"}"#, admin).isHandedOn)
        #expect(worker.update(#"{"id":1,"username":"x"}"#, admin).isContested)
        #expect(worker.update(#"{"id":1,"username":"x","password":"also"}"#, admin).isContested)
        try house.change("UPDATE user SET username = 'x' WHERE id = 2")
        #expect(worker.update(#"{"id":2,"username":"x"}"#, admin).isHandedOn)
        expect(worker.update(#"{"id":1,"username":"x"}"#, admin), 400, "Username already exists")
    }

    @Test("what swingmusic did not get frees its names, and nobody else's; what became of nothing without a word does so after 5 s")
    func failed() throws {
        #expect(try create("new", as: "request 1").isHandedOn)
        #expect(try create("other", as: "request 2").isHandedOn)
        worker.handingFailed("request 1")
        #expect(try create("new").isHandedOn)
        #expect(try create("other").isContested)
        house.pass(seconds: 5)
        #expect(try create("other").isHandedOn)

        let bob = Caller.cookie(try house.foreignToken(user: 2))
        #expect(worker.update(#"{"username":"bobby"}"#, bob, as: "request 3").isHandedOn)
        worker.handingFailed("request 3")
        #expect(try create("bobby").isHandedOn)
    }

    @Test("a refused first user leaves no claim: neither on being the first nor on a name")
    func halfClaimed() throws {
        let house = try Household(users: [])
        let worker = house.worker(open: true)
        func first(_ name: String, _ request: String) -> Handing {
            worker.createUser(json(#"{"username":"\#(name)","password":"y"}"#), Caller(), as: request)
        }
        #expect(first("x", "1").isHandedOn)
        #expect(first("y", "2").isContested)
        worker.handingFailed("1")
        #expect(first("y", "3").isHandedOn)
        try house.change(#"INSERT INTO user (username, password, roles) VALUES ('y', 'x', '["admin"]')"#)
        #expect(first("z", "4").isHandedOn)
    }

    @Test("when sessions.db cannot be written nothing is handed on, and nothing is claimed when it can be again")
    func lockedDatabase() throws {
        let admin = try admin
        _ = worker.user(admin)
        try house.change("DELETE FROM user WHERE username = 'guest'")
        try house.withSessionsLocked {
            let made = try create("new", admin)
            #expect(made.answer?.status == 503)
            #expect(worker.createGuest(FormBody(), admin).answer?.status == 503)
            #expect(worker.update(#"{"id":2,"username":"bobby"}"#, admin).answer?.status == 503)
            #expect(worker.deleteUser(json(#"{"username":"bob"}"#), admin).answer?.status == 503)
        }
        #expect(worker.createGuest(FormBody(), admin).isHandedOn)
        #expect(try create("new").isHandedOn)
        #expect(worker.update(#"{"id":2,"username":"bobby"}"#, admin).isHandedOn)
    }

    @Test("guests are made by admins, once")
    func guest() throws {
        expect(worker.createGuest(FormBody(), .cookie(try house.foreignToken(user: 2))), 403, "Only admins can do that!")
        expect(worker.createGuest(FormBody(), .cookie(try house.foreignToken(user: 1))), 400, "Guest user already exists")
        try house.change("DELETE FROM user WHERE id = 3")
        #expect(worker.createGuest(json(#"{"x":1}"#), .cookie(try house.foreignToken(user: 1))).answer?.status == 422)
        #expect(worker.createGuest(FormBody(), .cookie(try house.foreignToken(user: 1))).isHandedOn)
        expect(worker.createGuest(FormBody(), Caller()), 401, CredentialTests.noneAtAll)
    }

    @Test("deleting ends the sessions of whoever has the name, before it is handed on")
    func deletion() throws {
        let admin = Caller.cookie(try house.foreignToken(user: 1))
        let bob = try worker.tokens(of: "bob")
        expect(worker.deleteUser(json(#"{"username":"admin"}"#), .cookie(bob.access)), 403, "Only admins can do that!")
        expect(worker.deleteUser(json(#"{"username":"admin"}"#), admin), 400, "Sorry! you cannot delete yourselfu")
        #expect(worker.deleteUser(json("{}"), admin).answer?.text.contains(#""type":"missing","loc":["username"]"#) == true)
        #expect(worker.deleteUser(json(#"{"username":"nobody"}"#), admin).isHandedOn)
        #expect(worker.user(.bearer(bob.access)).status == 200)
        #expect(worker.deleteUser(json(#"{"username":"bob"}"#), admin).isHandedOn)
        #expect(worker.user(.bearer(bob.access)).message == "Token has been revoked")
        #expect(worker.user(.bearer(try house.foreignToken(user: 2))).status == 401)
    }
}

extension Sessions {
    func update(_ body: String, _ caller: Caller, as request: String = Sessions.nameForRequest()) -> Handing {
        let box = Mutex<Handing?>(nil)
        let done = DispatchSemaphore(value: 0)
        let result = Settled(box: box)
        let now = updateProfile(FormBody(bytes: Array(body.utf8), contentType: "application/json"), caller, as: request) { handing in
            result.box.withLock { $0 = handing }
            done.signal()
        }
        if let now { return now }
        done.wait()
        return result.box.withLock { $0 } ?? .answer(.unavailable)
    }
}

private final class Settled: Sendable {
    let box: Mutex<Handing?>
    init(box: consuming sending Mutex<Handing?>) { self.box = box }
}
