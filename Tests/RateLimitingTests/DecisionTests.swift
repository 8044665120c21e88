import Testing

@testable import RateLimiting

private let second: Int64 = 1_000_000_000

/// Calls in the order they were made, as the file would keep them.
private struct Calls {
    var pace: Pace
    var instants: [(instant: Instant, background: Bool)] = []

    func newest(_ place: Int) -> Instant? {
        place > 0 && place <= instants.count ? instants[instants.count - place].instant : nil
    }

    var history: History {
        History(
            newest: newest(1), newestBackground: instants.last { $0.background }?.instant,
            atLimit: newest(pace.callsPerWindow), atShare: newest(pace.backgroundLimit),
            atHalfShare: newest(max(1, pace.backgroundLimit / 2)))
    }

    func opening(background: Bool = false, holds: Holds = Holds()) -> Opening {
        pace.opening(background: background, history: history, holds: holds)
    }

    /// Makes calls as early as may be, and says when.
    mutating func spend(_ count: Int, from now: Instant, background: Bool = false) -> [Instant] {
        var times: [Instant] = []
        for _ in 0..<count {
            let instant = max(times.last ?? now, opening(background: background).instant)
            instants.append((instant, background))
            times.append(instant)
        }
        return times
    }
}

@Suite("Decision: when the next call may be made") struct DecisionTests {
    @Test("A quiet limiter lets the first call through at once and the second an interval later")
    func interval() {
        var calls = Calls(pace: Pace(interval: .seconds(2), callsPerWindow: 1000))
        #expect(calls.opening().instant < 0)
        #expect(calls.spend(3, from: 100 * second) == [100 * second, 102 * second, 104 * second])
        #expect(calls.opening() == Opening(instant: 106 * second, reason: .interval))
    }

    @Test("When the window is full, the next call waits until the oldest has left it, to the nanosecond")
    func window() {
        let pace = Pace(interval: .seconds(2), callsPerWindow: 3, window: .seconds(3600))
        var calls = Calls(pace: pace)
        _ = calls.spend(3, from: 0)
        #expect(calls.opening() == Opening(instant: 3601 * second, reason: .hour))
        #expect(calls.spend(2, from: 0) == [3601 * second, 3603 * second])
    }

    @Test("No stretch as long as the window ever holds more calls than allowed")
    func anyWindow() {
        let pace = Pace(interval: .milliseconds(300), callsPerWindow: 7, window: .seconds(10))
        var calls = Calls(pace: pace)
        var times: [Instant] = []
        for start in stride(from: 0, to: 100 * second, by: Int(7 * second / 3)) {
            times += calls.spend(Int(start / second) % 5, from: max(start, times.last ?? 0))
        }
        for (index, time) in times.enumerated() {
            #expect(times[index...].prefix { $0 < time + 10 * second }.count <= 7)
        }
    }

    @Test("A cooldown and an outage hold everything back, the later of all rules being the one that is named")
    func holds() {
        var calls = Calls(pace: Pace(interval: .seconds(2)))
        _ = calls.spend(1, from: 0)
        #expect(calls.opening(holds: Holds(cooldown: second)) == Opening(instant: 2 * second, reason: .interval))
        #expect(calls.opening(holds: Holds(outage: 5 * second)) == Opening(instant: 5 * second, reason: .backoff))
        let both = Holds(cooldown: 30 * second, outage: 5 * second)
        #expect(calls.opening(holds: both) == Opening(instant: 30 * second, reason: .cooldown))
    }

    @Test("Renewals leave the callers' reserve alone, and callers can spend it to the last call")
    func reserve() {
        let pace = Pace(interval: .seconds(2), callsPerWindow: 10, window: .seconds(3600), callerReserve: 0.2)
        var calls = Calls(pace: pace)
        _ = calls.spend(8, from: 0)
        #expect(calls.opening(background: true).instant == 3601 * second)
        #expect(calls.opening(background: false).instant == 16 * second)
        _ = calls.spend(2, from: 0)
        #expect(calls.opening(background: false).instant == 3601 * second)
    }

    @Test("Renewals spend the first half of their share at the full pace and spread the rest over the window")
    func spread() {
        let pace = Pace(interval: .seconds(1), callsPerWindow: 100, window: .seconds(3600), callerReserve: 0.2)
        var calls = Calls(pace: pace)
        let times = calls.spend(80, from: 0, background: true)
        #expect(times[39] == 39 * second)
        #expect(times[40] == 39 * second + 3601 * second / 80)
        #expect(times[41] - times[40] == 3601 * second / 80)
        // By then the fast ones are leaving, so a caller never meets a window that is full for long.
        #expect(times[79] < 3600 * second)
        #expect(calls.opening(background: false).instant == times[79] + second)
    }

    @Test("A reserve of everything leaves renewals nothing; a reserve of nothing treats them alike")
    func extremes() {
        var all = Calls(pace: Pace(callerReserve: 1))
        #expect(all.opening(background: true).instant == .never)
        _ = all.spend(1, from: 0)
        #expect(all.opening(background: false).instant == 2 * second)
        let none = Pace(callerReserve: 0)
        #expect(none.backgroundLimit == none.callsPerWindow)
    }

    @Test("Callers come before renewals, and a renewal is taken when no caller's lookup is free")
    func order() {
        let open = Opening(instant: 10 * second, reason: .interval)
        let free = Readiness(instant: 0, isLeased: false)
        let callers = Offer(opening: open, ready: free)
        let renewals = Offer(opening: open, ready: free)
        let none = Offer(opening: open, ready: nil)
        func at(_ now: Instant, _ callers: Offer, _ background: Offer) -> Decision {
            decide(now: now, callers: callers, background: background, headStart: 0)
        }
        #expect(at(10 * second, callers, renewals) == .grant(background: false))
        #expect(at(10 * second, none, renewals) == .grant(background: true))
        #expect(at(10 * second - 1, callers, renewals) == .wait(until: 10 * second, .interval))
        #expect(at(10 * second, none, none) == .nothing)
        let pausing = Offer(opening: open, ready: Readiness(instant: 20 * second, isLeased: false))
        #expect(at(10 * second, pausing, renewals) == .grant(background: true))
        #expect(at(10 * second, pausing, none) == .wait(until: 20 * second, .backoff))
        let leased = Offer(opening: open, ready: Readiness(instant: 20 * second, isLeased: true))
        #expect(at(10 * second, leased, none) == .wait(until: 20 * second, .turnOfAnother))
    }

    @Test("Whoever made the last call is due exactly on time, the others a little later and never earlier")
    func headStart() {
        let offer = Offer(
            opening: Opening(instant: 100, reason: .interval), ready: Readiness(instant: 0, isLeased: false))
        let none = Offer(opening: offer.opening, ready: nil)
        func other(_ now: Instant) -> Decision { decide(now: now, callers: offer, background: none, headStart: 30) }
        #expect(decide(now: 100, callers: offer, background: none, headStart: 0) == .grant(background: false))
        #expect(other(99) == .wait(until: 130, .interval))
        #expect(other(100) == .wait(until: 130, .turnOfAnother))
        #expect(other(129) == .wait(until: 130, .turnOfAnother))
        #expect(other(130) == .grant(background: false))
    }
}
