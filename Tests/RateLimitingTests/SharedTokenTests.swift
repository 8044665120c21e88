import Platform
import Testing

@testable import RateLimiting

@Suite("The token and the facts that all workers share") struct SharedTokenTests {
    @Test("One worker renews the token; the others wait for it and then have it")
    func once() throws {
        let bench = try Bench()
        let other = try bench.folder.open(clock: bench.clock)
        #expect(try bench.rateLimiter.token() == nil)
        #expect(try bench.rateLimiter.claimTokenRenewal(refusing: nil, worker: "one") == .yours)
        #expect(try other.claimTokenRenewal(refusing: nil, worker: "two") == .wait(.seconds(15), .turnOfAnother))
        try bench.rateLimiter.storeToken("secret", expiresIn: .seconds(3600), issuedFor: "id", worker: "one")
        let now = bench.clock.wall.milliseconds
        let token = try #require(try other.token())
        #expect(token.token == "secret" && token.issuedFor == "id")
        #expect(token.expiresAt == now + 3_600_000 && token.renewAt == now + 3_540_000)
        #expect(try other.claimTokenRenewal(refusing: nil, worker: "two") == .current(token))
    }

    @Test("It is renewed a minute before its end, or a tenth of its life when that is less")
    func early() throws {
        let bench = try Bench()
        try bench.rateLimiter.storeToken("short", expiresIn: .seconds(100), worker: "one")
        bench.clock.advance(.seconds(90) - .milliseconds(1))
        guard case .current = try bench.rateLimiter.claimTokenRenewal(refusing: nil, worker: "one") else {
            throw Bench.Stuck()
        }
        bench.clock.advance(.milliseconds(1))
        #expect(try bench.rateLimiter.claimTokenRenewal(refusing: nil, worker: "one") == .yours)
        #expect(try bench.rateLimiter.token()?.token == "short")  // still good
        bench.clock.advance(.seconds(10))
        #expect(try bench.rateLimiter.token() == nil)
    }

    @Test("A refused token is renewed once: who is refused it later gets the new one")
    func refused() throws {
        let bench = try Bench()
        try bench.rateLimiter.storeToken("old", expiresIn: .seconds(3600), worker: "one")
        #expect(try bench.rateLimiter.claimTokenRenewal(refusing: "old", worker: "one") == .yours)
        try bench.rateLimiter.storeToken("new", expiresIn: .seconds(3600), worker: "one")
        guard case .current(let token) = try bench.rateLimiter.claimTokenRenewal(refusing: "old", worker: "two") else {
            throw Bench.Stuck()
        }
        #expect(token.token == "new")
    }

    @Test("A worker that died over it does not keep the others from it")
    func died() throws {
        let bench = try Bench()
        #expect(try bench.rateLimiter.claimTokenRenewal(refusing: nil, worker: "one") == .yours)
        bench.clock.advance(.seconds(15))
        #expect(try bench.rateLimiter.claimTokenRenewal(refusing: nil, worker: "two") == .yours)
    }

    @Test("A failed request backs off for all, 30 s doubling to an hour, and lookups wait as long as there is no token")
    func failed() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a", .renewal))
        for expected in [30, 60, 120, 240, 480, 960, 1920, 3600, 3600] {
            #expect(try bench.rateLimiter.claimTokenRenewal(refusing: nil, worker: "one") == .yours)
            #expect(try bench.rateLimiter.backOff(.token("401")) == bench.clock.wall.milliseconds + Int64(expected) * 1000)
            #expect(
                try bench.rateLimiter.claimTokenRenewal(refusing: nil, worker: "two")
                    == .wait(.seconds(expected), .backoff))
            #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(.seconds(expected), .backoff))
            bench.clock.advance(.seconds(expected))
        }
        try bench.rateLimiter.storeToken("good", expiresIn: .seconds(3600), worker: "one")
        #expect(try bench.rateLimiter.status().tokenOutage == nil)
        _ = try bench.rateLimiter.backOff(.token("500"))
        #expect(try bench.rateLimiter.permitAndSend(worker: "one").lease != nil)  // the old token is still good
    }

    @Test("A pause is of the credentials that it was met with: others do not wait, and a refusal is known until they or a token come")
    func otherCredentials() throws {
        let bench = try Bench()
        let corrected = try bench.folder.open(clock: bench.clock, isOurs: { $0 == "corrected" })
        try bench.enqueue(bench.ask("a"))
        for expected in [30, 60, 120] {
            _ = try bench.rateLimiter.backOff(.token("400", credentials: "wrong", isRefusal: true))
            #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(.seconds(expected), .backoff))
            #expect(try bench.rateLimiter.claimTokenRenewal(refusing: nil, worker: "one") == .wait(.seconds(expected), .backoff))
            bench.clock.advance(.seconds(expected))
        }
        // Between two attempts, too.
        #expect(try bench.rateLimiter.status().tokenOutage == nil && bench.rateLimiter.status().refusedCredentials?.reason == "400")
        _ = try bench.rateLimiter.backOff(.token("400", credentials: "wrong", isRefusal: true))
        let status = try corrected.status()
        #expect(status.tokenOutage == nil && status.refusedCredentials == nil)
        #expect(try corrected.peek(worker: "two") == .due)
        #expect(try corrected.claimTokenRenewal(refusing: nil, worker: "two") == .yours)
        // Theirs begins small, and is none of the others' either.
        let end = try corrected.backOff(.token("500", credentials: "corrected"))
        #expect(end == bench.clock.wall.milliseconds + 30_000)
        #expect(try corrected.status().tokenOutage?.failures == 1 && corrected.status().refusedCredentials == nil)
        bench.clock.advance(.seconds(30))
        try corrected.storeToken("good", expiresIn: .seconds(3600), worker: "two")
        #expect(try bench.rateLimiter.status().refusedCredentials == nil)
    }

    @Test("The token does not show in what is printed")
    func hidden() throws {
        let bench = try Bench()
        try bench.rateLimiter.storeToken("BQD-secret", expiresIn: .seconds(3600), issuedFor: "id", worker: "one")
        let claim = try bench.rateLimiter.claimTokenRenewal(refusing: nil, worker: "one")
        var dumped = ""
        dump(claim, to: &dumped)
        #expect(!"\(claim) \(String(reflecting: claim)) \(dumped)".contains("secret"))
    }

    @Test("Facts are kept until their end, for all processes")
    func facts() throws {
        let bench = try Bench()
        let other = try bench.folder.open(clock: bench.clock)
        try bench.rateLimiter.remember("mode", "development", until: nil)
        try bench.rateLimiter.remember("closed", "top-tracks", until: bench.clock.wall.milliseconds + 1000)
        #expect(try other.recall("mode") == "development")
        #expect(try other.recall("closed") == "top-tracks")
        #expect(try other.recall("nothing") == nil)
        bench.clock.advance(.seconds(1))
        #expect(try other.recall("closed") == nil)
        try other.remember("mode", "extended", until: nil)
        #expect(try bench.rateLimiter.recall("mode") == "extended")
    }
}
