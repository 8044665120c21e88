import Platform
import Testing

@testable import RateLimiting

/// Several workers, a clock that is tampered with, crashes and reboots, in an order that a seed decides. Time is
/// also kept as it really passes, which no worker sees; the promises are checked against that.
private struct World {
    private struct Held {
        var lease: Lease
        var worker: Int
    }

    static let rateLimit = RateLimit(interval: .seconds(1), callsPerWindow: 15, window: .seconds(60))
    static let lifetime = Duration.seconds(15)

    private var random: Seeded
    private let folder: Folder
    private let clock = ManualClock()
    private var workers: [FileRateLimiter] = []
    private var held: [Held] = []
    private var boots = 1
    /// The true time.
    private var time = Duration.zero
    private var grants: [Duration] = []
    /// Lookups that were taken in and not answered yet; renewals, which do not lapse.
    private var pending: Set<String> = []
    /// Until when nobody else may be fetching the key.
    private var fetching: [String: Duration] = [:]

    init(seed: UInt64) throws {
        random = Seeded(seed)
        folder = try Folder()
        for _ in 0..<4 { workers.append(try worker()) }
    }

    private func worker() throws -> FileRateLimiter {
        try folder.open(rateLimit: Self.rateLimit, leaseLifetime: Self.lifetime, clock: clock)
    }

    private mutating func roll(_ sides: Int) -> Int { Int.random(in: 0..<sides, using: &random) }

    private mutating func pass(_ length: Duration) {
        time += length
        clock.advance(length)
    }

    mutating func step() throws {
        switch roll(40) {
        case 0..<6: try ask()
        case 6..<22: try turn(roll(workers.count))
        case 22..<30: try end()
        case 30..<35: pass(.milliseconds(roll(1500)))
        case 35: pass(.seconds(roll(40)))
        case 36, 37: try setClock()
        case 38: try crash(roll(workers.count))
        default: try reboot()
        }
    }

    private mutating func ask() throws {
        let keys = (0...roll(4)).map { _ in "key \(roll(30))" }
        let asks = keys.map { key in
            Ask(
                key: key, priority: roll(2) == 0 ? .caller : .renewal, client: "client \(roll(3))",
                attendedUntil: clock.wall.milliseconds + 3_000_000_000)
        }
        let admissions = try workers[roll(workers.count)].enqueue(asks)
        for (key, admission) in zip(keys, admissions) {
            guard case .queued = admission else { continue }
            pending.insert(key)
        }
    }

    private mutating func turn(_ index: Int) throws {
        let foreseen = try workers[index].peek(worker: "\(index)")
        switch try workers[index].permitAndSend(worker: "\(index)") {
        case .granted(let lease):
            #expect(foreseen == .due)
            #expect(pending.contains(lease.key))
            #expect(fetching[lease.key, default: .zero] <= time, "\(lease.key) is being fetched")
            grants.append(time)
            fetching[lease.key] = time + Self.lifetime
            held.append(Held(lease: lease, worker: index))
        case .wait(let length, let reason):
            #expect(foreseen == .wait(length, reason))
            #expect(length > .zero)
            if roll(4) == 0, length < .seconds(30) {
                // It is granted at the wait it named, and not before.
                pass(length - .nanoseconds(1))
                #expect(try workers[index].permitAndSend(worker: "\(index)").lease == nil)
                pass(.nanoseconds(1))
                if reason != .empty, try workers[index].peek(worker: "\(index)") != .due {
                    Issue.record("not due after \(length) for \(reason)")
                }
            }
        }
    }

    private mutating func end() throws {
        guard !held.isEmpty else { return }
        let one = held.remove(at: roll(held.count))
        let isOwner = fetching[one.lease.key].map { $0 == granted(one.lease) } ?? false
        switch roll(6) {
        case 0:
            try workers[one.worker].losePermit(one.lease)
            if isOwner { fetching[one.lease.key] = nil }
        case 1:
            let failed = LeaseResult.failed(reason: "no", retryAfter: .seconds(roll(20)), final: false)
            if try workers[one.worker].finish(one.lease, failed) { fetching[one.lease.key] = nil }
        default:
            var stored = false
            let accepted = try workers[one.worker].finish(one.lease, .answered) { stored = true }
            #expect(accepted == stored)
            #expect(!accepted || pending.contains(one.lease.key))
            if accepted {
                pending.remove(one.lease.key)
                fetching[one.lease.key] = nil
            }
            #expect(!isOwner || accepted)
        }
    }

    /// When a lease of this boot runs out, in true time.
    private func granted(_ lease: Lease) -> Duration {
        time - (clock.boot - lease.grantedAt) + Self.lifetime
    }

    /// Somebody sets the wall clock, up to a year off. Something is written afterwards and after each reboot: that
    /// the clock was set forward between the last use in one boot and the first in the next, nobody can know.
    private mutating func setClock() throws {
        clock.set(wall: clock.wall.milliseconds + Int64(roll(2_000_000_000) - 1_000_000_000) * 30)
        try write()
    }

    private mutating func crash(_ index: Int) throws {
        held.removeAll { $0.worker == index }
        workers[index] = try worker()
    }

    private mutating func reboot() throws {
        held = []
        boots += 1
        let down = Duration.seconds(roll(100))
        clock.reboot("boot \(boots)", down: down, uptime: .seconds(5))
        time += down + .seconds(5)
        if roll(2) == 0 { clock.set(wall: clock.wall.milliseconds - Int64(roll(1_000_000))) }
        for index in workers.indices { workers[index] = try worker() }
        try write()
    }

    private mutating func write() throws {
        try workers[roll(workers.count)].remember("written", "\(time)", until: nil)
    }

    /// From now on nothing goes wrong: everything that was asked for must get its answer.
    mutating func settle() throws {
        held = []
        for _ in 0..<500 where !pending.isEmpty {
            switch try workers[0].permitAndSend(worker: "0") {
            case .granted(let lease):
                #expect(fetching[lease.key, default: .zero] <= time)
                grants.append(time)
                #expect(try workers[0].finish(lease, .answered))
                pending.remove(lease.key)
            case .wait(let length, let reason):
                try #require(reason != .empty, "lost: \(pending)")
                pass(length)
            }
        }
        #expect(pending.isEmpty)
        #expect(try workers[0].permitAndSend(worker: "0") == .wait(.seconds(10), .empty))
    }

    func check() {
        for (earlier, later) in zip(grants, grants.dropFirst()) {
            #expect(later - earlier >= Self.rateLimit.interval)
        }
        for (index, grant) in grants.enumerated() {
            #expect(grants[index...].prefix { $0 < grant + Self.rateLimit.window }.count <= Self.rateLimit.callsPerWindow)
        }
    }
}

@Suite("Whatever happens") struct ScheduleTests {
    @Test("The pace is kept, nothing is lost, and nothing is fetched by two at once", arguments: 0..<16)
    func anySchedule(seed: UInt64) throws {
        var world = try World(seed: seed &* 7919)
        for _ in 0..<500 { try world.step() }
        try world.settle()
        world.check()
    }
}
