import GRDB
import Platform
import Testing

@testable import RateLimiting

@Suite("Cooldowns and outages") struct BackoffTests {
    private func cooldown(_ bench: Bench) throws -> Duration {
        guard case .wait(let length, .cooldown) = try bench.rateLimiter.permitAndSend(worker: "one") else { return .zero }
        return length
    }

    /// Waits a cooldown to its end.
    private func sitOut(_ bench: Bench) throws {
        bench.clock.advance(try cooldown(bench))
        #expect(try cooldown(bench) == .zero)
    }

    @Test("While Spotify's pause lasts no turn is granted, and the first after it is on time")
    func lasts() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a", patience: .seconds(100)), bench.ask("b", patience: .seconds(100)))
        _ = try bench.next()
        let end = try bench.rateLimiter.coolDown(.seconds(30), quotaExceeded: false)
        #expect(end == bench.clock.wall.milliseconds + 30_000)
        #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(.seconds(30), .cooldown))
        guard case .waiting(0, let wait) = try bench.rateLimiter.states(of: ["b"])[0] else { throw Bench.Stuck() }
        #expect(wait == .seconds(30) + .milliseconds(500))
        bench.clock.advance(.seconds(30) - .nanoseconds(1))
        #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(.nanoseconds(1), .cooldown))
        bench.clock.advance(.nanoseconds(1))
        #expect(try bench.rateLimiter.permitAndSend(worker: "one").lease != nil)
    }

    @Test("It holds for other processes and after a restart")
    func shared() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a"))
        _ = try bench.rateLimiter.coolDown(.seconds(86_400), quotaExceeded: true)
        let other = try bench.folder.open(clock: bench.clock)
        #expect(try other.permitAndSend(worker: "two") == .wait(.seconds(86_400), .cooldown))
        #expect(try other.status().cooldown?.quotaExceeded == true)
        #expect(try other.claimTokenRenewal(refusing: nil, worker: "two") == .wait(.seconds(86_400), .cooldown))
    }

    @Test("It survives a reboot, whichever way the wall clock was set meanwhile")
    func reboot() throws {
        for set: Int64? in [nil, 0, 1_600_000_000_000] {
            let bench = try Bench()
            try bench.enqueue(bench.ask("a", .renewal))
            _ = try bench.rateLimiter.coolDown(.seconds(3600), quotaExceeded: false)
            bench.clock.reboot("boot 2", down: .seconds(100))
            if let set { bench.clock.set(wall: set) }
            let again = try bench.folder.open(clock: bench.clock)
            guard case .wait(let length, .cooldown) = try again.permitAndSend(worker: "one") else { throw Bench.Stuck() }
            #expect(length >= .seconds(3480) && length <= .seconds(set == nil ? 3481 : 3600))
        }
    }

    @Test("A later, shorter pause does not shorten it")
    func neverShorter() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a"))
        let end = try bench.rateLimiter.coolDown(.seconds(600), quotaExceeded: false)
        #expect(try bench.rateLimiter.coolDown(.seconds(5), quotaExceeded: false) == end)
        #expect(try bench.rateLimiter.coolDown(nil, quotaExceeded: false) == end)
        #expect(try cooldown(bench) == .seconds(600))
    }

    @Test("Without a length it is 30 s, doubles while it repeats up to an hour, and starts small after a success")
    func doubling() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a", .renewal))
        for expected in [30, 60, 120, 240, 480, 960, 1920, 3600, 3600] {
            _ = try bench.rateLimiter.coolDown(expected % 60 == 0 ? nil : .zero, quotaExceeded: false)
            #expect(try cooldown(bench) == .seconds(expected))
            // An answer to a call that was already out neither lengthens nor forgives.
            _ = try bench.rateLimiter.coolDown(nil, quotaExceeded: false)
            try bench.rateLimiter.noteSuccess()
            #expect(try cooldown(bench) == .seconds(expected))
            try sitOut(bench)
        }
        let lease = try bench.next()
        #expect(try bench.rateLimiter.finish(lease, .answered))
        try bench.enqueue(bench.ask("a", .renewal))
        _ = try bench.rateLimiter.coolDown(nil, quotaExceeded: false)
        #expect(try cooldown(bench) == .seconds(30))
    }

    @Test("An absurd length ends some day")
    func absurd() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a"))
        _ = try bench.rateLimiter.coolDown(.seconds(Int64.max), quotaExceeded: false)
        #expect(try cooldown(bench) == .seconds(30 * 86_400))
    }

    @Test("While upstream cannot be reached nobody tries: 1 s, doubling to a minute; it spends no slot; success ends it")
    func upstream() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a", .renewal), bench.ask("b", .renewal))
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            let end = try bench.rateLimiter.backOff(.upstream("no route"))
            #expect(end == bench.clock.wall.milliseconds + Int64(expected) * 1000)
            #expect(try bench.rateLimiter.backOff(.upstream("no route")) == end)  // the other workers saw it, too
            #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(.seconds(expected), .backoff))
            bench.clock.advance(.seconds(expected))
        }
        #expect(try bench.rateLimiter.status().callsInWindow == 0)
        #expect(try bench.rateLimiter.finish(try bench.next(), .answered))
        #expect(try bench.rateLimiter.backOff(.upstream("no route")) == bench.clock.wall.milliseconds + 1000)
        #expect(try bench.rateLimiter.status().upstream?.reason == "no route")
        try bench.rateLimiter.noteSuccess()
        #expect(try bench.rateLimiter.status().upstream == nil)
    }

    @Test("An outage whose length was told lasts that long, whatever a call that was under way brings, and grows by none")
    func toldOutage() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a", .renewal), bench.ask("b", .renewal))
        let under = try bench.next()
        let end = try bench.rateLimiter.backOff(.upstream("503"), told: .seconds(6))
        #expect(end == bench.clock.wall.milliseconds + 6000)
        bench.clock.advance(.seconds(1))
        #expect(try bench.rateLimiter.backOff(.upstream("503"), told: .seconds(3)) == end, "it is not shortened")
        #expect(try bench.rateLimiter.finish(under, .answered))
        #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(.seconds(5), .backoff))
        #expect(try bench.rateLimiter.backOff(.upstream("503"), told: .seconds(9)) == end + 4000, "a longer one is")
        bench.clock.advance(.seconds(9))
        #expect(try bench.rateLimiter.permitAndSend(worker: "one").lease != nil)
        #expect(try bench.rateLimiter.backOff(.upstream("no route")) == bench.clock.wall.milliseconds + 1000)
        #expect(try bench.rateLimiter.backOff(.token("503"), told: .seconds(120)) == bench.clock.wall.milliseconds + 120_000)
    }

    @Test("A cooldown that could not be written is kept to all the same, and written later")
    func unwritten() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a"))
        let holder = try bench.folder.raw()
        try holder.writeWithoutTransaction { db in
            try db.execute(sql: "BEGIN IMMEDIATE")
            #expect(throws: RateLimiterError.self) { try bench.rateLimiter.coolDown(.seconds(60), quotaExceeded: false) }
            try db.execute(sql: "COMMIT")
        }
        #expect(try bench.folder.open(clock: bench.clock).status().cooldown == nil)
        #expect(try bench.rateLimiter.peek(worker: "one") == .wait(.seconds(60), .cooldown))
        #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(.seconds(60), .cooldown))
        let other = try bench.folder.open(clock: bench.clock)
        #expect(try other.permitAndSend(worker: "two") == .wait(.seconds(60), .cooldown))
    }
}
