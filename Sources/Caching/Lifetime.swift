/// How long a write is to live: the instants it gets, from the clock it is given.
struct Lifetime: Sendable, Equatable {
    /// Milliseconds; nil: for good (a preference).
    var length: Int64?

    init(_ ttl: Duration?, of cache: CacheName, keep: Bool, lifetimes: CacheLifetimes) {
        length = keep ? nil : (ttl ?? lifetimes[cache]).milliseconds
    }

    func end(from now: Int64) -> Int64 {
        guard let length else { return .max }
        let (end, overflow) = now.addingReportingOverflow(length)
        return overflow ? .max : end
    }
}

/// Whether and for how long a copy may be kept in DragonflyDB.
enum CopyLifetime {
    /// DragonflyDB caps an expiry at 2^28 - 1 seconds (its documentation of EXPIRE).
    static let longest: Int64 = ((1 << 28) - 1) * 1000

    /// Milliseconds for PX, or nil when there is nothing to keep. What never expires, and a record that is due and is
    /// served stale, are kept for the cache's default.
    static func milliseconds(_ cache: CacheName, expiresAt: Int64, now: Int64, standard: Duration) -> Int64? {
        let whole = max(1, min(standard.milliseconds, longest))
        if expiresAt == .max { return whole }
        if expiresAt > now { return min(expiresAt - now, longest) }
        return cache.keepsDueRows ? whole : nil
    }
}
