import JSON
import Spotify

/// `POST /api/search/global` and `/api/search/combined`: what Spotify finds, in the forms of the extended version's search.
public struct GlobalSearchQuestion: Question {
    public enum Form: Sendable {
        case global
        /// - Parameters:
        ///   - local: what swingmusic's own songs have of it.
        ///   - count: how many that are.
        case combined(local: JSONValue, count: Int)
    }

    let search: Search
    let query: String
    let limit: Int
    let form: Form

    public init(term: SearchTerm, query: String, kinds: [ObjectKind], limit: Int, form: Form) {
        search = Search(term: term, kinds: kinds, market: nil)
        self.query = query
        self.limit = limit
        self.form = form
    }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        var found: [ObjectKind: [CatalogItem]] = [:]
        for kind in search.kinds {
            let stretch = try search.list(of: kind).stretch(Window(offset: 0, limit: limit), &reader)
            found[kind] = stretch?.elements.compactMap { CatalogItem(kind, $0) }
        }
        guard reader.missing.isEmpty else { return nil }
        var writer = JSONWriter(reserving: 65_536)
        writer.object { writer in
            writer.member("query", query)
            let total = found.values.reduce(0) { $0 + $1.count }
            switch form {
            case .global:
                write(found, to: &writer)
                writer.member("total", total)
                writer.member("source", "global_catalog")
                writer.key("cache_info")
                // What is known is answered from the database for good; there is no end to tell of.
                writer.object { writer in
                    writer.member("from_cache", true)
                    writer.member("expires_at", nil as Int?)
                }
            case .combined(let local, let count):
                writer.member("local", local)
                writer.key("global")
                writer.object { write(found, to: &$0) }
                writer.member("total", total + count)
            }
        }
        return writer.bytes[...]
    }

    private func write(_ found: [ObjectKind: [CatalogItem]], to writer: inout JSONWriter) {
        for kind in ObjectKind.music {
            writer.key(kind.plural)
            writer.array { writer in
                for item in found[kind] ?? [] {
                    item.write(to: &writer) { writer in
                        writer.member("id", item.id)
                        writer.member("type", kind.rawValue)
                        writer.member("source", "global")
                    }
                }
            }
        }
    }
}

/// `GET /api/search/suggestions`: of what was asked for here lately, what has the words in its title or its artists' names. Nothing is
/// looked up: whoever types must not spend calls.
public struct SuggestionsQuestion: Question {
    let words: [String]
    let kinds: [ObjectKind]
    let limit: Int

    /// - Parameter text: what has been typed; less than two letters suggest nothing.
    public init(text: String, kinds: [ObjectKind], limit: Int) {
        words = text.count < 2 ? [] : text.lowercased().split(whereSeparator: \.isWhitespace).map(String.init)
        self.kinds = kinds
        self.limit = limit
    }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        var first: [CatalogItem] = []
        var others: [CatalogItem] = []
        for kind in kinds where !words.isEmpty {
            for node in try KnownObjects.lately(kind, &reader) {
                guard let item = CatalogItem(kind, node) else { continue }
                let title = (item.title ?? "").lowercased()
                let text = "\(title) \((item.artistNames ?? "").lowercased())"
                guard words.allSatisfy({ text.contains($0) }) else { continue }
                if title.hasPrefix(words[0]) { first.append(item) } else { others.append(item) }
            }
        }
        var writer = JSONWriter()
        writer.object { writer in
            writer.key("suggestions")
            writer.array { writer in for item in (first + others).prefix(limit) { Self.write(item, to: &writer) } }
        }
        return writer.bytes[...]
    }

    private static func write(_ item: CatalogItem, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", item.id)
            writer.member("type", item.kind.rawValue)
            writer.member("title", item.title)
            writer.member("artist", item.artistNames)
            writer.member("album", item.albumTitle)
            writer.member("image_url", item.imageURL)
            writer.member("popularity", item.node["popularity"]?.integer)
            writer.member("source", "cache")
        }
    }
}

/// `POST /api/spotify/metadata` and `/api/universal/metadata`: what a link to Spotify names.
public struct LinkQuestion: Question {
    public enum Form: Sendable {
        case spotify
        /// - Parameter url: as it was sent.
        case universal(url: String)
    }

    let kind: ObjectKind
    let id: SpotifyID
    let form: Form

    public init(kind: ObjectKind, id: SpotifyID, form: Form) {
        self.kind = kind
        self.id = id
        self.form = form
    }

    public var firstResource: Resource? { .object(kind, id, market: nil) }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        guard let document = try reader.document(.object(kind, id, market: nil)), let item = CatalogItem(kind, document.root) else {
            return nil
        }
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("success", true)
            switch form {
            case .spotify:
                writer.key("metadata")
                writer.object { writer in
                    writer.member("spotify_id", item.id)
                    Self.write(item, explicit: "is_explicit", to: &writer)
                    writer.member("track_number", item.node["track_number"]?.integer)
                    writer.member("total_tracks", (item.node["total_tracks"] ?? item.node["tracks"]?["total"])?.integer)
                }
            case .universal(let url):
                writer.member("service", "spotify")
                writer.member("service_id", item.id)
                Self.write(item, explicit: "explicit", to: &writer)
                writer.member("original_url", url)
            }
        }
        return writer.bytes[...]
    }

    private static func write(_ item: CatalogItem, explicit: String, to writer: inout JSONWriter) {
        writer.member("item_type", item.kind.rawValue)
        writer.member("title", item.title)
        writer.member("artist", item.artistNames)
        writer.member("album", item.albumTitle)
        writer.member("duration_ms", item.node["duration_ms"]?.integer)
        writer.member("image_url", item.imageURL)
        writer.member("release_date", item.releaseDate)
        writer.member("preview_url", item.node["preview_url"]?.string)
        writer.member(explicit, item.node["explicit"]?.bool ?? false)
    }
}
