import JSON
import Spotify

/// `GET /api/catalog/track/{id}`.
public struct TrackItemQuestion: Question {
    public var isOfRecords: Bool { true }
    let id: SpotifyID
    public init(id: SpotifyID) { self.id = id }
    public var firstResource: Resource? { .object(.track, id, market: nil) }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        guard let track = try reader.document(.object(.track, id, market: nil)),
            let item = CatalogItem(.track, track.root)
        else { return nil }
        var writer = JSONWriter()
        item.write(to: &writer)
        return writer.bytes[...]
    }
}

/// `GET /api/catalog/album/{id}`: the album and all its tracks.
public struct AlbumItemQuestion: Question {
    public var isOfRecords: Bool { true }
    let id: SpotifyID
    public let mayBePatchy = true
    public init(id: SpotifyID) { self.id = id }
    public var firstResource: Resource? { .object(.album, id, market: nil) }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        guard let record = try reader.record(.object(.album, id, market: nil)),
            let document = try? JSONDocument(record.body(linkedTo: reader.linkBase))
        else { return nil }
        let album = document.root
        guard let item = CatalogItem(.album, album) else { return nil }
        let list = PagedList.of(.albumTracks, id, in: album, nil)
        let tracks = try tracks(of: list, &reader)
        var writer = JSONWriter(reserving: 65_536)
        item.write(to: &writer) { writer in
            writer.key("tracks")
            writer.array { writer in
                for track in tracks { CatalogItem(.track, track, album: album)?.writeNumbered(to: &writer) }
            }
            writePending(reader.missing.isEmpty ? [] : ["tracks"], &writer)
        }
        return writer.bytes[...]
    }

    /// All that are to be had; an album that is gone may have lost the pages that nobody had asked for.
    private func tracks(of list: PagedList, _ reader: inout RecordReader) throws -> [JSONNode] {
        do {
            return try list.stretch(Window(offset: 0, limit: Self.mostTracks), &reader)?.elements ?? []
        } catch is NegativeEntry {
            return list.embedded?.elements ?? []
        }
    }

    /// More than any album has; it bounds what one request can ask for.
    private static let mostTracks = 1000
}

/// `GET /api/catalog/playlist/{id}?limit=`.
public struct PlaylistItemQuestion: Question {
    public var isOfRecords: Bool { true }
    let id: SpotifyID
    let limit: Int
    public let mayBePatchy = true

    public init(id: SpotifyID, limit: Int) {
        self.id = id
        self.limit = limit
    }

    public var firstResource: Resource? { .object(.playlist, id, market: nil) }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        guard let record = try reader.record(.object(.playlist, id, market: nil)),
            let document = try? JSONDocument(record.body(linkedTo: reader.linkBase)),
            let item = CatalogItem(.playlist, document.root)
        else { return nil }
        let (elements, total) = try items(&reader)
        let root = document.root
        var writer = JSONWriter(reserving: 262_144)
        item.write(to: &writer) { writer in
            writer.key("tracks")
            writer.array { writer in
                for element in elements {
                    guard let track = element["item"] ?? element["track"] else { continue }
                    CatalogItem(.track, track)?.writeNumbered(to: &writer)
                }
            }
            writer.member("owner", root["owner"]?["display_name"]?.string ?? root["owner"]?["id"]?.string)
            writer.member("description", root["description"]?.string)
            writer.member("tracks_total", total)
            writer.member("public", root["public"]?.bool ?? false)
            writer.member("collaborative", root["collaborative"]?.bool ?? false)
            writePending(reader.missing.isEmpty ? [] : ["tracks"], &writer)
        }
        return writer.bytes[...]
    }

    /// None of a playlist whose items this account may not read, or may not read any more.
    private func items(_ reader: inout RecordReader) throws -> (elements: [JSONNode], total: Int) {
        var known = 0
        do {
            guard let list = try PlaylistItems.list(of: id, nil, &reader) else { return ([], 0) }
            known = list.embedded?.total ?? 0
            let stretch = try list.stretch(Window(offset: 0, limit: limit), &reader)
            return (stretch?.elements ?? [], stretch?.total ?? known)
        } catch is NegativeEntry {
            return ([], known)
        }
    }
}

/// Names what was left empty; nothing when the answer is complete.
func writePending(_ names: [String], _ writer: inout JSONWriter) {
    guard !names.isEmpty else { return }
    writer.key("pending")
    writer.array { writer in for name in names { writer.string(name) } }
}

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

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        var found: [ObjectKind: PagedList.Stretch] = [:]
        for kind in search.kinds { found[kind] = try search.list(of: kind).stretch(window, &reader) }
        guard reader.missing.isEmpty else { return nil }
        let items = found.reduce(into: [ObjectKind: [CatalogItem]]()) { items, pair in
            items[pair.key] = pair.value.elements.compactMap { CatalogItem(pair.key, $0) }
        }
        var writer = JSONWriter(reserving: 65_536)
        writer.object { writer in
            for kind in ObjectKind.music {
                writer.key(kind.plural)
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
                for kind in ObjectKind.music { writer.member(kind.plural, hasMore[kind] ?? false) }
            }
        } else {
            writer.bool(hasMore.values.contains(true))
        }
        writer.key("totals")
        writer.object { writer in
            for kind in ObjectKind.music { writer.member(kind.plural, found[kind]?.total ?? 0) }
        }
        writer.member("item_total", type == "all" ? nil : found.values.first?.total)
    }
}
