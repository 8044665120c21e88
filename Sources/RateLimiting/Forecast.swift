/// When the lookups in the queue will have their turns, if nothing else is asked for meanwhile.
struct Forecast {
    let pace: Pace
    let now: Instant
    /// Of the next call, for callers and for background.
    let callers: Opening
    let background: Opening
    /// The n-th newest call, counted from 1; nil when there were not so many.
    let grant: (Int) throws -> Instant?

    /// The instant of the turn after `ahead` others.
    func turn(after ahead: Int, background isBackground: Bool) throws -> Instant {
        let any = try turn(ahead + 1, opening: callers.instant, limit: pace.callsPerWindow)
        guard isBackground else { return any }
        guard pace.backgroundLimit > 0 else { return .never }
        return max(any, try turn(ahead + 1, opening: background.instant, limit: pace.backgroundLimit))
    }

    /// The `number`-th turn from now, counted from 1.
    ///
    /// A turn is at least an interval after the one before, and a window after the one `limit` turns before.
    /// As calls are never closer than the interval, of all windows only the turn's own can hold it back beyond
    /// the interval: so two terms say exactly what counting turn by turn would.
    private func turn(_ number: Int, opening: Instant, limit: Int) throws -> Instant {
        let first = max(opening, now)
        func spaced(_ number: Int) -> Instant {
            let (steps, overflow) = Int64(number - 1).multipliedReportingOverflow(by: pace.interval.inNanoseconds)
            return overflow ? .never : first + min(steps, .never)
        }
        var reached = (number - 1) % limit + 1
        var turn = spaced(reached)
        if let leaving = try grant(limit - reached + 1) { turn = max(turn, leaving + pace.countedWindow) }
        while reached < number, turn < .never {
            reached += limit
            turn = max(spaced(reached), turn + pace.countedWindow)
        }
        return turn
    }
}
