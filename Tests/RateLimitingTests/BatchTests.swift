import Platform
import Testing

@testable import RateLimiting

/// A limiter that may have five tracks, or two albums, in one call.
private func bench(extended: Bool = true, queueLimit: Int = 1000) throws -> Bench {
    let bench = try Bench(queueLimit: queueLimit, batches: Batches(sizes: ["track": 5, "album": 2], where: ("mode", "extended")))
    if extended { try bench.rateLimiter.remember("mode", "extended", until: nil) }
    return bench
}

extension Lease {
    fileprivate var keys: [String] { all.map(\.key) }
}

@Suite("Lookups that share a call") struct BatchTests {
    @Test("are of one family and market, as many as may be, under one number and one slot")
    func together() throws {
        let bench = try bench()
        for number in 1...6 { try bench.enqueue(bench.ask("track/\(number)")) }
        try bench.enqueue(bench.ask("track@DE/7"), bench.ask("album/8"), bench.ask("album-tracks/8/0"), bench.ask("album/9"))
        let first = try bench.next()
        #expect(first.keys == (1...5).map { "track/\($0)" } && Set(first.all.map(\.number)).count == 1 && first.places == 5)
        #expect(try bench.next().keys == ["track/6"])
        #expect(try bench.next().keys == ["track@DE/7"])
        #expect(try bench.next().keys == ["album/8", "album/9"])
        let last = try bench.next()
        #expect(last.keys == ["album-tracks/8/0"] && last.places == 1)
        #expect(try bench.rateLimiter.status().callsInWindow == 5 && bench.rateLimiter.status().leased == 10)
    }

    @Test("are none where the file does not say that the account may have them")
    func unknownMode() throws {
        let bench = try bench(extended: false)
        try bench.enqueue(bench.ask("track/1"), bench.ask("track/2"))
        #expect(try bench.next().keys == ["track/1"])
        try bench.rateLimiter.remember("mode", "development", until: nil)
        try bench.enqueue(bench.ask("track/3"))
        #expect(try bench.next().keys == ["track/2"])
        #expect(try bench.rateLimiter.batchSize(of: "track/3") == 1)
    }

    @Test("are those that callers wait for before those that nobody waits for, renewals and what is fetched ahead")
    func order() throws {
        let bench = try bench()
        try bench.enqueue(
            bench.ask("track/ahead", .warming), bench.ask("track/old", .renewal), bench.ask("track/left", patience: .seconds(1)))
        bench.clock.advance(.seconds(2))
        try bench.enqueue(bench.ask("track/mine"), bench.ask("track/hers", client: "bea"))
        let lease = try bench.next()
        #expect(lease.keys == ["track/mine", "track/hers", "track/left", "track/old", "track/ahead"])
        #expect(lease.all.map(\.priority) == [.caller, .caller, .unattended, .renewal, .warming])
    }

    @Test("do not wait for a pause that is not theirs, nor end it for one that pauses")
    func pausing() throws {
        let bench = try bench()
        try bench.enqueue(bench.ask("track/1"))
        _ = try bench.rateLimiter.finish(try bench.next(), .failed(reason: "no", retryAfter: .seconds(60), final: false))
        try bench.enqueue(bench.ask("track/2"))
        #expect(try bench.next().keys == ["track/2"])
    }

    @Test("end each in its way, in one transaction; what is stored is of those whose lease still holds")
    func ending() throws {
        let bench = try bench()
        for number in 1...4 { try bench.enqueue(bench.ask("track/\(number)")) }
        let lease = try bench.next()
        bench.clock.advance(.seconds(16))
        // The lease ran out, and another worker has taken two of them.
        try bench.rateLimiter.remember("together/track/1", "2", until: bench.clock.wall.milliseconds + 60_000)
        #expect(try bench.next().keys == ["track/1", "track/2"])
        var stored: Set<String> = []
        let results: [LeaseResult] = [.answered, .served(known: nil), .answered, .givenBack(together: nil)]
        let current = try bench.rateLimiter.finish(
            zip(lease.all, results).map { ($0, $1) }, storing: { stored = $0 }, answering: { ["track/2"] })
        #expect(current == ["track/3", "track/4"] && stored == current)
        #expect(
            try bench.rateLimiter.states(of: (1...4).map { "track/\($0)" }, estimating: false).map { $0 == .absent } == [
                false, false, true, false,
            ])
    }

    @Test("go back to where they stood when nothing came of the call, as many together as is said, and no attempt is counted")
    func givingBack() throws {
        let bench = try bench()
        for number in 1...6 { try bench.enqueue(bench.ask("track/\(number)")) }
        _ = try bench.rateLimiter.finish(try bench.next(), .givenBack(together: nil))
        let again = try bench.next()
        #expect(again.keys == (1...5).map { "track/\($0)" } && again.all.allSatisfy { $0.attempt == 1 })
        _ = try bench.rateLimiter.finish(again, .givenBack(together: 2))
        let two = try bench.next()
        #expect(two.keys == ["track/1", "track/2"] && two.places == 2)
        _ = try bench.rateLimiter.finish(two, .givenBack(together: 1))
        #expect(try bench.next().keys == ["track/1"])
        #expect(try bench.next().keys == ["track/2"])
        #expect(try bench.next().keys == ["track/3", "track/4"])
    }

    @Test("are not among those that have failed twice: these are asked for alone")
    func failing() throws {
        let bench = try bench()
        try bench.enqueue(bench.ask("track/1"), bench.ask("track/2"))
        for _ in 1...2 {
            let lease = try bench.next()
            #expect(lease.keys == ["track/1", "track/2"])
            _ = try bench.rateLimiter.finish(lease, .failed(reason: "no", retryAfter: .zero, final: false))
        }
        let third = try bench.next()
        #expect(third.keys == ["track/1"] && third.places == 1 && third.attempt == 3)
        try bench.enqueue(bench.ask("track/3"))
        #expect(try bench.next().keys == ["track/2"])
    }

    @Test("are free again, all of them, when the permit was lost")
    func losing() throws {
        let bench = try bench()
        try bench.enqueue(bench.ask("track/1"), bench.ask("track/2"))
        try bench.rateLimiter.losePermit(try bench.next())
        let lease = try bench.next()
        #expect(lease.keys == ["track/1", "track/2"] && lease.all.allSatisfy { $0.attempt == 1 })
    }

    @Test("are none for as long as that is closed, of that family alone")
    func closing() throws {
        let bench = try bench()
        try bench.enqueue(bench.ask("track/1"), bench.ask("track/2"), bench.ask("album/1"), bench.ask("album/2"))
        let lease = try bench.next()
        try bench.rateLimiter.closeBatches(of: lease, for: .seconds(86_400))
        _ = try bench.rateLimiter.finish(lease, .givenBack(together: nil))
        #expect(try bench.next().keys == ["track/1"])
        #expect(try bench.rateLimiter.batchSize(of: "track@DE/1") == 1 && bench.rateLimiter.batchSize(of: "album/1") == 2)
        bench.clock.advance(.seconds(86_401))
        try bench.enqueue(bench.ask("track/3"), bench.ask("track/4"))
        #expect(try bench.rateLimiter.batchSize(of: "track/1") == 5)
        #expect(try bench.next().others.count == 1)
    }

    @Test("have the time of their call, not one each")
    func estimate() throws {
        let bench = try bench()
        let asks = (1...12).map { bench.ask("track/\($0)") }
        let admissions = try bench.rateLimiter.enqueue(asks)
        func waits(_ admissions: [Admission]) -> [Int64] {
            admissions.map { if case .queued(_, let wait, _) = $0 { wait.wholeMilliseconds } else { -1 } }
        }
        // Three calls, two seconds apart, each of half a second: nobody is told a later one.
        #expect(waits(admissions).max() == 4500 && waits(admissions).min() == 500)
        let alone = try self.bench12(extended: false)
        #expect(waits(alone).max() == 22_500)
        #expect(try waits(bench.rateLimiter.enqueue([bench.ask("search/track/0/q", client: "bea")])) == [2500])
    }

    private func bench12(extended: Bool) throws -> [Admission] {
        let bench = try bench(extended: extended)
        return try bench.rateLimiter.enqueue((1...12).map { bench.ask("track/\($0)") })
    }
}
