import Spotify

/// `GET /search`: pages of 10 from upstream, put together to what was asked.
public struct SearchQuestion: Question {
    let search: Search
    let window: Window
    /// The query as typed, for the links.
    let query: String

    public init(term: SearchTerm, query: String, kinds: [ObjectKind], offset: Int, limit: Int, market: Market?) {
        search = Search(term: term, kinds: kinds, market: market)
        window = Window(offset: offset, limit: limit)
        self.query = query
    }

    public func compose(_ reader: inout Reader) throws -> ArraySlice<UInt8>? {
        var writer = JSONWriter(reserving: 65_536)
        let base = reader.linkBase
        try writer.object { writer in
            for kind in search.kinds {
                guard let stretch = try search.list(of: kind).stretch(window, &reader) else { continue }
                let kept = [("query", query), ("type", kind.rawValue)] + (search.market.map { [("market", $0.code)] } ?? [])
                writer.key(kind.rawValue + "s")
                PagingWriter(base: base, path: "/search", kept: kept)
                    .write(stretch, window, to: &writer) { element, writer in
                        guard kind == .playlist else { return writer.raw(element.raw) }
                        MirrorRecord.write(listed: element.node, linkedTo: base, element.document, &writer)
                    }
            }
        }
        return reader.missing.isEmpty ? writer.bytes[...] : nil
    }
}

/// One search for one or more kinds: each page upstream brings ten of every kind.
struct Search {
    var term: SearchTerm
    /// In the order of `ObjectKind`, so that the same kinds make the same lookup.
    var kinds: [ObjectKind]
    var market: Market?

    init(term: SearchTerm, kinds: [ObjectKind], market: Market?) {
        self.term = term
        self.kinds = ObjectKind.allCases.filter(kinds.contains)
        self.market = market
    }

    /// The results of one kind.
    func list(of kind: ObjectKind) -> PagedList {
        PagedList(embedded: nil, pageSize: PageSize.search) { offset, reader in
            guard let record = try reader.record(.search(term, kinds: kinds, offset: offset, market: market)),
                let document = JSONDocument(record.body)
            else { return nil }
            return Page(document, document.root[kind.rawValue + "s"])
        }
    }
}
