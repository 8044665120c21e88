import Testing

@testable import Sessions

/// Which tokens that swingmusic made are let in.
@Suite struct TokenAdoptionTests {
    private static let day: Int64 = 86_400

    private let house: Household
    private let workers: [Sessions]

    init() throws {
        let house = try Household()
        self.house = house
        workers = (0..<3).map { _ in house.worker() }
    }

    private func statuses(_ access: String) -> Set<Int> { Set(workers.map { $0.user(.bearer(access)).status }) }

    @Test("a token that swingmusic gives for an ended one is refused everywhere; one of a user none of whose tokens ended is taken")
    func minted() throws {
        let phone = try workers[0].tokens(of: "bob")
        let before = try house.foreignToken(user: 2, issuedAgo: 1)
        #expect(workers[1].logout(.bearer(phone.access)).status == 200)
        for ago: Int64 in [0, -5] {
            house.pass(seconds: -ago)
            let (access, refresh) = (try house.foreignToken(user: 2), try house.foreignToken(.refresh, user: 2))
            for worker in workers {
                #expect(worker.user(.cookie(access)).message == "Token has been revoked")
                #expect(worker.verify(.cookie(access), method: "GET", role: nil).message == "Token has been revoked")
                #expect(worker.refresh(.bearer(refresh)).message == "Token has been revoked")
            }
        }
        #expect(statuses(try house.signed(#"{"sub":{"id":2}}"#)) == [401])
        #expect(statuses(before) == [200])
        #expect(statuses(try house.foreignToken(user: 3)) == [200])
        #expect(statuses(try workers[2].tokens(of: "bob").access) == [200])
    }

    @Test("the token that swingmusic made in the second of an end is refused, one of the second before is taken")
    func edge() throws {
        let first = try house.foreignToken(user: 2, issuedAgo: 1)
        let second = try house.foreignToken(user: 2)
        let third = try house.foreignToken(user: 2, issuedAgo: -1)
        #expect(workers[0].logout(.bearer(try workers[0].tokens(of: "bob").access)).status == 200)
        house.pass(seconds: 1)
        #expect(statuses(first) == [200])
        #expect(statuses(second) == [401])
        #expect(statuses(third) == [401])
    }

    @Test("what was refused stays refused when the ended token has expired; when it has expired itself, swingmusic's are taken again")
    func later() throws {
        #expect(workers[0].logout(.bearer(try workers[0].tokens(of: "bob").access)).status == 200)
        house.pass(seconds: 20 * Self.day)
        let minted = try house.foreignToken(user: 2)
        #expect(statuses(minted) == [401])
        house.pass(seconds: 12 * Self.day)
        workers[0].maintain()
        #expect(statuses(minted) == [401])
        #expect(statuses(try house.foreignToken(user: 2)) == [401])
        house.pass(seconds: 31 * Self.day)
        workers[0].maintain()
        #expect(statuses(try house.foreignToken(user: 2)) == [200])
    }

    @Test("the second look at a refused token writes nothing")
    func remembered() throws {
        #expect(workers[0].logout(.bearer(try workers[0].tokens(of: "bob").access)).status == 200)
        let minted = try house.foreignToken(user: 2)
        #expect(statuses(minted) == [401])
        let known = try workers[0].database.read { try $0.count("token") }
        try house.withSessionsLocked { #expect(statuses(minted) == [401]) }
        #expect(try workers[0].database.read { try $0.count("token") } == known)
        #expect(try workers[0].openSessions(of: 2, current: nil).isEmpty)
    }

    @Test("whoever has swingmusic make token after token for an ended one takes none of the user's room", arguments: TokenAdoption.allCases)
    func room(_ adoption: TokenAdoption) throws {
        let house = try Household()
        let worker = house.worker(adoption: adoption)
        let phone = try worker.tokens(of: "bob").access
        house.pass(seconds: 1)
        #expect(worker.logout(.bearer(phone)).status == 200)
        let known = try worker.database.read { try $0.count("session") }
        for _ in 0..<20 {
            house.pass(seconds: 1)
            #expect(worker.user(.bearer(try house.foreignToken(user: 2))).status == 401)
        }
        #expect(try worker.database.read { try $0.count("session") } == known + 1)
    }

    @Test("with never, tokens of before sessions.db are taken and no others; our own are good")
    func never() throws {
        let house = try Household()
        let worker = house.worker(adoption: .never)
        worker.open()
        let (before, after) = (try house.foreignToken(user: 2, issuedAgo: 1), try house.foreignToken(user: 3))
        #expect(worker.user(.bearer(before)).status == 200)
        #expect(worker.user(.bearer(after)).message == "Token has been revoked")
        #expect(worker.verify(.bearer(after), method: "GET", role: nil).status == 401)
        #expect(worker.user(.bearer(try house.signed(#"{"sub":{"id":3}}"#))).status == 401)
        #expect(worker.user(.bearer(try worker.tokens(of: "carol").access)).status == 200)
    }

    @Test("the token that swingmusic gives the first user with their account is taken, with never, too", arguments: TokenAdoption.allCases)
    func firstUser(_ adoption: TokenAdoption) throws {
        let house = try Household(users: [])
        let worker = house.worker(adoption: adoption)
        worker.open()
        house.pass(seconds: 100)
        let form = FormBody(bytes: Array(#"{"username":"admin","password":"adminpw"}"#.utf8), contentType: "application/json")
        #expect(worker.createUser(form, Caller()).isHandedOn)
        house.pass(seconds: 2)
        try house.change(#"INSERT INTO user (username, password, roles) VALUES ('admin', 'x', '["admin"]')"#)
        #expect(worker.user(.cookie(try house.foreignToken(user: 1))).status == 200)
        // What is made for another user meanwhile is another matter.
        try house.change("INSERT INTO user (username, password, roles) VALUES ('bob', ?, '[]')", [Household.hashOf["bob"]])
        #expect(worker.user(.cookie(try house.foreignToken(user: 2))).status == (adoption == .never ? 401 : 200))
        #expect(worker.logout(.bearer(try worker.tokens(of: "bob").access)).status == 200)
        #expect(worker.user(.cookie(try house.foreignToken(user: 2))).status == 401)
        house.pass(seconds: 60)
        #expect(worker.user(.cookie(try house.foreignToken(user: 1))).status == (adoption == .never ? 401 : 200))
    }

    @Test(
        "it is decided in whole seconds, an end rounded down",
        arguments: [
            (nil, EndedTokens(), nil), (5, EndedTokens(), nil), (4, EndedTokens(endedAt: 5999), nil), (5, EndedTokens(endedAt: 5999), 5999),
            (nil, EndedTokens(endedAt: 5999), 5999), (9, EndedTokens(endedAt: 8000, refusedBefore: [3, 7]), 3000),
            (2, EndedTokens(refusedBefore: [3]), nil), (9, EndedTokens(refusedBefore: [3 - TokenIssuer.lifetime]), nil),
            (20, EndedTokens(endedAt: 5999, firstUserAt: 10_500), 5999),
        ] as [(Int64?, EndedTokens, Int64?)])
    func decision(issuedAt: Int64?, ended: EndedTokens, end: Int64?) {
        #expect(TokenAdoption.safe.end(ofTokenIssuedAt: issuedAt, among: ended, now: 3000) == end)
    }

    @Test("with never it is decided by when the file was begun")
    func neverDecision() {
        func end(_ issuedAt: Int64?, _ ended: EndedTokens) -> Int64? {
            TokenAdoption.never.end(ofTokenIssuedAt: issuedAt, among: ended, now: 99_000)
        }
        #expect(end(4, EndedTokens(begunAt: 5000)) == nil)
        #expect(end(5, EndedTokens(begunAt: 5000)) == 99_000)
        #expect(end(nil, EndedTokens(begunAt: 5000)) == 99_000)
        #expect(end(4, EndedTokens()) == 99_000)
        let first = EndedTokens(begunAt: 5000, firstUserAt: 10_500)
        #expect([9, 10, 70, 71].map { end($0, first) } == [99_000, nil, nil, 99_000])
        #expect(end(20, EndedTokens(endedAt: 19_999, begunAt: 5000, firstUserAt: 10_500)) == 19_999)
    }
}
