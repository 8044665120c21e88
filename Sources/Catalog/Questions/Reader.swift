import Caching

/// Reads records for one question and keeps account of them.
public struct Reader {
    let catalog: Catalog
    /// Scheme and host for the mirror's links.
    let base: String
    /// Nothing more will come: answer with what there is, old search results included.
    let isLast: Bool
    private(set) var missing: [Resource] = []
    private(set) var tier = Tier.memory
    private(set) var ttl = Int64.max / 1000
    private(set) var freshness = Freshness.fresh
    private(set) var tag: UInt64 = 0
    private var reads = 0

    init(catalog: Catalog, base: String, isLast: Bool) {
        self.catalog = catalog
        self.base = base
        self.isLast = isLast
    }

    /// A record; nil when it is not here, which is noted.
    mutating func record(_ resource: Resource) throws -> Record? {
        switch try catalog.read(resource) {
        case let .hit(served) where resource.cache == .temp && served.freshness == .stale && !isLast:
            note(resource)
            return nil
        case let .hit(served):
            count(served)
            return served.record
        case let .denied(denial): throw denial
        case .miss:
            note(resource)
            return nil
        }
    }

    /// A part that Spotify may have refused; then nil without a note.
    mutating func part(_ resource: Resource) throws -> Record? {
        do { return try record(resource) } catch is Denial { return nil }
    }

    /// A record as a document.
    mutating func document(_ resource: Resource) throws -> JSONDocument? {
        try record(resource).flatMap { JSONDocument($0.body) }
    }

    func isClosed(_ endpoint: Endpoint) throws -> Bool { try catalog.shelf.isClosed(endpoint) }

    private mutating func note(_ resource: Resource) {
        if !missing.contains(resource) { missing.append(resource) }
    }

    private mutating func count(_ served: Served) {
        reads += 1
        tag = reads == 1 ? served.record.tag : (tag &* 0x9E37_79B9_7F4A_7C15) ^ served.record.tag
        ttl = min(ttl, served.ttl)
        if served.freshness == .stale { freshness = .stale }
        if served.tier.isSlower(than: tier) { tier = served.tier }
    }

    /// What was read, as the account of `body`.
    /// - Parameter isVerbatim: the body is one record's own, without a link in it.
    func composed(_ body: [UInt8]) -> Composed {
        var seed = tag
        for byte in base.utf8 { seed = (seed ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return Composed(body: body, tag: seed, tier: tier, ttl: ttl, freshness: freshness, pending: missing)
    }
}

extension Tier {
    func isSlower(than other: Tier) -> Bool {
        let order: [Tier] = [.memory, .dragonfly, .sqlite]
        return (order.firstIndex(of: self) ?? 0) > (order.firstIndex(of: other) ?? 0)
    }
}
