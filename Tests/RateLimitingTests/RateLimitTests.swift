import Platform
import Testing

@testable import RateLimiting

/// Calls in the order they were made, as the file would keep them.
private struct Calls {
    var rateLimit: RateLimit
    var instants: [(instant: BootTime, background: Bool)] = []

    func newest(_ place: Int) -> BootTime? {
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
    mutating func spend(_ count: Int, from now: BootTime, background: Bool = false) -> [BootTime] {
        var times: [BootTime] = []
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
        #expect(calls.spend(3, from: .at(100)) == [.at(100), .at(102), .at(104)])
        #expect(calls.nextSlot() == NextSlot(instant: .at(106), reason: .interval))
    }

    @Test("When the window is full, the next call waits until the oldest has left it, to the nanosecond")
    func window() {
        let rateLimit = RateLimit(interval: .seconds(2), callsPerWindow: 3, window: .seconds(3600))
        var calls = Calls(rateLimit: rateLimit)
        _ = calls.spend(3, from: 0)
        #expect(calls.nextSlot() == NextSlot(instant: .at(3601), reason: .hour))
        #expect(calls.spend(2, from: 0) == [.at(3601), .at(3603)])
    }

    @Test("No stretch as long as the window ever holds more calls than allowed")
    func anyWindow() {
        let rateLimit = RateLimit(interval: .milliseconds(300), callsPerWindow: 7, window: .seconds(10))
        var calls = Calls(rateLimit: rateLimit)
        var times: [BootTime] = []
        for start in stride(from: Int64(0), to: 100_000_000_000, by: 2_333_333_333) {
            times += calls.spend(Int(start / 1_000_000_000) % 5, from: max(BootTime(nanoseconds: start), times.last ?? 0))
        }
        for (index, time) in times.enumerated() {
            #expect(times[index...].prefix { $0 < time + .seconds(10) }.count <= 7)
        }
    }

    @Test("A cooldown and an outage hold everything back, the later of all rules being the one that is named")
    func blocks() {
        var calls = Calls(rateLimit: RateLimit(interval: .seconds(2)))
        _ = calls.spend(1, from: 0)
        #expect(calls.nextSlot(blocks: Blocks(cooldown: .at(1))) == NextSlot(instant: .at(2), reason: .interval))
        #expect(calls.nextSlot(blocks: Blocks(outage: .at(5))) == NextSlot(instant: .at(5), reason: .backoff))
        let both = Blocks(cooldown: .at(30), outage: .at(5))
        #expect(calls.nextSlot(blocks: both) == NextSlot(instant: .at(30), reason: .cooldown))
    }

    @Test("Renewals leave the callers' reserve alone, and callers can spend it to the last call")
    func reserve() {
        let rateLimit = RateLimit(interval: .seconds(2), callsPerWindow: 10, window: .seconds(3600), callerReserve: 0.2)
        var calls = Calls(rateLimit: rateLimit)
        _ = calls.spend(8, from: 0)
        #expect(calls.nextSlot(background: true).instant == .at(3601))
        #expect(calls.nextSlot(background: false).instant == .at(16))
        _ = calls.spend(2, from: 0)
        #expect(calls.nextSlot(background: false).instant == .at(3601))
    }

    @Test("Renewals spend the first half of their share at the full pace and spread the rest over the window")
    func spread() {
        let rateLimit = RateLimit(interval: .seconds(1), callsPerWindow: 100, window: .seconds(3600), callerReserve: 0.2)
        var calls = Calls(rateLimit: rateLimit)
        let times = calls.spend(80, from: 0, background: true)
        #expect(times[39] == .at(39))
        let step = Duration.seconds(3601) / 80
        #expect(times[40] == times[39] + step)
        #expect(times[41] - times[40] == step)
        // By then the fast ones are leaving, so a caller never meets a window that is full for long.
        #expect(times[79] < .at(3600))
        #expect(calls.nextSlot(background: false).instant == times[79] + .seconds(1))
    }

    @Test("A reserve of everything leaves renewals nothing; a reserve of nothing treats them alike")
    func extremes() {
        var all = Calls(rateLimit: RateLimit(callerReserve: 1))
        #expect(all.nextSlot(background: true).instant == .never)
        _ = all.spend(1, from: 0)
        #expect(all.nextSlot(background: false).instant == .at(2))
        let none = RateLimit(callerReserve: 0)
        #expect(none.backgroundLimit == none.callsPerWindow)
    }

    @Test("Callers come before renewals, and a renewal is taken when no caller's lookup is free")
    func order() {
        let open = NextSlot(instant: .at(10), reason: .interval)
        let free = ReadyLookup(instant: 0, isLeased: false)
        let callers = Candidate(nextSlot: open, ready: free)
        let renewals = Candidate(nextSlot: open, ready: free)
        let none = Candidate(nextSlot: open, ready: nil)
        func decided(at now: BootTime, _ callers: Candidate, _ background: Candidate) -> Decision {
            RateLimit.decide(now: now, callers: callers, background: background, headStart: .zero)
        }
        #expect(decided(at: .at(10), callers, renewals) == .grant(background: false))
        #expect(decided(at: .at(10), none, renewals) == .grant(background: true))
        #expect(decided(at: .at(10) - .nanoseconds(1), callers, renewals) == .wait(until: .at(10), .interval))
        #expect(decided(at: .at(10), none, none) == .nothing)
        let pausing = Candidate(nextSlot: open, ready: ReadyLookup(instant: .at(20), isLeased: false))
        #expect(decided(at: .at(10), pausing, renewals) == .grant(background: true))
        #expect(decided(at: .at(10), pausing, none) == .wait(until: .at(20), .backoff))
        let leased = Candidate(nextSlot: open, ready: ReadyLookup(instant: .at(20), isLeased: true))
        #expect(decided(at: .at(10), leased, none) == .wait(until: .at(20), .turnOfAnother))
    }

    @Test("Whoever made the last call is due exactly on time, the others a little later and never earlier")
    func headStart() {
        let offer = Candidate(
            nextSlot: NextSlot(instant: 100, reason: .interval), ready: ReadyLookup(instant: 0, isLeased: false))
        let none = Candidate(nextSlot: offer.nextSlot, ready: nil)
        func other(_ now: BootTime) -> Decision {
            RateLimit.decide(now: now, callers: offer, background: none, headStart: .nanoseconds(30))
        }
        #expect(RateLimit.decide(now: 100, callers: offer, background: none, headStart: .zero) == .grant(background: false))
        #expect(other(99) == .wait(until: 130, .interval))
        #expect(other(100) == .wait(until: 130, .turnOfAnother))
        #expect(other(129) == .wait(until: 130, .turnOfAnother))
        #expect(other(130) == .grant(background: false))
    }
}
