import RateLimiting

/// How waiting for lookups ended, as far as one caller of this worker is concerned.
public enum Settlement: Sendable {
    /// The cache knows more now: read again. `joined` when every call was made for somebody else's request.
    case settled(joined: Bool)
    /// Nothing will come within the caller's patience; the lookups stay queued, so that a retry is a hit.
    case later(after: Duration, reason: String)
    /// A lookup was not taken: the queue is full, or this client holds its share of it.
    case refused(Refusal, after: Duration)
    /// Spotify was asked and did not give an answer, or could not be asked.
    case failed(reason: String, after: Duration)
}

/// One caller's interest in one or more lookups.
struct Waiter: Sendable {
    var number: UInt64
    var resources: [Resource]
    /// Who is charged for the places in the queue: the session's user, else the address.
    var client: String
    /// CLOCK_MONOTONIC nanoseconds.
    var deadline: UInt64
    /// Called once, on the lookup thread.
    var settle: @Sendable (Settlement) -> Void
}
