import Caching

/// Reads records for one question and keeps account of them.
public struct Reader {
    let library: Library
    /// Nothing more will come: answer with what there is, old search results included.
    let isLast: Bool
    private(set) var missing: [Resource] = []
    private let base: String
    private var ahead: ReadAhead?
    private var account = Account()
    /// The tag of the one record whose body is the answer, or of nothing else.
    private var verbatimTag: UInt64?

    init(library: Library, base: String, isLast: Bool, ahead: ReadAhead? = nil) {
        self.library = library
        self.ahead = ahead
        self.base = base
        self.isLast = isLast
    }

    /// Scheme and host for the mirror's links.
    var linkBase: String { base }

    /// A record; nil when it is not here, which is noted.
    mutating func record(_ resource: Resource) throws -> Record? {
        switch try library.read(resource, ahead: takeAhead(of: resource)) {
        case .hit(let served) where resource.cache == .temp && served.freshness == .stale && !isLast:
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

    /// What was read ahead counts once, for the record that it is of.
    private mutating func takeAhead(of resource: Resource) -> ReadAhead? {
        guard let ahead, ahead.resource == resource else { return nil }
        self.ahead = nil
        return ahead
    }

    /// A record that the answer can do without: nil, and no note, when it is not here or was refused.
    mutating func known(_ resource: Resource) throws -> Record? {
        guard case .hit(let served) = try library.glance(resource) else { return nil }
        account.count(served)
        return served.record
    }

    /// A record as a document.
    mutating func document(_ resource: Resource) throws -> JSONDocument? {
        try record(resource).flatMap { JSONDocument($0.body) }
    }

    /// A record's body as the whole answer.
    mutating func verbatim(_ record: Record) -> ArraySlice<UInt8> {
        let seed = record.linkPlaces.isEmpty ? [] : Array(base.utf8)
        verbatimTag = FNV.hash(seed, from: record.tag)
        return record.body(linkedTo: base)
    }

    /// The answer's body is not the record's any more.
    mutating func forgetVerbatim() { verbatimTag = nil }

    func isClosed(_ endpoint: Endpoint) throws -> Bool { try library.shelf.isClosed(endpoint) }

    private mutating func note(_ resource: Resource) {
        if !missing.contains(resource) { missing.append(resource) }
    }

    /// What was read, as the account of `body`.
    func composed(_ body: ArraySlice<UInt8>) -> Composed {
        Composed(
            body: body, tag: verbatimTag ?? FNV.hash(body), tier: account.tier, ttl: account.soonest, freshness: account.freshness,
            refusedWith: account.refusedWith, pending: missing)
    }

    func composed(_ denial: Denial) -> ComposedDenial {
        ComposedDenial(denial: denial, tier: account.tier, ttl: account.soonest)
    }
}

/// The slowest tier, the soonest due and the worst freshness of what was read for one answer.
private struct Account {
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
    fileprivate func isSlower(than other: Tier) -> Bool {
        let order: [Tier] = [.memory, .dragonfly, .sqlite]
        return (order.firstIndex(of: self) ?? 0) > (order.firstIndex(of: other) ?? 0)
    }
}
