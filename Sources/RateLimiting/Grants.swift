import GRDB

/// The calls of the last window, in `limiter.db`.
extension Transaction {
    /// The n-th newest call, counted from 1. Ids have no gaps, so it is found without counting.
    func grant(_ place: Int) throws -> Instant? {
        guard place > 0 else { return nil }
        return try one("SELECT instant FROM grants WHERE id = (SELECT max(id) FROM grants) - ?", [place - 1])
    }

    func history(for pace: Pace) throws -> History {
        History(
            newest: try grant(1),
            newestBackground: try one("SELECT instant FROM grants WHERE background ORDER BY id DESC LIMIT 1"),
            atLimit: try grant(pace.callsPerWindow),
            atShare: try grant(pace.backgroundLimit),
            atHalfShare: try grant(max(1, pace.backgroundLimit / 2)))
    }

    /// The worker that made the newest call.
    func lastWorker() throws -> String? {
        try one("SELECT worker FROM grants ORDER BY id DESC LIMIT 1")
    }

    func callsInWindow(of pace: Pace) throws -> Int {
        try one("SELECT count(*) FROM grants WHERE instant > ?", [now - pace.countedWindow]) ?? 0
    }

    /// Spends a slot at `instant`, and forgets calls that left the window (never the newest: it holds the interval).
    func spend(at instant: Instant, background: Bool, worker: String, pace: Pace) throws {
        try run(
            """
            INSERT INTO grants (id, instant, background, worker)
            SELECT coalesce(max(id), 0) + 1, ?, ?, ? FROM grants
            """, [instant, background, worker])
        try run(
            """
            DELETE FROM grants WHERE id <= (
                SELECT max(id) FROM (SELECT id, instant FROM grants ORDER BY id LIMIT 64) WHERE instant <= ?)
            AND id < (SELECT max(id) FROM grants)
            """, [now - pace.countedWindow])
    }
}
