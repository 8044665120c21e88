/// Varnish's words for a record's age: fresh within its ttl, then stale within grace, which has no end here.
public enum Freshness: Sendable, Equatable {
    case fresh, stale

    /// - Parameters:
    ///   - expiresAt: when the record falls due, wall-clock milliseconds.
    ///   - now: wall-clock milliseconds.
    public init(expiresAt: Int64, now: Int64) {
        self = expiresAt > now ? .fresh : .stale
    }
}
