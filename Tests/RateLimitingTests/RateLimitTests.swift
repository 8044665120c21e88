import Testing

@testable import RateLimiting

private let second: Int64 = 1_000_000_000

/// Calls in the order they were made, as the file would keep them.
private struct Calls {
    var rateLimit: RateLimit
    var instants: [(instant: Instant, background: Bool)] = []

    func newest(_ place: Int) -> Instant? {
        place > 0 && place <= instants.count ? instants[instants.count - place].instant : nil
    }

    var history: History {
        History(
            newest: newest(1), newestBackground: instants.last { $0.background }?.instant,
            atLimit: newest(rateLimit.callsPerWindow), atShare: newest(rateLimit.backgroundLimit),
            atHalfShare: newest(max(1, rateLimit.backgroundLimit / 2)))
    }

    func nextSlot(background: Bool = false, blocks: Blocks = Blocks()) -> NextSlot {
        rateLimit.nextSlot(background: background, history: history, blocks: blocks)
    }

    /// Makes calls as early as may be, and says when.
    mutating func spend(_ count: Int, from now: Instant, background: Bool = false) -> [Instant] {
        var times: [Instant] = []
        for _ in 0..<count {
            let instant = max(times.last ?? now, nextSlot(background: background).instant)
            instants.append((instant, background))
            times.append(instant)
        }
        return times
    }
}

@Suite("Decision: when the next call may be made") struct RateLimitTests {
    @Test("A quiet limiter lets the first call through at once and the second an interval later")
    func interval() {
        var calls = Calls(rateLimit: RateLimit(interval: .seconds(2), callsPerWindow: 1000))
        #expect(calls.nextSlot().instant < 0)
        #expect(calls.spend(3, from: 100 * second) == [100 * second, 102 * second, 104 * second])
        #expect(calls.nextSlot() == NextSlot(instant: 106 * second, reason: .interval))
    }

    @Test("When the window is full, the next call waits until the oldest has left it, to the nanosecond")
    func window() {
        let rateLimit = RateLimit(interval: .seconds(2), callsPerWindow: 3, window: .seconds(3600))
        var calls = Calls(rateLimit: rateLimit)
        _ = calls.spend(3, from: 0)
        #expect(calls.nextSlot() == NextSlot(instant: 3601 * second, reason: .hour))
        #expect(calls.spend(2, from: 0) == [3601 * second, 3603 * second])
    }

    @Test("No stretch as long as the window ever holds more calls than allowed")
    func anyWindow() {
        let rateLimit = RateLimit(interval: .milliseconds(300), callsPerWindow: 7, window: .seconds(10))
        var calls = Calls(rateLimit: rateLimit)
        var times: [Instant] = []
        for start in stride(from: 0, to: 100 * second, by: Int(7 * second / 3)) {
            times += calls.spend(Int(start / second) % 5, from: max(start, times.last ?? 0))
        }
        for (index, time) in times.enumerated() {
            #expect(times[index...].prefix { $0 < time + 10 * second }.count <= 7)
        }
    }

    @Test("A cooldown and an outage hold everything back, the later of all rules being the one that is named")
    func blocks() {
        var calls = Calls(rateLimit: RateLimit(interval: .seconds(2)))
        _ = calls.spend(1, from: 0)
        #expect(calls.nextSlot(blocks: Blocks(cooldown: second)) == NextSlot(instant: 2 * second, reason: .interval))
        #expect(calls.nextSlot(blocks: Blocks(outage: 5 * second)) == NextSlot(instant: 5 * second, reason: .backoff))
        let both = Blocks(cooldown: 30 * second, outage: 5 * second)
        #expect(calls.nextSlot(blocks: both) == NextSlot(instant: 30 * second, reason: .cooldown))
    }

    @Test("Renewals leave the callers' reserve alone, and callers can spend it to the last call")
    func reserve() {
        let rateLimit = RateLimit(interval: .seconds(2), callsPerWindow: 10, window: .seconds(3600), callerReserve: 0.2)
        var calls = Calls(rateLimit: rateLimit)
        _ = calls.spend(8, from: 0)
        #expect(calls.nextSlot(background: true).instant == 3601 * second)
        #expect(calls.nextSlot(background: false).instant == 16 * second)
        _ = calls.spend(2, from: 0)
        #expect(calls.nextSlot(background: false).instant == 3601 * second)
    }

    @Test("Renewals spend the first half of their share at the full pace and spread the rest over the window")
    func spread() {
        let rateLimit = RateLimit(interval: .seconds(1), callsPerWindow: 100, window: .seconds(3600), callerReserve: 0.2)
        var calls = Calls(rateLimit: rateLimit)
        let times = calls.spend(80, from: 0, background: true)
        #expect(times[39] == 39 * second)
        #expect(times[40] == 39 * second + 3601 * second / 80)
        #expect(times[41] - times[40] == 3601 * second / 80)
        // By then the fast ones are leaving, so a caller never meets a window that is full for long.
        #expect(times[79] < 3600 * second)
        #expect(calls.nextSlot(background: false).instant == times[79] + second)
    }

    @Test("A reserve of everything leaves renewals nothing; a reserve of nothing treats them alike")
    func extremes() {
        var all = Calls(rateLimit: RateLimit(callerReserve: 1))
        #expect(all.nextSlot(background: true).instant == .never)
        _ = all.spend(1, from: 0)
        #expect(all.nextSlot(background: false).instant == 2 * second)
        let none = RateLimit(callerReserve: 0)
        #expect(none.backgroundLimit == none.callsPerWindow)
    }

    @Test("Callers come before renewals, and a renewal is taken when no caller's lookup is free")
    func order() {
        let open = NextSlot(instant: 10 * second, reason: .interval)
        let free = ReadyLookup(instant: 0, isLeased: false)
        let callers = Candidate(nextSlot: open, ready: free)
        let renewals = Candidate(nextSlot: open, ready: free)
        let none = Candidate(nextSlot: open, ready: nil)
        func at(_ now: Instant, _ callers: Candidate, _ background: Candidate) -> Decision {
            decide(now: now, callers: callers, background: background, headStart: 0)
        }
        #expect(at(10 * second, callers, renewals) == .grant(background: false))
        #expect(at(10 * second, none, renewals) == .grant(background: true))
        #expect(at(10 * second - 1, callers, renewals) == .wait(until: 10 * second, .interval))
        #expect(at(10 * second, none, none) == .nothing)
        let pausing = Candidate(nextSlot: open, ready: ReadyLookup(instant: 20 * second, isLeased: false))
        #expect(at(10 * second, pausing, renewals) == .grant(background: true))
        #expect(at(10 * second, pausing, none) == .wait(until: 20 * second, .backoff))
        let leased = Candidate(nextSlot: open, ready: ReadyLookup(instant: 20 * second, isLeased: true))
        #expect(at(10 * second, leased, none) == .wait(until: 20 * second, .turnOfAnother))
    }

    @Test("Whoever made the last call is due exactly on time, the others a little later and never earlier")
    func headStart() {
        let offer = Candidate(
            nextSlot: NextSlot(instant: 100, reason: .interval), ready: ReadyLookup(instant: 0, isLeased: false))
        let none = Candidate(nextSlot: offer.nextSlot, ready: nil)
        func other(_ now: Instant) -> Decision { decide(now: now, callers: offer, background: none, headStart: 30) }
        #expect(decide(now: 100, callers: offer, background: none, headStart: 0) == .grant(background: false))
        #expect(other(99) == .wait(until: 130, .interval))
        #expect(other(100) == .wait(until: 130, .turnOfAnother))
        #expect(other(129) == .wait(until: 130, .turnOfAnother))
        #expect(other(130) == .grant(background: false))
    }
}
