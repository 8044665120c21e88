import JSON
import Spotify

/// What one answer of Spotify's teaches: the resource that was asked for, and every track and artist that stands complete in it.
struct ParsedAnswer {
    struct Line {
        var resource: Resource
        var record: Record
    }

    private(set) var lines: [Line] = []
    /// What the answer shows of the account.
    private(set) var mode: AccountMode?

    /// nil for a body that does not have the resource's form.
    init?(_ resource: Resource, _ body: [UInt8]) {
        guard let document = try? JSONDocument(body), document.root.kind == .object else { return nil }
        let root = document.root
        mode = AccountMode(resource, root)
        switch resource {
        case .object(let kind, _, let market):
            guard root["type"]?.string == kind.rawValue else { return nil }
            add(resource, ListRecord.make(of: kind, document))
            if kind == .playlist { learnItems(Self.pages(of: root), market) }
        case .albumTracks, .artistAlbums:
            guard Page(root) != nil else { return nil }
            add(resource, Record(body: body))
        case .playlistItems(_, _, _, let market):
            guard Page(root) != nil else { return nil }
            add(resource, Record(body: body))
            learnItems([root], market)
        case .topTracks(_, let market):
            guard let tracks = root["tracks"], tracks.kind == .array else { return nil }
            add(resource, Record(body: body))
            learn(tracks.elements, market)
        case .search(_, let kinds, _, let market):
            guard kinds.allSatisfy({ Page(root[$0.rawValue + "s"]) != nil }) else { return nil }
            add(resource, Record(body: body))
            for plural in ["tracks", "artists"] { learn(root[plural]?["items"]?.elements ?? [], market) }
        }
    }

    private mutating func add(_ resource: Resource, _ record: Record) { lines.append(Line(resource: resource, record: record)) }

    private static func pages(of playlist: JSONNode) -> [JSONNode] { [playlist["items"], playlist["tracks"]].compactMap { $0 } }

    private mutating func learnItems(_ pages: [JSONNode], _ market: Market?) {
        for page in pages {
            learn(page["items"]?.elements.compactMap { $0["item"] ?? $0["track"] } ?? [], market)
        }
    }

    /// Keeps those of `nodes` that are complete; what is simplified here never takes a full record's place.
    private mutating func learn(_ nodes: [JSONNode], _ market: Market?) {
        for node in nodes {
            guard let id = node["id"]?.string.flatMap({ SpotifyID($0) }) else { continue }
            switch node["type"]?.string {
            case "track" where node.has("album") && node.has("duration_ms") && node.has("external_ids"):
                add(.object(.track, id, market: market), Record(body: Self.track(node)))
            case "artist" where node.has("genres") && node.has("images"):
                add(.object(.artist, id, market: nil), Record(body: Array(node.raw)))
            default: continue
            }
        }
    }

    /// A track's own bytes. A playlist also says of its elements whether they are tracks or episodes, which the track does not.
    private static func track(_ node: JSONNode) -> [UInt8] {
        let added: Set = ["episode", "track"]
        let members = node.members
        guard members.contains(where: { added.contains($0.key) }) else { return Array(node.raw) }
        var writer = JSONWriter(reserving: 4096)
        writer.object { writer in
            for (key, value) in members where !added.contains(key) { writer.member(key, raw: value.raw) }
        }
        return writer.bytes
    }
}

/// An object as the mirror serves it: Spotify's own bytes, but for the links of the page that an album or a playlist holds, which
/// point back here, and for a playlist's page, which stands there under its old and its new name.
enum ListRecord {
    static func make(of kind: ObjectKind, _ document: JSONDocument) -> Record {
        guard kind == .album || kind == .playlist, document.root.kind == .object else { return Record(body: document.bytes) }
        let members = document.root.members
        var places: [UInt32] = []
        var writer = JSONWriter(reserving: document.bytes.count + 256)
        writer.object { writer in
            for (key, value) in members {
                if let part = PlaylistPart(rawValue: key), value.kind == .object {
                    for name in kind == .album ? [part] : [.tracks, .items] {
                        writer.key(name.rawValue)
                        write(value, of: kind, as: name, &writer, &places)
                    }
                } else {
                    writer.member(key, raw: value.raw)
                }
            }
        }
        return Record(body: writer.bytes, linkPlaces: places, isExtended: members.contains { $0.key == "tracks" })
    }

    private static func write(
        _ page: JSONNode, of kind: ObjectKind, as part: PlaylistPart, _ writer: inout JSONWriter, _ places: inout [UInt32]
    ) {
        writer.object { writer in
            for (key, value) in page.members {
                writer.key(key)
                if ["href", "next", "previous"].contains(key), let path = path(value.string, as: part) {
                    places.append(UInt32(writer.position + 1))
                    writer.string(path)
                } else if key == "items", kind == .playlist {
                    writer.array { writer in
                        for element in value.elements { Self.write(element: element, as: part, &writer) }
                    }
                } else {
                    writer.raw(value.raw)
                }
            }
        }
    }

    /// A playlist's element with its track under the name that `part` goes with.
    static func write(element: JSONNode, as part: PlaylistPart, _ writer: inout JSONWriter) {
        guard element.kind == .object else { return writer.raw(element.raw) }
        writer.object { writer in
            for (key, value) in element.members {
                writer.member(key == "item" || key == "track" ? part.element : key, raw: value.raw)
            }
        }
    }

    /// A playlist as a search lists it: how many items it has and where they are, under the old and the new name.
    static func write(listed playlist: JSONNode, linkedTo base: String, _ writer: inout JSONWriter) {
        guard playlist.has("tracks") != playlist.has("items") else { return writer.raw(playlist.raw) }
        writer.object { writer in
            for (key, value) in playlist.members {
                guard PlaylistPart(rawValue: key) != nil, value.kind == .object else {
                    writer.member(key, raw: value.raw)
                    continue
                }
                for part in [PlaylistPart.tracks, .items] {
                    writer.key(part.rawValue)
                    writer.object { writer in
                        for (key, value) in value.members {
                            if key == "href", let path = path(value.string, as: part) {
                                writer.member(key, base + path)
                            } else {
                                writer.member(key, raw: value.raw)
                            }
                        }
                    }
                }
            }
        }
    }

    /// The mirror's path for one of Spotify's links: `/spotify/v1/albums/...`; nil for any other text.
    private static func path(_ link: String?, as part: PlaylistPart) -> String? {
        guard let link, let rest = link.dropPrefix("https://api.spotify.com/v1/") else { return nil }
        guard rest.hasPrefix("playlists/") else { return "/spotify/v1/" + rest }
        let cut = rest.firstIndex(of: "?") ?? rest.endIndex
        let segments = rest[..<cut].split(separator: "/").map { $0 == "items" || $0 == "tracks" ? part.rawValue[...] : $0 }
        return "/spotify/v1/" + segments.joined(separator: "/") + rest[cut...]
    }
}

extension String {
    func dropPrefix(_ prefix: String) -> Substring? { hasPrefix(prefix) ? dropFirst(prefix.count) : nil }
}

/// A page that stands in a document.
struct Page {
    let elements: [JSONNode]
    let total: Int

    /// nil when `node` is no paging object.
    init?(_ node: JSONNode?) {
        guard let node, let total = node["total"]?.integer, total >= 0, let items = node["items"], items.kind == .array else { return nil }
        self.elements = items.elements
        self.total = total
    }

    init?(_ record: Record?) {
        guard let record, let document = try? JSONDocument(record.body) else { return nil }
        self.init(document.root)
    }
}

extension JSONNode {
    /// The ids of a track's or an album's artists.
    var artistIDs: [String] { self["artists"]?.elements.compactMap { $0["id"]?.string } ?? [] }
}
