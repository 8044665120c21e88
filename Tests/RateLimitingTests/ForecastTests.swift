import Testing

@testable import RateLimiting

@Suite("Forecast: when a place in the queue has its turn") struct ForecastTests {
    /// Turn by turn, the slow and obvious way.
    private func counted(_ turns: Int, past: [Instant], opening: Instant, now: Instant, pace: Pace) -> [Instant] {
        var calls = past
        for _ in 0..<turns {
            var next = max(opening, now)
            if let last = calls.last { next = max(next, last + pace.interval.inNanoseconds) }
            if calls.count >= pace.callsPerWindow {
                next = max(next, calls[calls.count - pace.callsPerWindow] + pace.countedWindow)
            }
            calls.append(next)
        }
        return Array(calls.dropFirst(past.count))
    }

    @Test("It is what counting turn by turn gives", arguments: [(1, 0), (3, 2), (3, 9), (10, 4), (50, 50), (50, 7)])
    func likeCounting(limit: Int, made: Int) throws {
        let pace = Pace(interval: .seconds(2), callsPerWindow: limit, window: .seconds(60), callerReserve: 0)
        let past = counted(made, past: [], opening: 0, now: 0, pace: pace)
        let now = (past.last ?? 0) + 700_000_000
        let opening = (past.last ?? 0) + 2_000_000_000
        let forecast = Forecast(
            pace: pace, now: now, callers: Opening(instant: opening, reason: .interval), background: Opening(),
            grant: { $0 <= past.count ? past[past.count - $0] : nil })
        let expected = counted(200, past: past, opening: opening, now: now, pace: pace)
        for (ahead, instant) in expected.enumerated() {
            #expect(try forecast.turn(after: ahead, background: false) == instant)
        }
    }

    @Test("A cooldown moves the whole queue behind its end")
    func cooldown() throws {
        let opening = Opening(instant: 3_600_000_000_000, reason: .cooldown)
        let forecast = Forecast(pace: Pace(), now: 0, callers: opening, background: opening, grant: { _ in nil })
        #expect(try forecast.turn(after: 0, background: false) == 3_600_000_000_000)
        #expect(try forecast.turn(after: 10, background: true) == 3_620_000_000_000)
    }

    @Test("Absurd numbers do not overflow")
    func absurd() throws {
        let pace = Pace(interval: .seconds(100_000_000), callsPerWindow: 1, window: .seconds(1))
        let forecast = Forecast(pace: pace, now: 0, callers: Opening(), background: Opening(), grant: { _ in nil })
        #expect(try forecast.turn(after: 1_000_000, background: false) >= .never)
        #expect(try forecast.turn(after: 1, background: true) >= .never)
        #expect(Duration.seconds(Int64.max).inNanoseconds == .never)
        #expect(Duration.seconds(Int64.min).inNanoseconds == -.never)
    }
}
