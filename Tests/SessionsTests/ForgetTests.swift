import GRDB
import Testing

@testable import Sessions

/// What is kept of a person, and goes.
@Suite struct ForgetTests {
    private let house: Household
    private let counts = MemoryCountStore()
    private let worker: Sessions

    init() throws {
        house = try Household()
        worker = house.worker(counts: counts)
    }

    /// Every text in sessions.db.
    private func texts() throws -> String {
        let queue = try DatabaseQueue(path: house.data + "/sessions.db")
        defer { try? queue.close() }
        return try queue.read { db in
            try String.fetchAll(db, sql: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'").map { table in
                try Row.fetchAll(db, sql: "SELECT * FROM \(table)").map { "\($0)" }.joined(separator: "\n")
            }.joined(separator: "\n")
        }
    }

    @Test("a user who is gone is forgotten by name or by id, and every token stays refused", arguments: ["bob", "2"])
    func gone(text: String) throws {
        let tokens = try worker.tokens(of: "bob")
        let ended = try worker.tokens(of: "bob")
        let unseen = try house.foreignToken(user: 2)
        #expect(worker.logout(.bearer(ended.access)).status == 200)
        _ = worker.logIn(#"{"username":"bob","password":"wrong"}"#)
        _ = try worker.pairCode(.bearer(tokens.access)).member("code")
        try house.change("DELETE FROM user WHERE id = 2")
        #expect(try texts().contains("bob"))
        #expect(try worker.userIDs(of: text) == [2])
        let forgotten = try #require(try worker.forget(userID: 2))
        #expect(forgotten.name == "bob" && !forgotten.isInSwingmusic)
        #expect((forgotten.ended, forgotten.devices, forgotten.failures, forgotten.refusedTokens) == (1, 1, 1, 4))
        #expect(forgotten.pending == 0, "the code went with its session")
        #expect(try !texts().contains("bob"))
        #expect(house.records.count == 0)
        for access in [tokens.access, ended.access, unseen] { #expect(worker.user(.bearer(access)).status == 401) }
        #expect(try worker.forget(userID: 2) == nil)
        #expect(try worker.userIDs(of: "bob") == [])
        // Whoever is given the id is another owner, and none of the tokens is theirs.
        house.pass(seconds: 5)
        try house.change("INSERT INTO user (id, username, password, roles) VALUES (2, 'dora', ?, '[]')", [Household.hashOf["carol"]])
        worker.maintain()
        for access in [tokens.access, ended.access, unseen] { #expect(worker.user(.bearer(access)).status == 401) }
        #expect(worker.logIn(#"{"username":"dora","password":"carolpw"}"#).status == 200)
    }

    @Test("of a user whom swingmusic has everything goes but the name, and signing in goes on")
    func present() throws {
        let tokens = try worker.tokens(of: "bob")
        let others = try worker.tokens(of: "carol")
        let forgotten = try #require(try worker.forget(userID: 2))
        #expect(forgotten.isInSwingmusic && forgotten.name == "bob" && forgotten.ended == 1 && forgotten.devices == 1)
        #expect(worker.user(.bearer(tokens.access)).status == 401)
        #expect(worker.user(.bearer(others.access)).status == 200)
        house.pass(seconds: 2)
        let again = try worker.tokens(of: "bob")
        #expect(worker.user(.bearer(again.access)).status == 200)
    }

    @Test("nothing is found of somebody who never was")
    func nobody() throws {
        _ = try worker.tokens(of: "carol")
        #expect(try worker.userIDs(of: "nobody") == [])
        #expect(try worker.userIDs(of: "77") == [77])
        #expect(try worker.forget(userID: 77) == nil)
    }
}
