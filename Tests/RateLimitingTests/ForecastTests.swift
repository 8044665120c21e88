import Platform
import Testing

@testable import RateLimiting

@Suite("Forecast: when a place in the queue has its turn") struct ForecastTests {
    /// Turn by turn, the slow and obvious way.
    private func counted(_ turns: Int, past: [BootTime], opening: BootTime, now: BootTime, rateLimit: RateLimit) -> [BootTime] {
        var calls = past
        for _ in 0..<turns {
            var next = max(opening, now)
            if let last = calls.last { next = max(next, last + rateLimit.interval) }
            if calls.count >= rateLimit.callsPerWindow {
                next = max(next, calls[calls.count - rateLimit.callsPerWindow] + rateLimit.countedWindow)
            }
            calls.append(next)
        }
        return Array(calls.dropFirst(past.count))
    }

    @Test("It is what counting turn by turn gives", arguments: [(1, 0), (3, 2), (3, 9), (10, 4), (50, 50), (50, 7)])
    func likeCounting(limit: Int, made: Int) throws {
        let rateLimit = RateLimit(interval: .seconds(2), callsPerWindow: limit, window: .seconds(60), callerReserve: 0)
        let past = counted(made, past: [], opening: 0, now: 0, rateLimit: rateLimit)
        let now = (past.last ?? 0) + .milliseconds(700)
        let opening = (past.last ?? 0) + .seconds(2)
        let forecast = Forecast(
            rateLimit: rateLimit, now: now, callers: NextSlot(instant: opening, reason: .interval), background: NextSlot(),
            grant: { $0 <= past.count ? past[past.count - $0] : nil })
        let expected = counted(200, past: past, opening: opening, now: now, rateLimit: rateLimit)
        for (ahead, instant) in expected.enumerated() {
            #expect(try forecast.slot(after: ahead, background: false) == instant)
        }
    }

    @Test("A cooldown moves the whole queue behind its end")
    func cooldown() throws {
        let opening = NextSlot(instant: 3_600_000_000_000, reason: .cooldown)
        let forecast = Forecast(rateLimit: RateLimit(), now: 0, callers: opening, background: opening, grant: { _ in nil })
        #expect(try forecast.slot(after: 0, background: false) == 3_600_000_000_000)
        #expect(try forecast.slot(after: 10, background: true) == 3_620_000_000_000)
    }

    @Test("Absurd numbers do not overflow")
    func absurd() throws {
        let rateLimit = RateLimit(interval: .seconds(100_000_000), callsPerWindow: 1, window: .seconds(1))
        let forecast = Forecast(rateLimit: rateLimit, now: 0, callers: NextSlot(), background: NextSlot(), grant: { _ in nil })
        #expect(try forecast.slot(after: 1_000_000, background: false) >= .never)
        #expect(try forecast.slot(after: 1, background: true) >= .never)
        #expect(BootTime(nanoseconds: 0) + .seconds(Int64.max) == .never)
        #expect(BootTime(nanoseconds: 0) - .seconds(Int64.max) == .always)
    }
}
