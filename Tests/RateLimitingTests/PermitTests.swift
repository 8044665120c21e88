import Platform
import Testing

@testable import RateLimiting

@Suite("Turns") struct PermitTests {
    @Test("An empty queue grants nothing")
    func empty() throws {
        let bench = try Bench()
        #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(.seconds(10), .empty))
        #expect(try bench.rateLimiter.peek(worker: "one") == .wait(.seconds(10), .empty))
    }

    @Test("The first lookup is granted at once, the next at the wait it is told and not a nanosecond before")
    func edge() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a"), bench.ask("b"))
        #expect(try bench.rateLimiter.peek(worker: "one") == .due)
        let first = try #require(try bench.rateLimiter.permitAndSend(worker: "one").lease)
        #expect(first.key == "a" && first.attempt == 1 && first.priority == .caller)
        #expect(first.grantedAt == bench.clock.boot)
        bench.clock.advance(.milliseconds(500))
        #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(.milliseconds(1500), .interval))
        bench.clock.advance(.milliseconds(1500) - .nanoseconds(1))
        #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(.nanoseconds(1), .interval))
        #expect(try bench.rateLimiter.peek(worker: "one") == .wait(.nanoseconds(1), .interval))
        bench.clock.advance(.nanoseconds(1))
        #expect(try bench.rateLimiter.permitAndSend(worker: "one").lease?.key == "b")
    }

    @Test("The eleventh of ten calls an hour waits for the first to be an hour old, and says so")
    func hour() throws {
        let bench = try Bench(rateLimit: RateLimit(interval: .milliseconds(200), callsPerWindow: 10))
        let admissions = try bench.rateLimiter.enqueue((1...11).map { bench.ask("\($0)", patience: .seconds(7200)) })
        guard case .queued(ahead: 10, let wait, _) = admissions[10] else { throw Bench.Stuck() }
        #expect(wait == .seconds(3601) + .milliseconds(500))  // and half a second for the answer
        let first = try bench.next()
        #expect(try bench.rateLimiter.finish(first, .answered))
        for _ in 2...10 { #expect(try bench.rateLimiter.finish(try bench.next(), .answered)) }
        bench.clock.advance(.seconds(10))
        let told = first.grantedAt + .seconds(3601) - bench.clock.boot
        #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(told, .hour))
        bench.clock.advance(told - .nanoseconds(1))
        #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(.nanoseconds(1), .hour))
        bench.clock.advance(.nanoseconds(1))
        #expect(try bench.rateLimiter.permitAndSend(worker: "one").lease?.key == "11")
    }

    @Test("A denial and a peek write nothing")
    func denial() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a"), bench.ask("b"))
        _ = try bench.next()
        let other = try bench.folder.open(clock: bench.clock)
        let before = try other.changeCounter()
        _ = try bench.rateLimiter.permitAndSend(worker: "one")
        _ = try bench.rateLimiter.peek(worker: "two")
        _ = try bench.rateLimiter.status()
        #expect(try other.changeCounter() == before)
        bench.clock.advance(.seconds(2))
        #expect(try bench.rateLimiter.permitAndSend(worker: "one").lease != nil)
        #expect(try other.changeCounter() != before)
    }

    @Test("One's own changes do not move the change counter")
    func ownChanges() throws {
        let bench = try Bench()
        let before = try bench.rateLimiter.changeCounter()
        try bench.enqueue(bench.ask("a"))
        _ = try bench.next()
        #expect(try bench.rateLimiter.changeCounter() == before)
    }

    @Test("The worker of the last call may take the next turn on time, another one 30 ms later")
    func headStart() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a"), bench.ask("b"), bench.ask("c"))
        _ = try bench.next(worker: "one")
        #expect(try bench.rateLimiter.permitAndSend(worker: "two") == .wait(.milliseconds(2030), .interval))
        bench.clock.advance(.seconds(2))
        #expect(try bench.rateLimiter.permitAndSend(worker: "two") == .wait(.milliseconds(30), .turnOfAnother))
        #expect(try bench.rateLimiter.peek(worker: "two") == .wait(.milliseconds(30), .turnOfAnother))
        #expect(try bench.rateLimiter.peek(worker: "one") == .due)
        bench.clock.advance(.milliseconds(30))
        #expect(try bench.rateLimiter.permitAndSend(worker: "two").lease != nil)
        bench.clock.advance(.seconds(60))
        #expect(try bench.rateLimiter.permitAndSend(worker: "one").lease != nil)
    }

    @Test("A lease is fresh for 50 ms")
    func freshness() throws {
        let lease = Lease(key: "a", number: 1, attempt: 1, priority: .caller, grantedAt: 1_000_000_000)
        #expect(lease.isFresh(now: 1_000_000_000))
        #expect(lease.isFresh(now: 1_050_000_000))
        #expect(!lease.isFresh(now: 1_050_000_001))
    }

    @Test("A lost turn frees the lookup at once, keeps the slot spent, and does not count as an attempt")
    func lostTurn() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a"))
        let lost = try bench.next()
        try bench.rateLimiter.losePermit(lost)
        #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(.seconds(2), .interval))
        let again = try bench.next()
        #expect(again.key == "a" && again.attempt == 1 && again.number > lost.number)
        try bench.rateLimiter.losePermit(lost)  // an old lease changes nothing
        #expect(try bench.rateLimiter.states(of: ["a"]) == [.leased])
        #expect(try bench.rateLimiter.finish(lost, .answered) == false)
    }

    @Test("A worker that does not come back loses its lookup to another after the lease's lifetime, not before")
    func deadWorker() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a", patience: .seconds(60)))
        let dead = try bench.next(worker: "one")
        #expect(try bench.rateLimiter.permitAndSend(worker: "two") == .wait(.seconds(15), .turnOfAnother))
        bench.clock.advance(.seconds(15) - .nanoseconds(1))
        #expect(try bench.rateLimiter.permitAndSend(worker: "two") == .wait(.nanoseconds(1), .turnOfAnother))
        bench.clock.advance(.nanoseconds(1))
        let heir = try #require(try bench.rateLimiter.permitAndSend(worker: "two").lease)
        #expect(heir.key == "a" && heir.attempt == 2)
        var stored = 0
        #expect(try bench.rateLimiter.finish(dead, .answered) { stored += 1 } == false)
        #expect(stored == 0)
        #expect(try bench.rateLimiter.finish(heir, .answered) { stored += 1 } == true)
        #expect(stored == 1)
        #expect(try bench.rateLimiter.finish(heir, .answered) { stored += 1 } == false)
        #expect(try bench.rateLimiter.states(of: ["a"]) == [.absent])
    }

    @Test("A late answer is still stored while nobody else has taken the lookup over")
    func lateAnswer() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a"))
        let lease = try bench.next()
        bench.clock.advance(.seconds(100))
        #expect(try bench.rateLimiter.finish(lease, .answered))
    }

    @Test("When storing fails, nothing is changed and the cause is told")
    func storingFails() throws {
        struct Full: Error {}
        let bench = try Bench()
        try bench.enqueue(bench.ask("a"))
        let lease = try bench.next()
        let error = #expect(throws: RateLimiterError.self) {
            try bench.rateLimiter.finish(lease, .answered) { throw Full() }
        }
        guard case .storing(let cause) = error else { throw Bench.Stuck() }
        #expect(cause is Full)
        #expect(try bench.rateLimiter.states(of: ["a"]) == [.leased])
        #expect(try bench.rateLimiter.finish(lease, .answered))
    }

    @Test("A failure is tried again after its pause, on the same attempts' count")
    func failure() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a"))
        let lease = try bench.next()
        let failed = LeaseResult.failed(reason: "502", retryAfter: .seconds(5), final: false)
        #expect(try bench.rateLimiter.finish(lease, failed))
        #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(.seconds(5), .backoff))
        guard case .waiting(0, let wait) = try bench.rateLimiter.states(of: ["a"])[0] else { throw Bench.Stuck() }
        #expect(wait >= .seconds(5))
        #expect(try bench.next().attempt == 2)
    }

    @Test("A lookup that is given up says why, and asking again does not shorten its pause")
    func finalFailure() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a"))
        let failed = LeaseResult.failed(reason: "403 closed", retryAfter: .seconds(60), final: true)
        #expect(try bench.rateLimiter.finish(try bench.next(), failed))
        let retry = bench.clock.wall.milliseconds + 60_000
        #expect(try bench.rateLimiter.states(of: ["a"]) == [.failed(reason: "403 closed", retryAt: retry)])
        #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(.seconds(10), .empty))
        bench.clock.advance(.seconds(20))
        guard case .queued(0, let wait, _) = try bench.enqueue(bench.ask("a"))[0] else { throw Bench.Stuck() }
        #expect(wait >= .seconds(40))
        #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(.seconds(40), .backoff))
        #expect(try bench.next().attempt == 1)
    }

    @Test("The estimate follows how long answers take")
    func callTime() throws {
        let bench = try Bench()
        for index in 0..<100 {
            try bench.enqueue(bench.ask("\(index)"))
            let lease = try bench.next()
            bench.clock.advance(.seconds(4))
            #expect(try bench.rateLimiter.finish(lease, .answered))
        }
        let told = try bench.rateLimiter.status().callTime
        #expect(told > .milliseconds(3990) && told <= .seconds(4))
        #expect(try bench.enqueue(bench.ask("next")) == [.queued(ahead: 0, wait: told, wasQueued: false)])
    }

    @Test("On a disk slower than a turn stays fresh, the first turn is lost and the next ones are dated later")
    func slowDisk() throws {
        let folder = try Folder()
        let clock = SteppingClock(step: .milliseconds(60))
        let rateLimiter = try folder.open(clock: clock)
        _ = try rateLimiter.enqueue(
            (0..<5).map { Ask(key: "\($0)", priority: .renewal, client: "", attendedUntil: 0) })
        let first = try #require(try rateLimiter.permit(worker: "one").lease)
        #expect(!first.isFresh(now: clock.boot))
        rateLimiter.endSending(wasSent: false)
        var last = first
        for _ in 0..<3 {
            clock.advance(.seconds(3))
            let lease = try #require(try rateLimiter.permit(worker: "one").lease)
            #expect(lease.isFresh(now: clock.boot))
            rateLimiter.endSending(wasSent: true)
            #expect(lease.grantedAt >= last.grantedAt + .seconds(2))
            last = lease
        }
    }
}
