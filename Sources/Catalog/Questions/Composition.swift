import Caching

/// A composed answer.
public struct Composed: Sendable {
    /// JSON in UTF-8.
    public var body: ArraySlice<UInt8>
    /// Of exactly these bytes: two answers with one tag are equal.
    public var tag: UInt64
    /// The slowest tier that was read, and the soonest due, of all the records.
    public var tier: Tier
    public var ttl: Int64
    public var freshness: Freshness
    /// The status with which Spotify last refused one of the records, which is served for what it was.
    public var refusedWith: Int?
    /// What was left out; then the answer must not be kept by anybody.
    public var pending: [Resource]
}

/// Spotify's refusal, and where it was kept.
public struct ComposedDenial: Sendable {
    public var denial: Denial
    public var tier: Tier
    public var ttl: Int64
}

/// How far a question could be answered.
public enum Composition: Sendable {
    case complete(Composed)
    /// These have to be looked up first.
    case missing([Resource])
    case denied(ComposedDenial)
}
