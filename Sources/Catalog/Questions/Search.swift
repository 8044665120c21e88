import JSON
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

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        var writer = JSONWriter(reserving: 65_536)
        let base = reader.linkBase
        try writer.object { writer in
            for kind in search.kinds {
                guard let stretch = try search.list(of: kind).stretch(window, &reader) else { continue }
                let kept = [("query", query), ("type", kind.rawValue)] + (search.market.map { [("market", $0.code)] } ?? [])
                writer.key(kind.plural)
                PagingWriter(base: base, path: "/search", kept: kept, lastOffset: ListLimits.searchResults - 1)
                    .write(stretch, window, to: &writer) { element, writer in
                        guard kind == .playlist else { return writer.raw(element.raw) }
                        ListRecord.write(listed: element, linkedTo: base, &writer)
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
        var list = PagedList(pageSize: PageSize.search) { .search(term, kinds: kinds, offset: $0, market: market) }
        list.part = { $0[kind.plural] }
        list.most = ListLimits.searchResults
        return list
    }
}

/// `GET /artists/{id}/top-tracks`.
public struct TopTracksQuestion: Question {
    let id: SpotifyID
    let market: Market?

    public init(id: SpotifyID, market: Market?) {
        self.id = id
        self.market = market
    }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        guard let tracks = try TopTracks.read(of: id, atMost: 10, market, &reader), reader.missing.isEmpty else { return nil }
        var writer = JSONWriter()
        writer.object { writer in
            writer.key("tracks")
            writer.array { writer in for track in tracks { writer.raw(track.raw) } }
        }
        return writer.bytes[...]
    }
}

/// An artist's best known tracks. Where development mode closed the endpoint: what a search for the artist's exact name finds that
/// is by this artist.
enum TopTracks {
    /// How far the search is followed.
    private static let searchPages = 3

    /// nil when something is missing that nothing can be said without.
    static func read(of id: SpotifyID, atMost most: Int, _ market: Market?, _ reader: inout RecordReader) throws -> [JSONNode]? {
        if try reader.isClosed(.topTracks) {
            // What extended mode once gave stands, as stale as it may be.
            if let known = try reader.known(.topTracks(id, market: market)), let tracks = elements(known, atMost: most) { return tracks }
        } else {
            do {
                return try reader.record(.topTracks(id, market: market)).flatMap { elements($0, atMost: most) }
            } catch let denial as NegativeEntry where denial.status == 403 {}
        }
        return try search(for: id, atMost: most, market, &reader)
    }

    private static func elements(_ record: Record, atMost most: Int) -> [JSONNode]? {
        (try? JSONDocument(record.body).root["tracks"]).map { Array($0.elements.lazy.filter { $0.kind == .object }.prefix(most)) }
    }

    private static func search(for id: SpotifyID, atMost most: Int, _ market: Market?, _ reader: inout RecordReader) throws -> [JSONNode]? {
        guard let artist = try reader.document(.object(.artist, id, market: nil)) else { return nil }
        guard let term = artist.root["name"]?.string.flatMap({ SearchTerm($0) }) else { return [] }
        let list = Search(term: term, kinds: [.track], market: market).list(of: .track)
        var found: [JSONNode] = []
        var seen: Set<String> = []
        for page in 0..<searchPages where found.count < most {
            let window = Window(offset: page * PageSize.search, limit: PageSize.search)
            let stretch: PagedList.Stretch?
            do {
                stretch = try list.stretch(window, &reader)
            } catch let denial as NegativeEntry {
                if found.isEmpty { throw denial }
                break
            }
            guard let stretch else { return reader.isLast ? found : nil }
            for element in stretch.elements where isBy(id, element) {
                guard let track = element["id"]?.string, seen.insert(track).inserted else { continue }
                found.append(element)
            }
            if stretch.total <= window.offset + window.limit { break }
        }
        return Array(found.prefix(most))
    }

    private static func isBy(_ id: SpotifyID, _ element: JSONNode) -> Bool {
        element["artists"]?.elements.contains { $0["id"]?.string == id.text } ?? false
    }
}
