import Foundation
import Platform
import RESP
import Synchronization
import TestServers
import Testing

@testable import RateLimiting

/// A host as one process: its file, its limiter, and a thread that calls as soon as it may.
private final class Host: Sendable {
    let name: String
    let folder: Folder
    let limiter: SharedRateLimiter
    private let isStopped = Atomic(false)
    private let thread = Mutex<WorkerThread?>(nil)
    /// Records that others have fetched.
    let adopted = Tally()

    init(_ name: String, over server: RedisServer, rateLimit: RateLimit, in folder: Folder? = nil) throws {
        self.name = name
        let folder = try folder ?? Folder()
        self.folder = folder
        let adopted = adopted
        limiter = try folder.open(rateLimit: rateLimit).shared(
            name, over: server,
            exchange: .init(
                lifetime: .seconds(60), export: { Array("record of \($0)".utf8) },
                adopt: { key, record in
                    adopted.add("\(key): \(String(decoding: record, as: UTF8.self))")
                    return true
                }))
    }

    func ask(_ keys: [String]) throws {
        let until = (SystemClock().wall + .seconds(600)).milliseconds
        _ = try limiter.enqueue(keys.map { Ask(key: $0, priority: .caller, client: name, attendedUntil: until) })
    }

    /// - Parameter calls: where each call is noted, with its instant.
    func begin(noting calls: Calls) throws {
        let started = try WorkerThread.start(named: name) { [self] in
            while !isStopped.load(ordering: .relaxed) {
                let permit = try? limiter.permit(worker: name)
                guard case .granted(let lease) = permit else {
                    var pause = Duration.milliseconds(5)
                    if case .wait(let told, _) = permit { pause = min(max(told, .milliseconds(1)), .milliseconds(20)) }
                    usleep(UInt32(pause.wholeNanoseconds / 1000))
                    continue
                }
                let now = SystemClock().boot
                guard lease.isFresh(now: now) else {
                    limiter.endSending(wasSent: false)
                    try? limiter.losePermit(lease)
                    continue
                }
                calls.note(lease.key, by: name, at: now)
                limiter.endSending(wasSent: true)
                _ = try? limiter.finish(lease, .answered)
            }
        }
        thread.withLock { $0 = started }
    }

    func stop() {
        isStopped.store(true, ordering: .relaxed)
        thread.withLock { $0 }?.join()
    }
}

private final class Calls: Sendable {
    private let all = Mutex<[(key: String, host: String, at: BootTime)]>([])
    func note(_ key: String, by host: String, at: BootTime) { all.withLock { $0.append((key, host, at)) } }
    var keys: [String] { all.withLock { $0.map(\.key) } }
    var hosts: [String] { all.withLock { $0.map(\.host) } }
    var instants: [BootTime] { all.withLock { $0.map(\.at) }.sorted() }
    var gaps: [Duration] { zip(instants, instants.dropFirst()).map { $1 - $0 } }
}

private func wait(_ seconds: Double, for condition: () throws -> Bool) throws {
    let end = Date(timeIntervalSinceNow: seconds)
    while try !condition() {
        guard Date() < end else { throw Bench.Stuck() }
        usleep(5000)
    }
}

/// Hosts that share one redis-server, with real clocks.
@Suite("Several hosts", .enabled(if: RedisServer.isInstalled), .serialized)
struct SharedHostsTests {
    private let rateLimit = RateLimit(interval: .milliseconds(200), callsPerWindow: 1000)
    /// What a call may leave after its turn was asked for.
    private var least: Duration { rateLimit.interval - rateLimit.headStart }

    @Test("What all ask for is called once, by all of them in turns, at one pace, and all have the record")
    func onePace() throws {
        let server = try RedisServer()
        defer { withExtendedLifetime(server) {} }
        let hosts = try (0..<3).map { try Host("host\($0)", over: server, rateLimit: rateLimit) }
        let keys = (0..<24).map { "key\($0)" }
        for host in hosts { try host.ask(keys) }
        let calls = Calls()
        for host in hosts { try host.begin(noting: calls) }
        try wait(60) { try calls.keys.count >= 24 && hosts.allSatisfy { try $0.limiter.queued(atMost: 1).isEmpty } }
        hosts.forEach { $0.stop() }
        #expect(calls.keys.sorted() == keys.sorted())
        #expect(calls.gaps.allSatisfy { $0 >= least }, "\(calls.gaps)")
        #expect(Set(calls.hosts).count == 3)
        for host in hosts {
            let own = zip(calls.keys, calls.hosts).filter { $1 == host.name }.map(\.0)
            #expect(host.adopted.all.sorted() == Set(keys).subtracting(own).map { "\($0): record of \($0)" }.sorted())
        }
    }

    @Test("A store that is started empty, or from an old snapshot, loses no call of the past", arguments: [false, true])
    func forgets(_ keepsSnapshot: Bool) throws {
        let server = try RedisServer()
        defer { withExtendedLifetime(server) {} }
        let hosts = try (0..<2).map { try Host("host\($0)", over: server, rateLimit: rateLimit) }
        for host in hosts { try host.ask((0..<200).map { "\(host.name) \($0)" }) }
        let calls = Calls()
        for host in hosts { try host.begin(noting: calls) }
        try wait(30) { calls.keys.count >= 3 }
        if keepsSnapshot { server.command("SAVE") }
        for round in 1...3 {
            try wait(60) { calls.keys.count >= 5 * round }
            server.kill()
            try server.start()
        }
        let before = calls.keys.count
        try wait(60) { calls.keys.count >= before + 8 }
        hosts.forEach { $0.stop() }
        #expect(calls.gaps.allSatisfy { $0 >= least }, "\(calls.gaps)")
        #expect(Set(calls.keys).count == calls.keys.count)
    }

    @Test("While the store is frozen or away nobody calls, and it is said; when it is back, it goes on")
    func away() throws {
        let server = try RedisServer()
        defer { withExtendedLifetime(server) {} }
        let host = try Host("one", over: server, rateLimit: rateLimit)
        try host.ask((0..<100).map { "\($0)" })
        let calls = Calls()
        try host.begin(noting: calls)
        try wait(30) { calls.keys.count >= 3 }
        server.freeze()
        // An answer may be on its way.
        usleep(1_300_000)
        let frozen = calls.keys.count
        usleep(1_000_000)
        #expect(calls.keys.count == frozen)
        guard case .wait(_, .backoff) = try host.limiter.peek(worker: "one") else { throw Bench.Stuck() }
        #expect(try host.limiter.status().shared?.fault != nil)
        server.thaw()
        try wait(30) { calls.keys.count >= frozen + 3 }
        #expect(try host.limiter.status().shared?.fault == nil)
        host.stop()
        #expect(calls.gaps.allSatisfy { $0 >= least })
    }

    @Test("A turn of a process that died before its file had it is one all the same, to the other processes of its host and to other hosts")
    func died() throws {
        let server = try RedisServer()
        defer { withExtendedLifetime(server) {} }
        let slow = RateLimit(interval: .seconds(2), callsPerWindow: 1000)
        var dying: Host? = try Host("one", over: server, rateLimit: slow)
        let beside = try Host("one", over: server, rateLimit: slow, in: dying?.folder)
        let other = try Host("two", over: server, rateLimit: slow)
        for host in [beside, other] { try host.ask(["a", "b"]) }
        var granted: BootTime?
        try wait(30) {
            granted = try dying?.limiter.permit(worker: "dying").lease?.grantedAt
            return granted != nil
        }
        dying = nil
        for host in [beside, other] {
            usleep(50_000)
            guard case .wait = try host.limiter.permit(worker: host.name) else { throw Bench.Stuck() }
        }
        var next: BootTime?
        try wait(30) {
            next = try beside.limiter.permit(worker: "beside").lease?.grantedAt
            return next != nil
        }
        beside.limiter.endSending(wasSent: true)
        #expect(try #require(next) - #require(granted) >= slow.interval)
    }

    @Test("A cooldown that one host meets holds for all, also for one that comes later")
    func cooldown() throws {
        let server = try RedisServer()
        defer { withExtendedLifetime(server) {} }
        let one = try Host("one", over: server, rateLimit: rateLimit)
        let two = try Host("two", over: server, rateLimit: rateLimit)
        try two.ask(["a"])
        _ = try one.limiter.coolDown(.seconds(300), quotaExceeded: true)
        try wait(10) { if case .wait(_, .cooldown) = try two.limiter.peek(worker: "two") { true } else { false } }
        let three = try Host("three", over: server, rateLimit: rateLimit)
        #expect(try three.limiter.status().cooldown != nil)
        // Nor is it forgotten with the store.
        server.kill()
        try server.start()
        let four = try Host("four", over: server, rateLimit: rateLimit)
        try wait(20) { try four.limiter.status().cooldown != nil }
    }

    @Test("A token that one host has is all hosts' token")
    func token() throws {
        let server = try RedisServer()
        defer { withExtendedLifetime(server) {} }
        let one = try Host("one", over: server, rateLimit: rateLimit)
        let two = try Host("two", over: server, rateLimit: rateLimit)
        try one.limiter.storeToken("BQD", expiresIn: .seconds(3600), issuedFor: "id", worker: "one")
        guard case .current(let token) = try two.limiter.claimTokenRenewal(refusing: nil, worker: "two") else { throw Bench.Stuck() }
        #expect(token.token == "BQD" && token.issuedFor == "id")
        #expect(try two.limiter.claimTokenRenewal(refusing: "BQD", worker: "two") == .yours)
    }

    @Test("A host that was killed halves what is left to the others; one that said goodbye does not")
    func silent() throws {
        let server = try RedisServer()
        defer { withExtendedLifetime(server) {} }
        let one = try Host("one", over: server, rateLimit: rateLimit)
        for (isPolite, gap) in [(true, Duration.milliseconds(200)), (false, .milliseconds(400))] {
            var other: Host? = try Host("other \(isPolite)".replacingOccurrences(of: " ", with: "-"), over: server, rateLimit: rateLimit)
            usleep(2_500_000)
            if isPolite { other?.limiter.close() }
            other = nil
            usleep(12_500_000)
            try one.ask((0..<5).map { "\(isPolite) \($0)" })
            let calls = Calls()
            let caller = try Host("one", over: server, rateLimit: rateLimit, in: one.folder)
            try caller.begin(noting: calls)
            try wait(30) { calls.keys.count >= 5 }
            caller.stop()
            #expect(calls.gaps.allSatisfy { $0 >= gap - .milliseconds(20) }, "\(isPolite): \(calls.gaps)")
            if isPolite { #expect(calls.gaps.contains { $0 < .milliseconds(390) }, "\(calls.gaps)") }
        }
    }
}

/// The same on a clock that is set by hand, over a store of its own time.
@Suite("Several hosts, by a clock that is set", .enabled(if: RedisServer.isInstalled))
struct SharedClockTests {
    private let server: RedisServer
    private let clock = ManualClock(bootID: "boot")
    private let folders: [Folder]

    init() throws {
        server = try RedisServer()
        folders = [try Folder(), try Folder()]
    }

    /// A process of a host, which has looked.
    private func process(_ host: Int, rateLimit: RateLimit = RateLimit()) throws -> SharedRateLimiter {
        let process = try folders[host].open(rateLimit: rateLimit, clock: clock).shared("host\(host)", over: server)
        try lookSoon(process)
        return process
    }

    private var keys: SharedKeys {
        SharedAccount(endpoint: RedisEndpoint(host: ""), host: "x", clientID: "test", secret: "", apiURL: "").keys
    }

    private func lookSoon(_ limiter: SharedRateLimiter) throws { try wait(10) { (try? limiter.look()) != nil } }

    private func next(_ limiter: SharedRateLimiter) throws -> Lease {
        for _ in 0..<200 {
            switch try limiter.permitAndSend(worker: "worker") {
            case .granted(let lease): return lease
            case .wait(let length, let reason):
                clock.advance(min(length, .seconds(1)))
                if reason == .backoff { usleep(20_000) }
            }
        }
        throw Bench.Stuck()
    }

    @Test("What a dead host had in hand is taken over when its call is so old, whichever process has heard of it")
    func takenOver() throws {
        let (one, beside, dead) = (try process(0), try process(0), try process(1))
        let ask = Ask(key: "a", priority: .caller, client: "anna", attendedUntil: (clock.wall + .seconds(600)).milliseconds)
        for limiter in [one, dead] { _ = try limiter.enqueue([ask]) }
        let granted = try next(dead).grantedAt
        dead.close()
        try lookSoon(one)
        let yielded = (granted + .seconds(4)) - clock.boot
        clock.advance(yielded)
        guard case .wait = try one.permitAndSend(worker: "one") else { throw Bench.Stuck() }
        // Only now does the other process hear of it.
        clock.advance(granted + .milliseconds(14_900) - clock.boot)
        guard case .wait = try beside.permitAndSend(worker: "beside") else { throw Bench.Stuck() }
        let taken = try next(beside)
        #expect(taken.key == "a" && taken.grantedAt - granted < .seconds(19), "\(taken.grantedAt - granted)")
    }

    @Test("A cooldown of which the store is told late ends when it would have ended")
    func toldLate() throws {
        let (one, two) = (try process(0), try process(1))
        server.kill()
        _ = try one.coolDown(.seconds(600), quotaExceeded: false)
        clock.advance(.seconds(590))
        try server.start()
        try lookSoon(one)
        try lookSoon(two)
        let end = try #require(try two.status().cooldown?.endsAt)
        #expect((9_000...12_000).contains(end - clock.wall.milliseconds), "\(end - clock.wall.milliseconds)")
    }

    @Test("The pace of a host counts from when it is listed, before it is seen to look again")
    func strictest() throws {
        let one = try process(0)
        let two = try process(1, rateLimit: RateLimit(interval: .seconds(5), callsPerWindow: 100))
        try lookSoon(one)
        #expect(try one.status().shared?.interval == .seconds(5))
        withExtendedLifetime(two) {}
    }

    @Test("Who has said goodbye does not look any more")
    func left() throws {
        let one = try process(0)
        one.close()
        #expect(throws: RateLimiterError.self) { try one.look() }
        #expect(server.command("HLEN", keys.hosts) == "0")
    }

    @Test("A number as far as hosts are led is gone on from, by processes that begin after it, too; one that is farther is refused")
    func ledAway() throws {
        let (one, two) = (try process(0), try process(1))
        for number in [Int64(1) << 52 - 1, 1 << 51 + 1] {
            _ = server.command("HSET", keys.state, "n", "\(number)")
            for limiter in [one, two] { #expect(throws: RateLimiterError.self, "\(number)") { try limiter.look() } }
        }
        _ = server.command("HSET", keys.state, "n", "\(Int64(1) << 51)")
        try lookSoon(one)
        server.kill()
        try server.start()
        try lookSoon(two)
        try lookSoon(one)
        for begun in [try process(0), try process(1)] { #expect(begun.fault == nil) }
    }
}
