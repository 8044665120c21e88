import JSON
import Testing

@testable import Platform
@testable import Sessions

/// Somebody sets the wall clock, or the host starts with a wrong one.
@Suite struct ClockTests {
    private static let hour: Int64 = 3600
    private static let day: Int64 = 86_400

    private let house: Household
    private let workers: [Sessions]

    init() throws {
        let house = try Household()
        self.house = house
        workers = (0..<2).map { _ in house.worker() }
    }

    private func statuses(_ access: String) -> [Int] {
        workers.map { $0.user(.bearer(access)).status } + workers.map { $0.verify(.cookie(access), method: "GET", role: nil).status }
    }
    private let isGood = [200, 200, 204, 204]
    private let isRefused = [401, 401, 401, 401]

    @Test(
        "a session goes on when the clock is set back or forward, for as long as it would have lasted",
        arguments: [-hour, hour, -40 * day, 40 * day])
    func goesOn(step: Int64) throws {
        let tokens = try workers[0].tokens(of: "bob")
        #expect(statuses(tokens.access) == isGood)
        house.setClock(by: step)
        #expect(statuses(tokens.access) == isGood)
        let refreshed = workers[1].refresh(.bearer(tokens.refresh))
        #expect(refreshed.status == 200)
        #expect(statuses(try refreshed.member("accesstoken")) == isGood)
        house.pass(seconds: 30 * Self.day - 1)
        #expect(statuses(tokens.access) == isGood)
        house.pass(seconds: 2)
        #expect(statuses(tokens.access) == isRefused)
    }

    @Test("what is set forward and back again has changed nothing")
    func thereAndBack() throws {
        let tokens = try workers[0].tokens(of: "bob")
        for step in [Self.day * 60, -Self.day * 60, -Self.day, Self.day] {
            house.setClock(by: step)
            for worker in workers { worker.maintain() }
            house.pass(seconds: 5)
        }
        #expect(statuses(tokens.access) == isGood)
        #expect(try workers[0].all().map(\.userName) == ["bob"])
    }

    @Test("lists show sessions by the time that has passed, and a cookie that swingmusic would refuse is renewed")
    func listed() throws {
        let tokens = try workers[0].tokens(of: "bob")
        house.setClock(by: 40 * Self.day)
        #expect(try workers[1].all().count == 1)
        house.setClock(by: -41 * Self.day)
        #expect(try workers[1].all().count == 1)
        let renewal = workers[0].user(.cookie(tokens.access)).cookies
        #expect(renewal.count == 1)
        let text = try #require(renewal.first?.split(separator: ";").first?.split(separator: "=").last.map(String.init))
        let claims = try workers[0].authenticator.token(Array(text.utf8), try #require(SigningKey(serverID: Household.serverID))).token
            .claims
        #expect(claims.issuedAt == house.now / 1000)
        #expect(claims.immatureClaim(now: house.now) == nil)
    }

    @Test("a token of before the start of the host goes on with a clock that was set back, and is judged by the clock else")
    func earlierBoot() throws {
        let tokens = try workers[0].tokens(of: "bob")
        house.reboot(clockOff: -Self.hour)
        #expect(statuses(tokens.access) == isGood)
        house.setClock(by: 31 * Self.day)
        #expect(statuses(tokens.access) == isRefused)
        for worker in workers { worker.maintain() }
        house.setClock(by: -31 * Self.day)
        #expect(statuses(tokens.access) == isGood)
    }

    @Test("swingmusic's token of the future is refused, as swingmusic refuses it")
    func stranger() throws {
        let token = try house.foreignToken(user: 2)
        house.setClock(by: -Self.hour)
        #expect(workers[0].user(.bearer(token)).status == 422)
        house.setClock(by: Self.hour)
        #expect(statuses(token) == isGood)
        house.setClock(by: -Self.hour)
        #expect(statuses(token) == isGood)
    }

    @Test("ended stays ended, whatever the clock says, and so do tokens that swingmusic makes of it", arguments: [false, true])
    func revoked(reboots: Bool) throws {
        let ended = try workers[0].tokens(of: "bob")
        let adopted = try house.foreignToken(user: 3)
        #expect(statuses(adopted) == isGood)
        for token in [ended.access, adopted] { #expect(workers[1].logout(.bearer(token)).status == 200) }
        if reboots { house.reboot() }
        for step in [-Self.hour, 2 * Self.hour, -Self.hour, 40 * Self.day, -80 * Self.day, 40 * Self.day, 31 * Self.day, -31 * Self.day] {
            house.setClock(by: step)
            for _ in 0..<3 {
                #expect(Set(statuses(ended.access) + statuses(adopted)) == [401])
                // What a thief has made of it at swingmusic, by the same clock.
                #expect(Set(statuses(try house.foreignToken(user: 2))).isDisjoint(with: [200, 204]))
                for worker in workers { worker.maintain() }
                house.pass(seconds: 10)
            }
        }
    }

    @Test("everything that is ended while the clock is ahead stays ended when it is right again", arguments: [false, true])
    func everything(isOfFolder: Bool) throws {
        let tokens = [try workers[0].tokens(of: "bob").access, try house.foreignToken(user: 3, issuedAgo: 28 * Self.day)]
        for token in tokens { #expect(statuses(token) == isGood) }
        house.reboot()
        house.setClock(by: 40 * Self.day)
        if isOfFolder {
            try Sessions.endEverything(in: house.data, clock: house.hands, log: workers[0].log, BlockingContext())
        } else {
            #expect(try workers[0].endEverything() == 2)
        }
        for step in [0, -40 * Self.day, Self.hour] {
            house.setClock(by: step)
            for token in tokens { #expect(Set(statuses(token)) == [401]) }
        }
    }

    @Test("refused tokens of a user share one session when the clock was set back, too")
    func refused() throws {
        let phone = try workers[0].tokens(of: "bob").access
        house.pass(seconds: 1)
        #expect(workers[0].logout(.bearer(phone)).status == 200)
        func count() throws -> Int { try workers[0].database.read { try $0.count("session") } }
        for step in [0, -Self.hour, -Self.hour] {
            house.setClock(by: step)
            house.pass(seconds: 1)
            #expect(statuses(try house.foreignToken(user: 2)) == isRefused)
            #expect(try count() == 2)
        }
    }

    @Test("nothing is forgotten by a clock that was set less than an hour ago; what was, stays refused when it is set back")
    func purge() throws {
        let ended = try workers[0].tokens(of: "bob")
        #expect(workers[0].logout(.bearer(ended.access)).status == 200)
        house.reboot()
        workers[0].maintain()
        house.setClock(by: 40 * Self.day)
        workers[0].maintain()
        house.pass(seconds: Self.hour - 60)
        workers[0].maintain()
        #expect(try workers[0].database.read { try $0.count("token") } == 2)
        house.pass(seconds: 601)
        workers[0].maintain()
        #expect(try workers[0].database.read { try $0.count("token") } == 0)
        house.setClock(by: -40 * Self.day)
        #expect(statuses(ended.access) == isRefused)
        #expect(statuses(try house.foreignToken(user: 2)) == isRefused)
        #expect(statuses(try workers[0].tokens(of: "bob").access) == isGood)
    }

    @Test("a pair code and a change that is under way last as long as they were to", arguments: [-hour, hour])
    func short(step: Int64) throws {
        let bob = Caller.bearer(try workers[0].tokens(of: "bob").access)
        let codes = try (0..<2).map { _ in try workers[0].pairCode(bob).member("code") }
        house.setClock(by: step)
        house.pass(seconds: 590)
        #expect(workers[1].pair(Caller(), code: codes[0]).status == 200)
        house.pass(seconds: 11)
        #expect(workers[1].pair(Caller(), code: codes[1]).status == 400)
    }

    @Test("wrong logins count for a minute, whatever the clock is set to", arguments: [-day, -30, 30, day])
    func guesses(step: Int64) {
        let counts = MemoryCountStore()
        let workers = (0..<2).map { _ in house.worker(counts: counts) }
        for _ in 0..<10 { #expect(workers[0].logIn(#"{"username":"nobody","password":"x"}"#).status == 404) }
        house.setClock(by: step)
        let refused = workers[1].logIn(#"{"username":"bob","password":"bobpw"}"#)
        #expect(refused.status == 429 && refused.retryAfter == 60)
        house.pass(seconds: 60)
        #expect(workers[1].logIn(#"{"username":"bob","password":"bobpw"}"#).status == 200)
    }
}
