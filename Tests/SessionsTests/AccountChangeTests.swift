import Foundation
import Glibc
import Testing

@testable import Sessions

@Suite struct AccountChangeTests {
    let house: Household
    let workers: [Sessions]

    init() throws {
        let house = try Household()
        self.house = house
        workers = (0..<4).map { _ in house.worker() }
    }

    private func statuses(_ access: String) -> Set<Int> { Set(workers.map { $0.user(.bearer(access)).status }) }

    @Test("a password changed behind our back ends the user's sessions and unknown older tokens on the next use")
    func password() throws {
        let bob = try workers[0].tokens(of: "bob")
        let carol = try workers[0].tokens(of: "carol")
        let known = try house.foreignToken(user: 2, issuedAgo: 10)
        let unknown = try house.foreignToken(user: 2)
        let timeless = try house.signed(#"{"sub":{"id":2}}"#)
        #expect(statuses(known) == [200])
        try house.change("UPDATE user SET password = ? WHERE id = 2", [Household.hashOf["carol"]])
        #expect(statuses(unknown) == [401])
        #expect(statuses(bob.access) == [401])
        #expect(statuses(known) == [401])
        #expect(statuses(timeless) == [401])
        #expect(workers[3].refresh(.bearer(bob.refresh)).message == "Token has been revoked")
        #expect(statuses(carol.access) == [200])
        house.pass(seconds: 1)
        #expect(workers[1].logIn(#"{"username":"bob","password":"carolpw"}"#).status == 200)
        // swingmusic gives a new one to whoever has an old one.
        #expect(statuses(try house.foreignToken(user: 2)) == [401])
        #expect(statuses(unknown) == [401])
    }

    @Test("a deleted user's tokens load no user; whoever gets the id inherits none of them, whatever the name and password")
    func deletion() throws {
        let bob = try workers[0].tokens(of: "bob")
        let carol = try workers[0].tokens(of: "carol")
        let unknown = try house.foreignToken(user: 3)
        try house.change("DELETE FROM user WHERE id = 3")
        #expect(
            workers[1].user(.bearer(carol.access)).message?.hasPrefix("Error loading the user {'id': 3, 'image': None, 'username': 'carol'")
                == true)
        #expect(workers[2].users(.bearer(carol.access), simplified: nil).status == 401)
        try house.change(
            "INSERT INTO user (id, username, password, roles) VALUES (3, 'carol', ?, '[]')", [Household.hashOf["carol"]])
        #expect(statuses(carol.access) == [401])
        #expect(workers[3].user(.bearer(carol.access)).message == "Token has been revoked")
        #expect(statuses(unknown) == [401])
        #expect(statuses(bob.access) == [200])
        house.pass(seconds: 1)
        #expect(statuses(try workers[0].tokens(of: "carol").access) == [200])
    }

    @Test("an id that changed hands between two looks is another owner's, even with the same password")
    func otherOwner() throws {
        let carol = try workers[0].tokens(of: "carol")
        try house.change("DELETE FROM user WHERE id = 3")
        try house.change("INSERT INTO user (username, password, roles) VALUES ('dora', ?, '[]')", [Household.hashOf["carol"]])
        #expect(statuses(carol.access) == [401])
        #expect(workers[1].refresh(.bearer(carol.refresh)).status == 401)
    }

    @Test("a user who was removed while nobody asked is noticed by the maintenance")
    func sweep() throws {
        let worker = workers[0]
        worker.maintain()
        let unseen = try house.foreignToken(user: 3, issuedAgo: 60)
        try house.change("DELETE FROM user WHERE id = 3")
        worker.maintain()
        try house.change("INSERT INTO user (id, username, password, roles) VALUES (3, 'carol', ?, '[]')", [Household.hashOf["carol"]])
        #expect(statuses(unseen) == [401])
    }

    @Test("files that look as they did are not compared again before a minute has passed; one that changed is, at once")
    func unchangedFiles() throws {
        // A write now leaves another stamp than the last one did.
        let house = try Household(now: Int64(Date().timeIntervalSince1970 * 1000) + 10_000)
        // Without a log, whose size would tell of every change.
        try house.change("PRAGMA journal_mode = DELETE")
        let worker = house.worker()
        let unseen = try ["bob", "carol"].map { name in
            (name, try house.foreignToken(user: name == "bob" ? 2 : 3, issuedAgo: 60))
        }
        func leaveAndReturn(_ name: String, id: Int, keepingTime: Bool) throws {
            var status = stat()
            #expect(stat(house.database, &status) == 0)
            try house.change("UPDATE user SET password = 'gone' WHERE id = ?", [id])
            if keepingTime {
                var times = [status.st_mtim, status.st_mtim]
                #expect(utimensat(AT_FDCWD, house.database, &times, 0) == 0)
            }
            worker.maintain()
            worker.maintain()
            try house.change("UPDATE user SET password = ? WHERE id = ?", [Household.hashOf[name], id])
        }
        for _ in 0..<3 { worker.maintain() }
        try leaveAndReturn("bob", id: 2, keepingTime: true)
        #expect(worker.user(.bearer(unseen[0].1)).status == 200)
        for _ in 0..<3 { worker.maintain() }
        try leaveAndReturn("carol", id: 3, keepingTime: false)
        #expect(worker.user(.bearer(unseen[1].1)).status == 401)
        for _ in 0..<3 { worker.maintain() }
        house.pass(seconds: 60)
        try leaveAndReturn("bob", id: 2, keepingTime: true)
        #expect(worker.user(.bearer(unseen[0].1)).status == 401)
    }

    @Test("a session that changes its own password through us goes on, the user's others end")
    func ownPassword() throws {
        let mine = try workers[0].tokens(of: "bob")
        let other = try workers[1].tokens(of: "bob")
        let handing = workers[2].update(#"{"password":"carolpw"}"#, .cookie(mine.access))
        #expect(handing.isHandedOn)
        #expect(statuses(other.access) == [200])
        // What swingmusic then stores.
        try house.change("UPDATE user SET password = ? WHERE id = 2", [Household.hashOf["carol"]])
        let salted = try #require(PasswordHash.make(password: "carolpw", salt: Household.serverID))
        #expect(salted == Household.hashOf["carol"])
        #expect(statuses(mine.access) == [200])
        #expect(statuses(other.access) == [401])
        #expect(workers[3].refresh(.bearer(mine.refresh)).status == 200)
    }

    @Test("an expected password is not any password")
    func unexpectedPassword() throws {
        let mine = try workers[0].tokens(of: "bob")
        #expect(workers[2].update(#"{"password":"new one"}"#, .cookie(mine.access)).isHandedOn)
        try house.change("UPDATE user SET password = ? WHERE id = 2", [Household.hashOf["carol"]])
        #expect(statuses(mine.access) == [401])
    }

    @Test("a rename through us ends nothing; what is expected lapses after a minute")
    func rename() throws {
        let bob = try workers[0].tokens(of: "bob")
        let admin = try workers[0].tokens(of: "admin")
        #expect(workers[2].update(#"{"id":2,"username":"robert"}"#, .cookie(admin.access)).isHandedOn)
        try house.change("UPDATE user SET username = 'robert' WHERE id = 2")
        #expect(statuses(bob.access) == [200])
        #expect(workers[2].update(#"{"username":"rob"}"#, .cookie(bob.access)).isHandedOn)
        house.pass(seconds: 61)
        try house.change("UPDATE user SET username = 'rob' WHERE id = 2")
        #expect(statuses(bob.access) == [401])
    }

    @Test("an admin who changes somebody's password ends that user's sessions")
    func othersPassword() throws {
        let bob = try workers[0].tokens(of: "bob")
        let admin = try workers[0].tokens(of: "admin")
        #expect(workers[2].update(#"{"id":2,"password":"carolpw"}"#, .cookie(admin.access)).isHandedOn)
        try house.change("UPDATE user SET password = ? WHERE id = 2", [Household.hashOf["carol"]])
        #expect(statuses(bob.access) == [401])
        #expect(statuses(admin.access) == [200])
    }

    @Test("a legacy hash is replaced at login, and that ends nothing")
    func rehash() throws {
        let legacy = "0b7d6a9e-1111-4222-8333-444455556666"
        let old = try #require(PasswordHash.make(password: "bobpw", salt: legacy))
        try house.change("UPDATE user SET password = ? WHERE id = 2", [old])
        try house.writeSettings(legacy: legacy)
        let before = try house.foreignToken(user: 2)
        #expect(statuses(before) == [200])
        let tokens = try workers[0].tokens(of: "bob")
        #expect(try workers[0].directory.account(id: 2, .brief)?.passwordHash == Household.hashOf["bob"])
        #expect(statuses(before) == [200])
        #expect(statuses(tokens.access) == [200])
        #expect(workers[1].logIn(#"{"username":"bob","password":"bobpw"}"#).status == 200)
    }

    /// What a server behind the guard then stores, by whatever way of hashing.
    private static let elsewhere = "UPDATE user SET password = 'hashed in another way' WHERE id = 2"

    @Test("a session that changes its own password behind the guard goes on, the user's others end, and the next change ends it")
    func passwordElsewhere() throws {
        let (mine, other) = (try workers[0].tokens(of: "bob"), try workers[1].tokens(of: "bob"))
        workers[2].expectPasswordChange(.cookie(mine.access))
        #expect(statuses(other.access) == [200])
        try house.change(Self.elsewhere)
        #expect(statuses(mine.access) == [200])
        #expect(statuses(other.access) == [401])
        try house.change("UPDATE user SET password = 'by somebody else' WHERE id = 2")
        #expect(statuses(mine.access) == [401])
    }

    @Test("what is expected there lapses, and is of no use to a new name, a foreign page or an ended session")
    func passwordElsewhereLapses() throws {
        let late = try workers[0].tokens(of: "bob")
        workers[1].expectPasswordChange(.cookie(late.access))
        house.pass(seconds: 16)
        try house.change(Self.elsewhere)
        #expect(statuses(late.access) == [401])

        let carol = try workers[0].tokens(of: "carol")
        workers[1].expectPasswordChange(.cookie(carol.access))
        try house.change("UPDATE user SET password = 'x', username = 'dora' WHERE id = 3")
        #expect(statuses(carol.access) == [401])

        let admin = try workers[0].tokens(of: "admin")
        var foreign = Caller.cookie(admin.access)
        foreign.origin = "https://evil.example"
        workers[1].expectPasswordChange(foreign)
        try house.change("UPDATE user SET password = 'x' WHERE id = 1")
        #expect(statuses(admin.access) == [401])
    }

    @Test(
        "a thief who says that a password is being changed outlives neither the user's own change, nor an admin's, nor a second such word")
    func passwordElsewhereThief() throws {
        let (thief, owner, admin) = (
            try workers[0].tokens(of: "bob"), try workers[0].tokens(of: "bob"), try workers[0].tokens(of: "admin")
        )
        workers[1].expectPasswordChange(.cookie(thief.access))
        #expect(workers[2].update(#"{"password":"carolpw"}"#, .cookie(owner.access)).isHandedOn)
        try house.change("UPDATE user SET password = ? WHERE id = 2", [Household.hashOf["carol"]])
        #expect(statuses(thief.access) == [401])
        #expect(statuses(owner.access) == [200])

        workers[1].expectPasswordChange(.cookie(owner.access))
        #expect(workers[2].update(#"{"id":2,"password":"bobpw"}"#, .cookie(admin.access)).isHandedOn)
        workers[1].expectPasswordChange(.cookie(owner.access))
        try house.change("UPDATE user SET password = ? WHERE id = 2", [Household.hashOf["bob"]])
        #expect(statuses(owner.access) == [401])

        house.pass(seconds: 2)
        let both = [try workers[0].tokens(of: "bob"), try workers[0].tokens(of: "bob")]
        for tokens in both { workers[1].expectPasswordChange(.cookie(tokens.access)) }
        try house.change(Self.elsewhere)
        for tokens in both { #expect(statuses(tokens.access) == [401]) }
    }

    @Test("a session that says again and again that it changes the password is not heard, and ends when somebody else does; later it is")
    func passwordElsewhereAgainAndAgain() throws {
        let thief = try workers[0].tokens(of: "bob")
        for _ in 0..<6 {
            workers[1].expectPasswordChange(.cookie(thief.access))
            house.pass(seconds: 10)
            _ = statuses(thief.access)
        }
        try house.change(Self.elsewhere)
        #expect(statuses(thief.access) == [401])

        let owner = try workers[0].tokens(of: "carol")
        workers[1].expectPasswordChange(.cookie(owner.access))
        house.pass(seconds: 601)
        workers[1].expectPasswordChange(.cookie(owner.access))
        try house.change("UPDATE user SET password = 'x' WHERE id = 3")
        #expect(statuses(owner.access) == [200])
    }

    @Test("a change is decided from what was known, what is, and what was expected")
    func decisions() {
        let row = Account(user: User(id: 1, name: "a", image: nil, rolesText: "[]", extraText: nil), passwordHash: "h")
        let known = KnownAccount(row, refusedBefore: nil)
        var gone = known
        gone.isGone = true
        var other = row
        other = Account(user: row.user, passwordHash: "g")
        let expected = ExpectedChange(userID: 1, name: "a", fingerprint: Fingerprint(of: other), sessionID: "s")
        #expect(AccountChange.decide(known: nil, row: nil, expected: []) == .none)
        #expect(AccountChange.decide(known: nil, row: row, expected: []) == .first)
        #expect(AccountChange.decide(known: known, row: row, expected: []) == .none)
        #expect(AccountChange.decide(known: known, row: nil, expected: []) == .gone)
        #expect(AccountChange.decide(known: gone, row: nil, expected: []) == .none)
        #expect(AccountChange.decide(known: gone, row: row, expected: [expected]) == .replaced(keeping: .nothing))
        #expect(AccountChange.decide(known: known, row: other, expected: []) == .replaced(keeping: .nothing))
        #expect(AccountChange.decide(known: known, row: other, expected: [expected]) == .replaced(keeping: .session("s")))
    }
}

extension Handing {
    var isHandedOn: Bool { if case .handOn = self { true } else { false } }
    var isContested: Bool { if case .contested = self { true } else { false } }
    var answer: Answer? { if case .answer(let answer) = self { answer } else { nil } }
}
