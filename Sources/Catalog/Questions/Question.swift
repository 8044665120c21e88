/// Something a caller asks that is answered from one or more records.
///
/// Asked again whenever more is known, it says each time what it still misses, so that nothing has to be remembered in between.
public protocol Question: Sendable {
    /// The answer's JSON; nil while something is missing that it cannot do without, which the reader has noted then.
    /// - Throws: `Denial` when Spotify said no to what was asked for, `CacheError` when the database cannot be read.
    func compose(_ reader: inout Reader) throws -> ArraySlice<UInt8>?

    /// Whether parts may be left empty when they do not come in time.
    var mayBePatchy: Bool { get }

    /// Whether the answer may hold the mirror's own links; else the request's scheme and host need not be looked at.
    var mayLinkBack: Bool { get }

    /// A record of `spotify` that it will read first, so that it can be asked for without waiting; nil when that is not known.
    var firstResource: Resource? { get }
}

extension Question {
    public var mayBePatchy: Bool { false }
    public var mayLinkBack: Bool { true }
    public var firstResource: Resource? { nil }
}
