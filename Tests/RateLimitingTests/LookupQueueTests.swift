import GRDB
import Platform
import Testing

@testable import RateLimiting

@Suite("The queue") struct LookupQueueTests {
    /// Takes turns until nothing is left, and says which keys were granted, in order.
    private func serve(_ bench: Bench, _ count: Int) throws -> [String] {
        try (0..<count).map { _ in
            let lease = try bench.next()
            #expect(try bench.rateLimiter.finish(lease, .answered))
            return lease.key
        }
    }

    private func refused(_ admission: Admission) -> Refusal? {
        if case .refused(let refusal, _) = admission { refusal } else { nil }
    }

    @Test("A caller's miss comes before a hundred renewals, renewals before warming, the abandoned before both")
    func priorities() throws {
        let bench = try Bench()
        _ = try bench.rateLimiter.enqueue((0..<100).map { bench.ask("renewal \($0)", .renewal, client: "") })
        try bench.enqueue(
            bench.ask("warming", .warming), bench.ask("left", .unattended), bench.ask("missed", .caller))
        #expect(try serve(bench, 3) == ["missed", "left", "renewal 0"])
        #expect(try serve(bench, 100).last == "warming")
    }

    @Test("A lookup yields as soon as nobody waits for it any more")
    func attention() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("impatient", patience: .seconds(1)), bench.ask("patient", patience: .seconds(60)))
        bench.clock.advance(.seconds(1))
        #expect(try serve(bench, 2) == ["patient", "impatient"])
    }

    @Test("A key that is queued is not queued twice, and takes the more urgent wish of the two")
    func joining() throws {
        let bench = try Bench()
        let other = try bench.folder.open(clock: bench.clock)
        try bench.enqueue(bench.ask("a", .renewal), bench.ask("b", .renewal), bench.ask("a", .warming))
        #expect(try other.enqueue([bench.ask("b", .caller), bench.ask("b", .renewal)]).count == 2)
        #expect(try bench.rateLimiter.status().waiting == [.caller: 1, .unattended: 0, .renewal: 1, .warming: 0])
        #expect(try serve(bench, 2) == ["b", "a"])
        #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(.seconds(10), .empty))
    }

    @Test("A key that is being fetched is not fetched again for a second caller")
    func leased() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a"))
        let lease = try bench.next()
        guard case .queued(ahead: 0, _, _) = try bench.enqueue(bench.ask("a", client: "bert"))[0] else {
            throw Bench.Stuck()
        }
        bench.clock.advance(.seconds(2))
        #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(.seconds(13), .turnOfAnother))
        #expect(try bench.rateLimiter.finish(lease, .answered))
        #expect(try bench.rateLimiter.states(of: ["a"]) == [.absent])
    }

    @Test("One client's many misses do not starve another's one")
    func fairness() throws {
        let bench = try Bench(queueLimit: 2000)
        _ = try bench.rateLimiter.enqueue((0..<500).map { bench.ask("a\($0)", patience: .seconds(3600)) })
        #expect(try serve(bench, 3) == ["a0", "a1", "a2"])
        try bench.enqueue(bench.ask("b0", client: "bert"), bench.ask("b1", client: "bert"))
        try bench.enqueue(bench.ask("c0", client: "carl"))
        #expect(try serve(bench, 6) == ["b0", "c0", "a3", "b1", "a4", "a5"])
    }

    @Test("A client that asks for one thing after the other takes turns with one that has many queued")
    func takingTurns() throws {
        let bench = try Bench()
        _ = try bench.rateLimiter.enqueue((0..<10).map { bench.ask("a\($0)", patience: .seconds(3600)) })
        var served: [String] = []
        for index in 0..<5 {
            try bench.enqueue(bench.ask("b\(index)", client: "bert"))
            served += try serve(bench, 2)
        }
        #expect(
            served == ["a0", "b0", "a1", "b1", "a2", "b2", "a3", "b3", "a4", "b4"]
                || served == ["b0", "a0", "b1", "a1", "b2", "a2", "b3", "a3", "b4", "a4"])
    }

    @Test("A key that a busy client asked for first does not keep the next client behind all the others")
    func sharedKey() throws {
        let bench = try Bench()
        _ = try bench.rateLimiter.enqueue((0..<100).map { bench.ask("a\($0)", patience: .seconds(3600)) })
        guard case .queued(let ahead, _, _) = try bench.enqueue(bench.ask("a99", client: "bert"))[0] else {
            throw Bench.Stuck()
        }
        #expect(ahead <= 1)
        #expect(try serve(bench, 2).contains("a99"))
    }

    @Test("The number ahead is how many are granted before", arguments: 0..<8)
    func ahead(seed: UInt64) throws {
        var random = Seeded(seed)
        let bench = try Bench()
        // Some clients were served before, in some order.
        for client in ["c", "a"] {
            try bench.enqueue(bench.ask("before \(client)", client: client))
            _ = try serve(bench, 1)
        }
        let clients = ["a", "b", "c", "d"]
        let asks = (0..<60).map { index in
            bench.ask(
                "\(index)", [.caller, .caller, .caller, .renewal, .warming][Int.random(in: 0..<5, using: &random)],
                client: clients[Int.random(in: 0...3, using: &random)], patience: .seconds(100_000))
        }
        _ = try bench.rateLimiter.enqueue(asks)
        let told = try bench.rateLimiter.states(of: asks.map(\.key))
        let order = try serve(bench, asks.count)
        for (ask, state) in zip(asks, told) {
            guard case .waiting(let ahead, _) = state else { throw Bench.Stuck() }
            #expect(ahead == order.firstIndex(of: ask.key), "\(ask.key) of \(ask.client)")
        }
    }

    @Test("The wait that is named is when the answer comes", arguments: [3, 20, 1000])
    func wait(callsPerWindow: Int) throws {
        let rateLimit = RateLimit(interval: .seconds(1), callsPerWindow: callsPerWindow, window: .seconds(60))
        let bench = try Bench(rateLimit: rateLimit)
        try bench.enqueue(bench.ask("before"))
        _ = try serve(bench, 1)
        bench.clock.advance(.milliseconds(300))
        let asked = bench.clock.boot
        let admissions = try bench.rateLimiter.enqueue((0..<30).map { bench.ask("\($0)", patience: .seconds(3600)) })
        for admission in admissions {
            guard case .queued(_, let wait, _) = admission else { throw Bench.Stuck() }
            let lease = try bench.next()
            let callTime = Duration.nanoseconds(437_625_000)  // the mean after one answer that took no time
            #expect(lease.grantedAt - asked + callTime == wait)
        }
    }

    @Test("Of one client's lookups the one that more clients wait for goes first, as long as they wait, and is counted so")
    func worth() throws {
        let bench = try Bench()
        func ask(_ key: String, _ client: String = "anna", patience: Duration = .seconds(1000)) throws {
            try bench.enqueue(bench.ask(key, client: client, patience: patience))
        }
        for key in ["1", "2", "3", "4"] { try ask(key) }
        // What they ask for besides stays in anna's line: each has more of its own.
        for client in ["b", "c", "d"] { for number in 0..<6 { try ask("\(client)\(number)", client) } }
        for client in ["b", "b", "c"] { try ask("3", client) }
        try ask("4", "b")
        try ask("2", "d", patience: .seconds(1))
        bench.clock.advance(.seconds(2))
        let asks = ["1", "2", "3", "4"]
        let told = try bench.rateLimiter.states(of: asks)
        let order = try serve(bench, 22)
        #expect(order.filter { asks.contains($0) } == ["3", "4", "1", "2"])
        for (key, state) in zip(asks, told) {
            guard case .waiting(let ahead, _) = state else { throw Bench.Stuck() }
            #expect(ahead == order.firstIndex(of: key), "\(key)")
        }
    }

    @Test("A client holds at most a quarter of the queue, and is told when to come again")
    func share() throws {
        let bench = try Bench(queueLimit: 20)
        let admissions = try bench.rateLimiter.enqueue((0..<6).map { bench.ask("\($0)") })
        #expect(admissions.map(refused) == [nil, nil, nil, nil, nil, .clientShare])
        guard case .refused(_, let retryAfter) = admissions[5] else { throw Bench.Stuck() }
        bench.clock.advance(retryAfter)
        _ = try serve(bench, 1)
        #expect(refused(try bench.enqueue(bench.ask("again"))[0]) == nil)
    }

    @Test("A full queue refuses callers, and what was refused is not queued")
    func full() throws {
        let bench = try Bench(queueLimit: 8)
        let admissions = try bench.rateLimiter.enqueue((0..<10).map { bench.ask("\($0)", client: "\($0)") })
        #expect(admissions.map(refused) == Array(repeating: nil, count: 8) + [.queueFull, .queueFull])
        #expect(try bench.rateLimiter.states(of: ["8"]) == [.absent])
        #expect(refused(try bench.enqueue(bench.ask("3", client: "9"))[0]) == nil)  // it is there already
    }

    @Test("What another lookup's answer brought leaves the queue with it, but for what is under way")
    func answeredByAnother() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a"), bench.ask("b"), bench.ask("c"), bench.ask("d", .renewal), bench.ask("e"))
        let (first, second) = (try bench.next(), try bench.next())
        #expect(try bench.rateLimiter.finish(first, .answered, storing: {}, answering: { ["a", "b", "c", "d", "x"] }))
        #expect(
            try bench.rateLimiter.states(of: ["a", "b", "c", "d"], estimating: false) == [.absent, .leased, .absent, .absent])
        #expect(try serve(bench, 1) == ["e"])
        #expect(try !bench.rateLimiter.finish(first, .answered, storing: {}, answering: { ["b"] }), "it is not current any more")
        #expect(try bench.rateLimiter.finish(second, .answered))
    }

    @Test("A lookup that may spare several takes the place of the first of them, for its client and as long; of too few it is not queued")
    func inPlaceOfOthers() throws {
        let bench = try Bench()
        for client in ["a", "b"] {
            try bench.enqueue(
                bench.ask("\(client)1", client: client), bench.ask("\(client)2", client: client), bench.ask("\(client)3", client: client))
        }
        try bench.enqueue(bench.ask("r", .renewal))
        #expect(try !bench.rateLimiter.enqueue("s", inPlaceOf: ["a2", "a3", "x", "r"], fewest: 3))
        #expect(try bench.rateLimiter.states(of: ["s"]) == [.absent])
        #expect(try bench.rateLimiter.enqueue("s", inPlaceOf: ["a1", "a2", "a3"], fewest: 3))
        #expect(try !bench.rateLimiter.enqueue("s", inPlaceOf: ["a1", "a2", "a3"], fewest: 3), "it is there")
        #expect(try serve(bench, 7) == ["s", "b1", "a2", "b2", "a3", "b3", "a1"])
        #expect(try serve(bench, 1) == ["r"])
    }

    @Test("So it does among what is fetched ahead, which it comes before; a caller who waits for one of them has it first")
    func inPlaceOfWarming() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("other", .warming), bench.ask("w1", .warming), bench.ask("w2", .warming), bench.ask("w3", .warming))
        #expect(try !bench.rateLimiter.enqueue("s", inPlaceOf: ["w1", "w2"], fewest: 3))
        #expect(try bench.rateLimiter.enqueue("s", inPlaceOf: ["w1", "w2", "w3"], fewest: 3))
        #expect(try serve(bench, 5) == ["other", "s", "w2", "w3", "w1"])
        try bench.enqueue(bench.ask("w4", .warming), bench.ask("w5", .warming), bench.ask("w6"))
        #expect(try bench.rateLimiter.enqueue("t", inPlaceOf: ["w4", "w5", "w6"], fewest: 3))
        #expect(try serve(bench, 4) == ["t", "w6", "w4", "w5"])
    }

    @Test("Renewals and warming have places of their own and cannot take the callers'")
    func background() throws {
        let bench = try Bench(queueLimit: 8)
        let renewals = try bench.rateLimiter.enqueue((0..<6).map { bench.ask("r\($0)", .renewal) })
        #expect(renewals.map(refused) == [nil, nil, nil, nil, .queueFull, .queueFull])
        let warming = try bench.rateLimiter.enqueue((0..<6).map { bench.ask("w\($0)", .warming) })
        #expect(warming.map(refused) == [nil, nil, nil, nil, .queueFull, .queueFull])
        let callers = try bench.rateLimiter.enqueue((0..<8).map { bench.ask("c\($0)", client: "\($0)") })
        #expect(callers.map(refused) == Array(repeating: nil, count: 8))
    }

    @Test("Somebody who waits takes the place of a lookup that nobody waits for")
    func eviction() throws {
        let bench = try Bench(queueLimit: 4)
        _ = try bench.rateLimiter.enqueue((0..<4).map { bench.ask("\($0)", client: "\($0)", patience: .seconds(1)) })
        #expect(refused(try bench.enqueue(bench.ask("new", client: "4"))[0]) == .queueFull)
        bench.clock.advance(.seconds(1))
        #expect(refused(try bench.enqueue(bench.ask("left", .unattended, client: "4", patience: .zero))[0]) == .queueFull)
        #expect(refused(try bench.enqueue(bench.ask("new", client: "4"))[0]) == nil)
        #expect(try serve(bench, 1) == ["new"])
    }

    @Test("What nobody has waited for during ten minutes lapses; renewals do not")
    func lapse() throws {
        let bench = try Bench()
        try bench.enqueue(bench.ask("a", patience: .seconds(5)), bench.ask("r", .renewal, patience: .zero))
        bench.clock.advance(.seconds(605) - .nanoseconds(1))
        #expect(try bench.rateLimiter.states(of: ["a"], estimating: false) == [.waiting(ahead: 0, wait: .zero)])
        bench.clock.advance(.nanoseconds(1))
        #expect(try bench.rateLimiter.states(of: ["a"]) == [.absent])
        #expect(try serve(bench, 1) == ["r"])
        #expect(try bench.rateLimiter.permitAndSend(worker: "one") == .wait(.seconds(10), .empty))
        try bench.enqueue(bench.ask("b"))
        let rows = try bench.folder.raw().read { try String.fetchAll($0, sql: "SELECT key FROM lookups") }
        #expect(rows == ["b"])
    }

    @Test("With renewals waiting and steady misses, callers are never held back for a renewal's sake")
    func budget() throws {
        let bench = try Bench(rateLimit: RateLimit(interval: .seconds(2), callsPerWindow: 60, window: .seconds(3600)))
        _ = try bench.rateLimiter.enqueue((0..<200).map { bench.ask("r\($0)", .renewal) })
        var grants: [BootTime] = []
        var longest = Duration.zero
        for minute in 0..<240 {
            if minute % 5 == 0 {  // twelve misses an hour: what the reserve is made for
                guard case .queued(_, let wait, _) = try bench.enqueue(bench.ask("c\(minute)"))[0] else {
                    throw Bench.Stuck()
                }
                longest = max(longest, wait)
            }
            let end = bench.clock.boot + .seconds(60)
            while bench.clock.boot < end {
                switch try bench.rateLimiter.permitAndSend(worker: "one") {
                case .granted(let lease):
                    grants.append(lease.grantedAt)
                    #expect(try bench.rateLimiter.finish(lease, .answered))
                case .wait(let length, _):
                    bench.clock.advance(min(length, end - bench.clock.boot))
                }
            }
        }
        #expect(longest < .seconds(4))
        #expect(grants.count > 190)  // 48 an hour: what is left free is the callers'
        for (index, grant) in grants.enumerated() {
            #expect(grants[index...].prefix { $0 < grant + .seconds(3600) }.count <= 60)
        }
    }
}

/// Numbers that look random and are the same every time (splitmix64).
struct Seeded: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
