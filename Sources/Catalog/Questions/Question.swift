import Caching

/// Something a caller asks that is answered from one or more records.
///
/// Asked again whenever more is known, it says each time what it still misses, so that nothing has to be remembered in between.
public protocol Question: Sendable {
    /// The answer's JSON; nil while something is missing that it cannot do without, which the reader has noted then.
    /// - Throws: `Denial` when Spotify said no to what was asked for, `CacheError` when the database cannot be read.
    func compose(_ reader: inout Reader) throws -> [UInt8]?

    /// Whether parts may be left empty when they do not come in time.
    var mayBePatchy: Bool { get }
}

extension Question {
    public var mayBePatchy: Bool { false }
}

/// A composed answer.
public struct Composed: Sendable {
    /// JSON in UTF-8.
    public var body: [UInt8]
    /// Of the records that went into it and the links' base; the body's own when there is one record and no link.
    public var tag: UInt64
    /// The slowest tier that was read, and the soonest due, of all the records.
    public var tier: Tier
    public var ttl: Int64
    public var freshness: Freshness
    /// What was left out; then the answer must not be kept by anybody.
    public var pending: [Resource]
}

/// How far a question could be answered.
public enum Composition: Sendable {
    case complete(Composed)
    /// These have to be looked up first.
    case missing([Resource])
    case denied(Denial)
}
