/// A renewal that was asked for.
struct RenewalAsked {
    /// Of the record as it was then, wall-clock milliseconds.
    var dueAt: Int64
    /// CLOCK_MONOTONIC, nanoseconds.
    var askedAt: UInt64
}

/// How far ahead of its time a record is renewed, and how long ago it may have been used. Milliseconds.
struct RenewalPlan {
    /// A twelfth of the ttl: so the renewals of records that were fetched together have an hour to spread over.
    let lead: Int64
    /// Twice the ttl: what is used once a day at the same hour is fresh when that hour comes.
    let interest: Int64
    /// A 48th of the ttl: a use that another worker has noted so short ago is not noted again.
    let tolerance: Int64

    /// - Parameter ttl: `SPOTIFY_CACHE_TTL`.
    init(ttl: Duration) {
        lead = ttl.wholeMilliseconds / 12
        let (twice, overflow) = ttl.wholeMilliseconds.multipliedReportingOverflow(by: 2)
        interest = overflow ? .max : twice
        tolerance = ttl.wholeMilliseconds / 48
    }
}
