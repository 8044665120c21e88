import Foundation
import Logging
import Platform
import TestServers
import Testing

@testable import RateLimiting

/// The implementations that have to do the same.
enum LimiterKind: String, CustomTestStringConvertible {
    case file, shared

    var testDescription: String { rawValue }

    /// What can be tried here: the shared one needs Debian's redis-server.
    static let all: [LimiterKind] = RedisServer.isInstalled ? [.file, .shared] : [.file]
}

/// Two processes of one host that share a limiter, on a clock that is set by hand.
struct LimiterPair {
    let clock = ManualClock()
    /// As the one process has it, and the other.
    let one: any RateLimiter
    let two: any RateLimiter
    private let folder: Folder
    private let server: RedisServer?

    init(_ kind: LimiterKind, rateLimit: RateLimit = RateLimit(), queueLimit: Int = 1000) throws {
        let (folder, clock) = (try Folder(), self.clock)
        self.folder = folder
        switch kind {
        case .file:
            server = nil
            one = try folder.open(rateLimit: rateLimit, queueLimit: queueLimit, clock: clock)
            two = try folder.open(rateLimit: rateLimit, queueLimit: queueLimit, clock: clock)
        case .shared:
            let server = try RedisServer()
            self.server = server
            let pair = try (0..<2).map { _ in
                try folder.open(rateLimit: rateLimit, queueLimit: queueLimit, clock: clock).shared("here", over: server)
            }
            // A busy machine may make the store look far away, and that ends with the next look.
            for limiter in pair { for _ in 0..<500 where limiter.fault != nil { usleep(20_000) } }
            (one, two) = (pair[0], pair[1])
            // A host that has just come assumes a call just now.
            clock.advance(rateLimit.countedWindow)
        }
    }

    func ask(
        _ key: String, _ priority: Priority = .caller, client: String = "anna", patience: Duration = .seconds(3600)
    ) -> Ask {
        Ask(key: key, priority: priority, client: client, attendedUntil: (clock.wall + patience).milliseconds)
    }

    /// Waits as long as it is told to and takes the next permit.
    func next(of limiter: (any RateLimiter)? = nil, worker: String = "one") throws -> Lease {
        for _ in 0..<100 {
            switch try (limiter ?? one).permitAndSend(worker: worker) {
            case .granted(let lease): return lease
            case .wait(let length, let reason):
                clock.advance(length)
                // A busy machine may have made the store look far away for a moment, and that ends by the true clock.
                if server != nil, reason == .backoff { usleep(20_000) }
            }
        }
        throw Bench.Stuck()
    }

    struct Refused: Error {}
}

/// One suite for every implementation of `RateLimiter`: what the protocol promises, asked through it alone.
@Suite("Every limiter")
struct LimiterConformance {
    @Test("An empty queue grants nothing", arguments: LimiterKind.all)
    func empty(_ kind: LimiterKind) throws {
        let pair = try LimiterPair(kind)
        #expect(try pair.one.permit(worker: "one") == .wait(.seconds(10), .empty))
        #expect(try pair.one.peek(worker: "one") == .wait(.seconds(10), .empty))
    }

    @Test("Calls are an interval apart, whoever makes them, and what is told is when", arguments: LimiterKind.all)
    func interval(_ kind: LimiterKind) throws {
        let pair = try LimiterPair(kind)
        _ = try pair.one.enqueue((0..<6).map { pair.ask("\($0)") })
        var last: BootTime?
        for index in 0..<6 {
            let lease = try pair.next(of: index.isMultiple(of: 2) ? pair.one : pair.two, worker: index.isMultiple(of: 2) ? "one" : "two")
            if let last { #expect(lease.grantedAt - last >= .seconds(2) && lease.grantedAt - last <= .milliseconds(2061)) }
            last = lease.grantedAt
            #expect(try pair.two.permit(worker: "one") != .wait(.zero, .interval))
            #expect(try pair.one.finish(lease, .answered))
        }
    }

    @Test("Nobody is granted a permit while another's call is on its way to the kernel", arguments: LimiterKind.all)
    func sending(_ kind: LimiterKind) throws {
        let pair = try LimiterPair(kind)
        _ = try pair.one.enqueue([pair.ask("a"), pair.ask("b")])
        let lease = try #require(try pair.one.permit(worker: "one").lease)
        pair.clock.advance(.seconds(10))
        let others = try pair.two.permit(worker: "two")
        guard case .wait(_, .turnOfAnother) = others else {
            Issue.record("\(others)")
            return
        }
        #expect(!lease.isFresh(now: pair.clock.boot))
        pair.one.endSending(wasSent: true)
        guard case .wait(let left, .interval) = try pair.two.permit(worker: "one") else { throw Bench.Stuck() }
        #expect(left == .seconds(2))
    }

    @Test("A full hour is said, and ends when its oldest call is an hour old", arguments: LimiterKind.all)
    func hour(_ kind: LimiterKind) throws {
        let pair = try LimiterPair(kind, rateLimit: RateLimit(interval: .milliseconds(200), callsPerWindow: 5))
        _ = try pair.one.enqueue((0..<6).map { pair.ask("\($0)", patience: .seconds(9000)) })
        let first = try pair.next()
        for _ in 1..<5 { _ = try pair.one.finish(try pair.next(), .answered) }
        pair.clock.advance(.seconds(1))
        let left = first.grantedAt + .seconds(3601) - pair.clock.boot
        guard case .wait(let told, .hour) = try pair.two.permit(worker: "one") else { throw Bench.Stuck() }
        #expect(told >= left && told <= left + .milliseconds(30))
    }

    @Test(
        "Callers go before renewals and those before warming; clients in turn, each one's in the order they came",
        arguments: LimiterKind.all)
    func order(_ kind: LimiterKind) throws {
        let pair = try LimiterPair(kind)
        _ = try pair.one.enqueue([pair.ask("warm", .warming, client: ""), pair.ask("renew", .renewal, client: "")])
        _ = try pair.two.enqueue(["a1", "a2", "a3"].map { pair.ask($0, client: "anna") })
        _ = try pair.one.enqueue(["b1"].map { pair.ask($0, client: "ben") })
        let keys = try (0..<6).map { _ in
            let lease = try pair.next()
            _ = try pair.one.finish(lease, .answered)
            return lease.key
        }
        #expect(keys == ["a1", "b1", "a2", "a3", "renew", "warm"])
    }

    /// The clock is set, so that nothing but the limiter takes time. `LIMITER_TURNS=1 swift test --filter turnsASecond` prints docs/performance.md's figures.
    @Test(
        "With a thousand queued each turn is for another lookup",
        arguments: LimiterKind.all)
    func turnsASecond(_ kind: LimiterKind) throws {
        let prints = ProcessInfo.processInfo.environment["LIMITER_TURNS"] != nil
        let pair = try LimiterPair(kind, queueLimit: 4000)
        for client in ["anna", "ben", "cleo", "dan"] {
            _ = try pair.one.enqueue((0..<250).map { pair.ask("\(client) \($0)", client: client, patience: .seconds(9000)) })
        }
        let turns = prints ? 500 : 50
        let begin = SystemClock().monotonic
        var keys: Set<String> = []
        for _ in 0..<turns {
            let lease = try pair.next()
            _ = try pair.one.finish(lease, .answered)
            keys.insert(lease.key)
        }
        #expect(keys.count == turns)
        let length = SystemClock().monotonic - begin
        guard prints else { return }
        print("\(kind): \(turns) turns with a thousand queued, \(Int64(turns) * 1_000_000_000 / length.wholeNanoseconds) a second")
    }

    @Test("A key is queued once, whoever asks for it, and is seen by the other", arguments: LimiterKind.all)
    func once(_ kind: LimiterKind) throws {
        let pair = try LimiterPair(kind)
        let before = try pair.two.changeCounter()
        guard case .queued(ahead: 0, _, wasQueued: false) = try pair.one.enqueue([pair.ask("a")])[0] else { throw Bench.Stuck() }
        #expect(try pair.two.changeCounter() != before)
        guard case .queued(ahead: 0, _, wasQueued: true) = try pair.two.enqueue([pair.ask("a", client: "ben")])[0] else {
            throw Bench.Stuck()
        }
        #expect(try pair.two.queued(atMost: 10).map(\.key) == ["a"])
        guard case .waiting(ahead: 0, _) = try pair.two.states(of: ["a"])[0] else { throw Bench.Stuck() }
        let lease = try pair.next()
        #expect(try pair.two.states(of: ["a", "b"]) == [.leased, .absent])
        #expect(try pair.one.finish(lease, .answered))
        #expect(try pair.two.states(of: ["a"]) == [.absent])
    }

    @Test("A client has a quarter of the queue and no more; the others still come in", arguments: LimiterKind.all)
    func share(_ kind: LimiterKind) throws {
        let pair = try LimiterPair(kind, queueLimit: 8)
        let admissions = try pair.one.enqueue((0..<3).map { pair.ask("\($0)") })
        guard case .refused(.clientShare, _) = admissions[2] else { throw Bench.Stuck() }
        guard case .queued = try pair.two.enqueue([pair.ask("other", client: "ben")])[0] else { throw Bench.Stuck() }
    }

    @Test("One lookup may take the place of several", arguments: LimiterKind.all)
    func inPlace(_ kind: LimiterKind) throws {
        let pair = try LimiterPair(kind)
        _ = try pair.one.enqueue(["a", "b", "c"].map { pair.ask($0) })
        #expect(try !pair.one.enqueue("album", inPlaceOf: ["a", "z"], fewest: 2))
        #expect(try pair.one.enqueue("album", inPlaceOf: ["a", "b"], fewest: 2))
        let lease = try pair.next()
        #expect(lease.key == "album")
        #expect(try pair.one.finish(lease, .answered, storing: {}, answering: { ["a", "b"] }))
        #expect(try pair.next().key == "c")
    }

    @Test("What is stored is stored by who has the lease, once", arguments: LimiterKind.all)
    func fence(_ kind: LimiterKind) throws {
        let pair = try LimiterPair(kind)
        _ = try pair.one.enqueue([pair.ask("a")])
        let dead = try pair.next()
        pair.clock.advance(.seconds(16))
        let lease = try pair.next(of: pair.two, worker: "two")
        #expect(lease.key == "a" && lease.number > dead.number && lease.attempt == 2)
        var stored: [String] = []
        #expect(try !pair.one.finish(dead, .answered, storing: { stored.append("dead") }))
        #expect(throws: RateLimiterError.self) { _ = try pair.two.finish(lease, .answered, storing: { throw LimiterPair.Refused() }) }
        #expect(try pair.one.states(of: ["a"]) == [.leased])
        #expect(try pair.two.finish(lease, .answered, storing: { stored.append("alive") }))
        #expect(try !pair.two.finish(lease, .answered, storing: { stored.append("again") }))
        #expect(stored == ["alive"])
    }

    @Test("A lost permit keeps its slot spent and frees its lookup; a failure waits, and a final one says so", arguments: LimiterKind.all)
    func failures(_ kind: LimiterKind) throws {
        let pair = try LimiterPair(kind)
        _ = try pair.one.enqueue([pair.ask("a")])
        try pair.one.losePermit(try pair.next())
        guard case .wait(.seconds(2), .interval) = try pair.one.permit(worker: "one") else { throw Bench.Stuck() }
        let second = try pair.next()
        #expect(second.attempt == 1)
        #expect(try pair.one.finish(second, .failed(reason: "500", retryAfter: .seconds(60), final: false)))
        guard case .wait(let pause, .backoff) = try pair.one.permit(worker: "one") else { throw Bench.Stuck() }
        #expect(pause == .seconds(60))
        #expect(try pair.one.finish(try pair.next(), .failed(reason: "500", retryAfter: .seconds(60), final: true)))
        guard case .failed(reason: "500", _) = try pair.two.states(of: ["a"])[0] else { throw Bench.Stuck() }
    }

    @Test("A cooldown holds for everybody and is never shortened", arguments: LimiterKind.all)
    func cooldown(_ kind: LimiterKind) throws {
        let pair = try LimiterPair(kind)
        _ = try pair.one.enqueue([pair.ask("a")])
        let end = try pair.one.coolDown(.seconds(100), quotaExceeded: true)
        #expect(try pair.two.coolDown(.seconds(5), quotaExceeded: false) == end)
        #expect(try pair.two.permit(worker: "two") == .wait(.seconds(100), .cooldown))
        #expect(try pair.two.status().cooldown?.endsAt == end)
        guard case .wait(_, .cooldown) = try pair.two.claimTokenRenewal(refusing: nil, worker: "two") else { throw Bench.Stuck() }
        pair.clock.advance(.seconds(100))
        #expect(try pair.two.permit(worker: "two").lease?.key == "a")
    }

    @Test("Nobody of the host tries what could not be reached before the pause ends", arguments: LimiterKind.all)
    func outage(_ kind: LimiterKind) throws {
        let pair = try LimiterPair(kind)
        _ = try pair.one.enqueue([pair.ask("a")])
        let end = try pair.one.backOff(.upstream("no route"))
        #expect(try pair.two.permit(worker: "two") == .wait(.seconds(1), .backoff))
        #expect(try pair.two.status().upstream?.endsAt == end && pair.two.status().upstream?.reason == "no route")
        pair.clock.advance(.seconds(1))
        #expect(try pair.next().key == "a")
    }

    @Test("One asks for a token, the others wait and have it then", arguments: LimiterKind.all)
    func token(_ kind: LimiterKind) throws {
        let pair = try LimiterPair(kind)
        #expect(try pair.one.claimTokenRenewal(refusing: nil, worker: "one") == .yours)
        guard case .wait(_, .turnOfAnother) = try pair.two.claimTokenRenewal(refusing: nil, worker: "two") else { throw Bench.Stuck() }
        try pair.one.storeToken("first", expiresIn: .seconds(3600), issuedFor: "id", worker: "one")
        guard case .current(let token) = try pair.two.claimTokenRenewal(refusing: nil, worker: "two") else { throw Bench.Stuck() }
        #expect(token.token == "first" && token.issuedFor == "id")
        #expect(try pair.two.claimTokenRenewal(refusing: "first", worker: "two") == .yours)
    }

    @Test("A fact is known to all workers until its time is over", arguments: LimiterKind.all)
    func facts(_ kind: LimiterKind) throws {
        let pair = try LimiterPair(kind)
        try pair.one.remember("mode", "development", until: (pair.clock.wall + .seconds(10)).milliseconds)
        #expect(try pair.two.recall("mode") == "development")
        pair.clock.advance(.seconds(11))
        #expect(try pair.two.recall("mode") == nil)
    }

    @Test("A refusal that may be the account's is put to the test by what was answered before", arguments: LimiterKind.all)
    func account(_ kind: LimiterKind) throws {
        let pair = try LimiterPair(kind)
        _ = try pair.one.enqueue([pair.ask("good"), pair.ask("odd")])
        #expect(try pair.one.finish(try pair.next(), .served(known: "good")))
        #expect(try pair.one.suspectAccount(try pair.next(), refusal: "403", reason: "refused", saysSo: true) == .examined)
        let control = try pair.next(of: pair.two, worker: "one")
        #expect(control.isControl && control.subject == "good")
        var kept: SuspectedRefusal?
        #expect(try pair.two.clearAccount(control, known: "good") { kept = $0 })
        #expect(kept == SuspectedRefusal(key: "odd", refusal: "403"))
        #expect(try pair.two.confirmAccountRefusal(control, reason: "late") == nil)
    }
}
