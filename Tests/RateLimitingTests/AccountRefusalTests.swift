import Platform
import Testing

@testable import RateLimiting

@Suite("A refusal that may be the account's") struct AccountRefusalTests {
    let bench: Bench
    init() throws { bench = try Bench() }

    /// A lookup is made and answered, and may be asked for again to see whether the account is served.
    func answer(_ key: String) throws {
        try bench.enqueue(bench.ask(key))
        #expect(try bench.rateLimiter.finish(try bench.next(), .served(known: key)))
    }

    /// A lookup's call that is refused.
    func refuse(_ key: String, saysSo: Bool = true) throws -> Suspicion {
        try bench.enqueue(bench.ask(key, patience: .seconds(3600)))
        let lease = try bench.next()
        #expect(lease.key == key)
        return try bench.rateLimiter.suspectAccount(lease, refusal: "a403 no \(key)", reason: "no Premium", saysSo: saysSo)
    }

    func leased(_ key: String) throws -> Lease {
        let lease = try bench.next()
        #expect(lease.key == key)
        return lease
    }

    @Test("has a known thing asked for first, in a turn of its own, and nothing else meanwhile")
    func control() throws {
        try answer("known")
        #expect(try refuse("new") == .examined)
        try bench.enqueue(bench.ask("other", client: "bert"))
        let control = try bench.next()
        #expect(control.isControl && control.subject == "known")
        guard case .wait(_, .turnOfAnother) = try bench.rateLimiter.permitAndSend(worker: "one") else { throw Bench.Stuck() }
        #expect(try bench.rateLimiter.status().accountRefusal == nil, "nothing is said before it is confirmed")
    }

    @Test("is the thing's own where the known thing is answered: it is handed back, and its lookup is done")
    func unfounded() throws {
        try answer("known")
        #expect(try refuse("odd") == .examined)
        let control = try bench.next()
        var handed: SuspectedRefusal?
        #expect(try bench.rateLimiter.clearAccount(control, known: "known") { handed = $0 })
        #expect(handed == SuspectedRefusal(key: "odd", refusal: "a403 no odd"))
        #expect(try bench.rateLimiter.states(of: ["odd"]) == [.absent])
        #expect(try bench.rateLimiter.status().accountRefusal == nil)
        // Nobody makes us ask again and again by what it asks for.
        #expect(try refuse("odder") == .unfounded)
        bench.clock.advance(.seconds(301))
        #expect(try bench.rateLimiter.finish(try leased("odder"), .answered))
        #expect(try refuse("oddest") == .examined)
    }

    @Test("is the account's where that is refused, too: no call for 5 s, 10 s ... 10 min, a control call after each")
    func confirmed() throws {
        try answer("first")
        try answer("second")
        #expect(try refuse("new") == .examined)
        var control = try bench.next()
        #expect(control.subject == "second", "what was answered last")
        for (pause, next) in zip(
            [5, 10, 20, 40, 80, 160, 320, 600, 600], ["first", "second", "first", "second", "first", "second", "first", "second", "first"])
        {
            let end = try bench.rateLimiter.confirmAccountRefusal(control, reason: "no Premium")
            #expect(end == bench.clock.wall.milliseconds + Int64(pause) * 1000)
            #expect(try bench.rateLimiter.status().accountRefusal?.reason == "no Premium")
            #expect(try bench.rateLimiter.peek(worker: "one") == .wait(.seconds(pause), .backoff))
            guard case .queued(_, let wait, _) = try bench.enqueue(bench.ask("more"))[0] else { throw Bench.Stuck() }
            #expect(wait >= .seconds(pause), "who asks is told an honest time")
            control = try bench.next()
            #expect(control.isControl && control.subject == next, "one that was gone would be refused for its own sake")
        }
        // The pause is over and nothing is called but to see: it is still said.
        #expect(try bench.rateLimiter.status().accountRefusal != nil)
        var handed: SuspectedRefusal?
        #expect(try bench.rateLimiter.clearAccount(control, known: "first") { handed = $0 })
        #expect(handed == nil, "what was refused while the account was is asked for again")
        #expect(try bench.rateLimiter.status().accountRefusal == nil)
        #expect(try ["new", "more"].contains(bench.next().key))
    }

    @Test("that does not speak of the account counts only beside something that was answered")
    func silent() throws {
        #expect(try refuse("known", saysSo: false) == .unfounded)
        #expect(try bench.rateLimiter.status().accountRefusal == nil)
    }

    @Test("begins a pause at once where nothing was ever answered, and any answer ends it")
    func nothingKnown() throws {
        guard case .confirmed(let end) = try refuse("new") else { throw Bench.Stuck() }
        #expect(end == bench.clock.wall.milliseconds + 5000)
        let lease = try bench.next()
        #expect(lease.key == "new" && bench.clock.wall.milliseconds >= end)
        #expect(try bench.rateLimiter.finish(lease, .served(known: nil)))
        #expect(try bench.rateLimiter.status().accountRefusal == nil)
    }

    @Test("and where nothing was ever answered goes behind the others: whose call is refused for its own sake holds up nobody")
    func othersFirst() throws {
        guard case .confirmed = try refuse("odd") else { throw Bench.Stuck() }
        try bench.enqueue(bench.ask("good", patience: .seconds(3600)))
        try answerNext("good")
        #expect(try bench.rateLimiter.status().accountRefusal == nil)
    }

    func answerNext(_ key: String) throws {
        #expect(try bench.rateLimiter.finish(try leased(key), .served(known: key)))
    }

    @Test("is not asked about while nothing else waits")
    func idle() throws {
        try answer("known")
        try bench.enqueue(bench.ask("new", patience: .seconds(1)))
        _ = try bench.rateLimiter.suspectAccount(try bench.next(), refusal: "a403 no", reason: "no", saysSo: true)
        _ = try bench.rateLimiter.confirmAccountRefusal(try bench.next(), reason: "no")
        bench.clock.advance(.seconds(3600))
        #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(.seconds(10), .empty))
        try bench.enqueue(bench.ask("another"))
        #expect(try bench.next().isControl)
    }

    @Test("outlives a restart, and a control call that its worker did not live to finish falls to another")
    func crash() throws {
        try answer("known")
        #expect(try refuse("new") == .examined)
        _ = try bench.next()
        let other = try bench.folder.open(clock: bench.clock)
        guard case .wait(let length, .turnOfAnother) = try other.permitAndSend(worker: "two") else { throw Bench.Stuck() }
        bench.clock.advance(length)
        #expect(try other.permitAndSend(worker: "two").lease?.isControl == true)
    }

    @Test("A control call that cannot be made gives the others their turn again")
    func unmade() throws {
        try answer("known")
        #expect(try refuse("new") == .examined)
        let control = try bench.next()
        #expect(try bench.rateLimiter.finish(control, .failed(reason: "502", retryAfter: .seconds(4), final: true)))
        #expect(try bench.next().key == "new")
    }
}
