import Caching
import JSON
import Platform

/// Something a caller asks that is answered from one or more records.
///
/// Asked again whenever more is known, it says each time what it still misses, so that nothing has to be remembered in between.
public protocol Question: Sendable {
    /// The answer's JSON; nil while something is missing that it cannot do without, which the reader has noted then.
    /// - Throws: `NegativeEntry` when Spotify said no to what was asked for, `CacheError` when the database cannot be read.
    func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>?

    /// Whether parts may be left empty when they do not come in time.
    var mayBePatchy: Bool { get }

    /// Whether the answer may hold the mirror's own links; else the request's scheme and host need not be looked at.
    var mayLinkBack: Bool { get }

    /// Whether the answer is made of records and nothing else: it is the same for all who ask, and is no other before one of them is renewed.
    var isOfRecords: Bool { get }

    /// A record of `spotify` that it will read first, so that it can be asked for without waiting; nil when that is not known.
    var firstResource: Resource? { get }
}

extension Question {
    public var mayBePatchy: Bool { false }
    public var mayLinkBack: Bool { true }
    public var isOfRecords: Bool { false }
    public var firstResource: Resource? { nil }
}

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
public struct DeniedQuery: Sendable {
    public var denial: NegativeEntry
    public var tier: Tier
    public var ttl: Int64
}

/// How far a question could be answered.
public enum QueryResult: Sendable {
    case complete(Composed)
    /// These have to be looked up first.
    case missing([Resource])
    case denied(DeniedQuery)
}

/// Reads records for one question and keeps account of them.
public struct RecordReader {
    let records: NotedRecords
    /// Nothing more will come: answer with what there is, old search results included.
    let isLast: Bool
    private(set) var missing: [Resource] = []
    /// For the mirror's links.
    let linkBase: LinkBase
    /// Records are read with the fields that development mode removed.
    private let isFilled: Bool
    /// What the connected account's owner keeps from others is read, too.
    private let seesPrivate: Bool
    private var ahead: ReadAhead?
    private var account = ReadSummary()
    /// The tag of the one record whose body is the answer, or of nothing else.
    private var verbatimTag: UInt64?

    init(records: NotedRecords, base: LinkBase, filled: Bool, seesPrivate: Bool = false, isLast: Bool, ahead: ReadAhead? = nil) {
        self.records = records
        isFilled = filled
        self.seesPrivate = seesPrivate
        self.ahead = ahead
        linkBase = base
        self.isLast = isLast
    }

    /// A record; nil when it is not here, which is noted.
    mutating func record(_ asked: Resource) throws -> Record? {
        if seesPrivate, let kept = kept(inPlaceOf: asked) { return try read(kept) }
        return try read(asked)
    }

    private mutating func read(_ resource: Resource) throws -> Record? {
        switch try records.read(resource, ahead: takeAhead(of: resource), filled: isFilled) {
        case .hit(let served) where resource.cache == .temp && served.freshness == .stale && served.record.refusedWith == nil && !isLast:
            note(resource)
            return nil
        case .hit(let served):
            account.count(served)
            return served.record
        case .denied(let denial, let tier, let ttl):
            account.count(tier, ttl)
            throw denial
        case .miss:
            note(resource)
            return nil
        }
    }

    /// Of a playlist that is private, what lies apart; nil: it is no such one.
    private func kept(inPlaceOf resource: Resource) -> Resource? {
        guard let playlist = resource.playlist, records.recordStore.privateRecords?.holds(playlist) == true else { return nil }
        return .kept(resource)
    }

    /// What was read ahead counts once, for the record that it is of.
    private mutating func takeAhead(of resource: Resource) -> ReadAhead? {
        guard let ahead, ahead.resource == resource else { return nil }
        self.ahead = nil
        return ahead
    }

    /// A record that the answer can do without: nil, and no note, when it is not here or was refused.
    mutating func known(_ resource: Resource) throws -> Record? {
        let asked = seesPrivate ? kept(inPlaceOf: resource) ?? resource : resource
        guard case .hit(let served) = try records.glance(asked, filled: isFilled) else { return nil }
        account.count(served)
        return served.record
    }

    /// Takes back the note of a record that turned out not to be needed.
    mutating func forget(_ resource: Resource) { missing.removeAll { $0.open == resource } }

    /// A playlist or a page of its items with its episodes as what they are. Most have none, and need no call of their own for that.
    mutating func recordWithEpisodes(_ resource: Resource) throws -> Record? {
        guard let plain = try record(resource) else { return nil }
        let full = Resource.withEpisodes(resource)
        guard Episodes.stand(in: plain.body), !(try isLast && known(full) == nil) else { return plain }
        do {
            return try record(full)
        } catch is NegativeEntry {
            return plain
        }
    }

    /// A record as a document.
    mutating func document(_ resource: Resource) throws -> JSONDocument? {
        try record(resource).flatMap { try? JSONDocument($0.body) }
    }

    /// A record's body as the whole answer.
    /// - Parameter parameter: what its links say as well.
    mutating func verbatim(_ record: Record, naming parameter: (name: String, value: String)? = nil) -> ArraySlice<UInt8> {
        let seed = record.linkPlaces.isEmpty ? [] : Array((linkBase.root + (parameter.map(MirrorLink.text) ?? "")).utf8)
        verbatimTag = FNV.hash(seed, from: record.tag)
        return record.body(linkedTo: linkBase, naming: parameter)
    }

    /// The answer's body is not the record's any more.
    mutating func forgetVerbatim() { verbatimTag = nil }

    var now: WallTime { records.recordStore.clock.wall }

    func isClosed(_ endpoint: Endpoint) throws -> Bool { try records.recordStore.isClosed(endpoint) }

    private mutating func note(_ resource: Resource) {
        if !missing.contains(resource) { missing.append(resource) }
    }

    /// What was read, as the account of `body`.
    func composed(_ body: ArraySlice<UInt8>) -> Composed {
        Composed(
            body: body, tag: verbatimTag ?? FNV.hash(body), tier: account.tier, ttl: account.soonest, freshness: account.freshness,
            refusedWith: account.refusedWith, pending: missing)
    }

    func composed(_ denial: NegativeEntry) -> DeniedQuery {
        DeniedQuery(denial: denial, tier: account.tier, ttl: account.soonest)
    }
}

/// The slowest tier, the soonest due and the worst freshness of what was read for one answer.
private struct ReadSummary {
    var tier = Tier.memory
    var ttl: Int64?
    var freshness = Freshness.fresh
    var refusedWith: Int?

    /// Seconds; 0 when nothing was read.
    var soonest: Int64 { ttl ?? 0 }

    mutating func count(_ served: Served) {
        count(served.tier, served.ttl)
        if served.freshness == .stale { freshness = .stale }
        if refusedWith == nil { refusedWith = served.record.refusedWith }
    }

    mutating func count(_ tier: Tier, _ ttl: Int64) {
        if tier.isSlower(than: self.tier) { self.tier = tier }
        self.ttl = min(self.ttl ?? ttl, ttl)
    }
}

extension Tier {
    fileprivate func isSlower(than other: Tier) -> Bool { depth > other.depth }

    private var depth: Int {
        switch self {
        case .memory: 0
        case .dragonfly: 1
        case .sqlite: 2
        }
    }
}
