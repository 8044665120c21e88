import Spotify

/// `POST /api/catalog/search`.
public struct ItemSearchQuestion: Question {
    let search: Search
    let query: String
    /// As asked: `all`, `tracks`, `albums`, `artists` or `playlists`.
    let type: String
    let window: Window

    public init(term: SearchTerm, query: String, type: String, kinds: [ObjectKind], offset: Int, limit: Int) {
        search = Search(term: term, kinds: kinds, market: nil)
        self.query = query
        self.type = type
        self.window = Window(offset: offset, limit: limit)
    }

    public func compose(_ reader: inout Reader) throws -> ArraySlice<UInt8>? {
        var found: [ObjectKind: PagedList.Stretch] = [:]
        for kind in search.kinds { found[kind] = try search.list(of: kind).stretch(window, &reader) }
        guard reader.missing.isEmpty else { return nil }
        let items = found.reduce(into: [ObjectKind: [CatalogItem]]()) { items, pair in
            items[pair.key] = pair.value.elements.compactMap { CatalogItem(pair.key, $0) }
        }
        var writer = JSONWriter(reserving: 65_536)
        writer.object { writer in
            for kind in [ObjectKind.track, .album, .artist, .playlist] {
                writer.key(kind.rawValue + "s")
                writer.array { writer in for item in items[kind] ?? [] { item.write(to: &writer) } }
            }
            writer.member("total", items.values.reduce(0) { $0 + $1.count })
            writer.member("query", query)
            writer.member("type", type)
            writer.member("offset", window.offset)
            writer.member("limit", window.limit)
            writeTotals(found, &writer)
        }
        return writer.bytes[...]
    }

    private func writeTotals(_ found: [ObjectKind: PagedList.Stretch], _ writer: inout JSONWriter) {
        let hasMore = found.mapValues { $0.total > window.offset + window.limit }
        writer.key("has_more")
        if type == "all" {
            writer.object { writer in
                for kind in [ObjectKind.track, .album, .artist, .playlist] { writer.member(kind.rawValue + "s", hasMore[kind] ?? false) }
            }
        } else {
            writer.raw(Array((hasMore.values.contains(true) ? "true" : "false").utf8))
        }
        writer.key("totals")
        writer.object { writer in
            for kind in [ObjectKind.track, .album, .artist, .playlist] { writer.member(kind.rawValue + "s", found[kind]?.total ?? 0) }
        }
        writer.member("item_total", type == "all" ? nil : found.values.first?.total)
    }
}
