import Dispatch
import Logging
import Synchronization
import Platform
import Testing

@testable import Sessions

@Suite struct LoginThrottleTests {
    let house: Household

    init() throws { house = try Household() }

    @Test("the eleventh wrong login of a minute waits, at every worker, and a right one does not count")
    func logins() throws {
        let counts = MemoryCountStore()
        let workers = (0..<3).map { _ in house.worker(counts: counts) }
        for round in 0..<10 {
            #expect(workers[round % 3].logIn(#"{"username":"nobody\#(round)","password":"x"}"#).status == 404)
            house.pass(seconds: 1)
            if round == 4 { _ = try workers[0].tokens(of: "bob") }
        }
        let refused = workers[1].logIn(#"{"username":"bob","password":"bobpw"}"#)
        #expect(refused.status == 429)
        #expect(refused.retryAfter == 50)
        #expect(workers[1].logIn(#"{"username":"bob","password":"bobpw"}"#, Caller(address: "192.0.2.77")).status == 200)
        house.pass(seconds: 49)
        #expect(workers[2].logIn(#"{"username":"bob","password":"bobpw"}"#).status == 429)
        house.pass(seconds: 1)
        #expect(workers[2].logIn(#"{"username":"bob","password":"bobpw"}"#).status == 200)
    }

    @Test("an unwritable store leaves each worker its own count")
    func unwritable() {
        let worker = house.worker(counts: BrokenCounts())
        for _ in 0..<10 { #expect(worker.logIn(#"{"username":"nobody","password":"x"}"#).status == 404) }
        #expect(worker.logIn(#"{"username":"nobody","password":"x"}"#).status == 429)
    }

    @Test("a pair code guessed a thousand times is not found, and the guesser waits")
    func guessedCode() throws {
        let worker = house.worker()
        let code = try worker.pairCode(.cookie(try house.foreignToken(user: 2))).member("code")
        var statuses: [Int: Int] = [:]
        for _ in 0..<1000 {
            statuses[worker.pair(Caller(address: "198.51.100.1"), code: RandomName.letters(bits: 36)).status, default: 0] += 1
        }
        #expect(statuses == [400: 10, 429: 990])
        #expect(worker.pair(Caller(address: "198.51.100.1"), code: code).retryAfter == 60)
        #expect(worker.pair(Caller(address: "198.51.100.2"), code: code).status == 200)
    }

    @Test("the tally drops what is older than a minute or lies in the future")
    func tally() {
        var tally = RecentFailures(stored: nil, bootID: "b")
        for instant in 0..<10 { tally = tally.adding(Int64(instant) * 1000 + 100_000) }
        #expect(tally.wait(now: 109_000) == 51)
        #expect(tally.wait(now: 159_999) == 1)
        #expect(tally.wait(now: 160_000) == nil)
        #expect(RecentFailures(stored: tally.stored, bootID: "b") == tally)
        #expect(RecentFailures(stored: tally.stored, bootID: "c").failedAt.isEmpty)
        #expect(tally.removing(105_000).wait(now: 109_000) == nil)
        #expect(RecentFailures(stored: Array("b;900000,x,,1".utf8), bootID: "b").wait(now: 100_000) == nil)
        #expect(tally.wait(now: 50_000) == nil)
    }
}

private struct BrokenCounts: CountStore {
    struct Broken: Error {}
    func change(_ key: String, lastingSeconds: Int64, _ change: ([UInt8]?) -> [UInt8]?) throws { throw Broken() }
    func read(_ key: String) throws -> [UInt8]? { throw Broken() }
    func remove(_ key: String) throws -> Bool { throw Broken() }
}

@Suite struct PairingTests {
    let house: Household

    init() throws { house = try Household() }

    @Test("several codes are good at once, each once, for ten minutes")
    func codes() throws {
        let worker = house.worker()
        let bob = Caller.cookie(try house.foreignToken(user: 2))
        let codes = try (0..<3).map { _ in try worker.pairCode(bob).member("code") }
        for code in codes { #expect(code.utf8.count == 6) }
        let paired = worker.pair(Caller(), code: codes[0])
        #expect(paired.status == 200)
        #expect(paired.cookies.isEmpty)
        #expect(paired.message == "Logged in as bob")
        #expect(worker.user(.bearer(try paired.member("accesstoken"))).status == 200)
        #expect(worker.pair(Caller(), code: codes[0]).message == "Invalid code")
        #expect(worker.pair(Caller(), code: nil).status == 400)
        // A bad token, or a wrong guess, does not burn a code.
        #expect(worker.pair(.bearer("x"), code: codes[1]).status == 422)
        #expect(worker.pair(Caller(), code: "xxxxxx").status == 400)
        house.pass(seconds: 599)
        #expect(house.worker().pair(Caller(), code: codes[1]).status == 200)
        house.pass(seconds: 1)
        #expect(worker.pair(Caller(), code: codes[2]).status == 400)
    }

    @Test("a code of a session that ended, or of a user who is gone, opens nothing")
    func ended() throws {
        let worker = house.worker()
        let bob = Caller.cookie(try house.foreignToken(user: 2))
        let carol = Caller.cookie(try house.foreignToken(user: 3))
        let code = try worker.pairCode(bob).member("code")
        let other = try worker.pairCode(carol).member("code")
        _ = worker.logout(bob)
        #expect(worker.pair(Caller(), code: code).status == 400)
        try house.change("UPDATE user SET password = 'x' WHERE id = 3")
        #expect(worker.pair(Caller(), code: other).status == 400)
    }

    @Test("eight workers redeem one code: one has it")
    func race() throws {
        let workers = (0..<8).map { _ in house.worker() }
        let code = try workers[0].pairCode(.cookie(try house.foreignToken(user: 2))).member("code")
        let won = Mutex(0)
        DispatchQueue.concurrentPerform(iterations: 8) { index in
            if workers[index].pair(Caller(address: "192.0.2.\(index)"), code: code).status == 200 { won.withLock { $0 += 1 } }
        }
        #expect(won.withLock { $0 } == 1)
    }

    @Test("a page of another site cannot ask for a code")
    func foreign() throws {
        var bob = Caller.cookie(try house.foreignToken(user: 2))
        bob.fetchSite = "cross-site"
        #expect(house.worker().pairCode(bob).status == 403)
        #expect(house.worker().logout(bob).status == 403)
    }
}
