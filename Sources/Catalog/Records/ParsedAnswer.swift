import JSON
import Spotify

/// What one answer of Spotify's teaches: the resource that was asked for, every track and artist that stands complete in it, and what an album
/// says of its tracks.
struct ParsedAnswer {
    struct Line {
        let resource: Resource
        let record: Record
        /// What the record lacks of the fields that development mode removed.
        let lacking: RemovedFields

        init(_ resource: Resource, _ record: Record) {
            self.resource = resource
            self.record = record
            lacking = RemovedFields(of: record, resource.open)
        }

        var encoded: [UInt8] { record.encoded(lacking: lacking.stored) }
    }

    private(set) var lines: [Line] = []
    /// Tracks that it lists without all that is kept of them.
    private(set) var listed: ListedTracks?
    /// What the answer shows of the account.
    private(set) var mode: AccountMode?

    /// nil for a body that does not have the resource's form.
    init?(_ resource: Resource, _ body: [UInt8]) {
        guard let document = try? JSONDocument(body) else { return nil }
        mode = AccountMode(resource, document.root)
        guard read(document, as: resource) else { return nil }
    }

    /// Leaves the playlist alone, without what stands in it, and what it shows of the mode.
    mutating func leaveOutOthers() {
        lines.removeAll { $0.resource.playlist == nil }
        (listed, mode) = (nil, nil)
    }

    /// Whether the document has the form that the resource has. What is odd in a part of it costs that part alone.
    private mutating func read(_ document: JSONDocument, as resource: Resource) -> Bool {
        let root = document.root
        switch resource {
        case .object(let kind, let id, let market):
            guard Self.isObject(root, of: kind, id) else { return false }
            add(resource, ListRecord.make(of: kind, document, askedWith: market.map { [("market", $0.code)] } ?? []))
            if kind == .playlist { learnItems(Self.pages(of: root), market) }
            listed = ListedTracks(resource, root)
        case .parts(_, let id, let offset, _), .artistAlbums(let id, _, let offset, _):
            guard Self.isPage(root, of: id, from: offset) else { return false }
            add(resource, Record(body: document.bytes))
        case .playlistItems(let id, _, let offset, let market):
            guard Self.isPage(root, of: id, from: offset) else { return false }
            add(resource, Record(body: document.bytes))
            learnItems([root], market)
        case .topTracks(let id, let market):
            guard let tracks = root["tracks"], tracks.kind == .array, Self.areTracks(tracks.elements, of: id) else { return false }
            add(resource, Record(body: document.bytes))
            learn(tracks.elements, market)
        case .search(let term, let kinds, let offset, let market):
            guard kinds.contains(where: { Page(root[$0.plural]) != nil }), kinds.allSatisfy({ Self.begins(root[$0.plural], at: offset) })
            else { return false }
            for (number, body) in SearchPages.split(document).enumerated() {
                add(.search(term, kinds: kinds, offset: offset + number * PageSize.search, market: market), Record(body: body))
            }
            for plural in ["tracks", "artists"] { learn(root[plural]?["items"]?.elements ?? [], market) }
        case .playlistImages:
            guard root.kind == .array else { return false }
            add(resource, Record(body: document.bytes))
        case .withEpisodes(let plain):
            guard let parsed = ParsedAnswer(plain, document.bytes), let first = parsed.lines.first else { return false }
            let asked = [Resource.episodes] + (plain.market.map { [("market", $0.code)] } ?? [])
            let record = if case .object = plain { ListRecord.make(of: .playlist, document, askedWith: asked) } else { first.record }
            lines = [Line(resource, record)] + parsed.lines.dropFirst()
        case .kept(let plain):
            // What stands in it is nobody else's business.
            guard let first = ParsedAnswer(plain, document.bytes)?.lines.first else { return false }
            lines = [Line(resource, first.record)]
        }
        return true
    }

    /// Whether it is what was asked for: what somebody mixed up on the way is not kept under another's id. A track that stands in for one that a
    /// market has not says for which (Web API reference, track relinking). Chapters call themselves episodes (chapters).
    private static func isObject(_ root: JSONNode, of kind: ObjectKind, _ asked: SpotifyID) -> Bool {
        guard let id = root["id"]?.string, id == asked.text || root["linked_from"]?["id"]?.string == asked.text else { return false }
        guard let type = root["type"]?.string else { return true }
        return type == kind.rawValue || kind == .chapter && type == ObjectKind.episode.rawValue
    }

    /// Whether it is the page that was asked for. A list has no id of its own; its link says whose it is, where there is one.
    private static func isPage(_ root: JSONNode, of asked: SpotifyID, from offset: Int) -> Bool {
        guard Page(root) != nil, begins(root, at: offset) else { return false }
        let path = root["href"]?.string.map { $0.prefix { $0 != "?" }.split(separator: "/") } ?? []
        let ids = path.compactMap { SpotifyID(String($0)) }
        return ids.isEmpty || ids.contains(asked)
    }

    /// Whether they may be an artist's: where they name artists at all, they name this one, too.
    private static func areTracks(_ tracks: [JSONNode], of asked: SpotifyID) -> Bool {
        let named = tracks.flatMap(\.artistIDs)
        return named.isEmpty || named.contains(asked.text)
    }

    private static func begins(_ page: JSONNode?, at offset: Int) -> Bool { page?["offset"]?.integer.map { $0 == offset } ?? true }

    private mutating func add(_ resource: Resource, _ record: Record) { lines.append(Line(resource, record)) }

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

/// An object as the mirror serves it: Spotify's own bytes, but for the links of the page that an album, a playlist, a show or an
/// audiobook holds, which point back here, and for a playlist's page, which stands there under its old and its new name.
enum ListRecord {
    /// - Parameter asked: the parameters that make its answer another one; the links of its page have them, too.
    static func make(of kind: ObjectKind, _ document: JSONDocument, askedWith asked: [(name: String, value: String)] = []) -> Record {
        let held = kind == .playlist ? PlaylistPart.allCases.map(\.rawValue) : ObjectParts(of: kind).map { [$0.name] } ?? []
        guard !held.isEmpty, document.root.kind == .object else { return Record(body: document.bytes) }
        let members = document.root.members
        var places: [UInt32] = []
        var writer = JSONWriter(reserving: document.bytes.count + 256)
        writer.object { writer in
            for (key, value) in members {
                if held.contains(key), value.kind == .object {
                    // A playlist's under both names, of which it has one.
                    let names = kind == .playlist && !members.contains { $0.key != key && held.contains($0.key) } ? held : [key]
                    for name in names {
                        writer.key(name)
                        write(value, as: name, of: kind, asked, &writer, &places)
                    }
                } else {
                    writer.member(key, raw: value.raw)
                }
            }
        }
        return Record(body: writer.bytes, linkPlaces: places, isExtended: members.contains { $0.key == "tracks" })
    }

    private static func write(
        _ page: JSONNode, as name: String, of kind: ObjectKind, _ asked: [(name: String, value: String)], _ writer: inout JSONWriter,
        _ places: inout [UInt32]
    ) {
        writer.object { writer in
            for (key, value) in page.members {
                writer.key(key)
                if ["href", "next", "previous"].contains(key), let path = MirrorLink.path(value.string, to: name, kept: asked) {
                    places.append(UInt32(writer.position + 1))
                    writer.string(path)
                } else if key == "items", kind == .playlist, value.kind == .array, let part = PlaylistPart(rawValue: name) {
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
    static func write(listed playlist: JSONNode, linkedTo base: LinkBase, _ writer: inout JSONWriter) {
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
                            if key == "href", let path = MirrorLink.path(value.string, to: part.rawValue) {
                                writer.member(key, base.root + path.dropFirst(LinkBase("").root.utf8.count))
                            } else {
                                writer.member(key, raw: value.raw)
                            }
                        }
                    }
                }
            }
        }
    }
}

extension String {
    func dropPrefix(_ prefix: String) -> Substring? { hasPrefix(prefix) ? dropFirst(prefix.count) : nil }
}

/// Whether a playlist has episodes, told from its bytes: to read it would cost more than all the rest of a hit.
enum Episodes {
    private static let name = Array(#""episode""#.utf8)
    private static let type = Array(#""type""#.utf8)
    /// How far the search may go on when a byte stands where the name would end (Horspool 1980).
    private static let steps: [UInt8] = {
        var steps = [UInt8](repeating: UInt8(name.count), count: 256)
        for (place, byte) in name.dropLast().enumerated() { steps[Int(byte)] = UInt8(name.count - 1 - place) }
        return steps
    }()

    /// Whether `"type":"episode"` or `"episode":true` occurs.
    static func stand(in body: ArraySlice<UInt8>) -> Bool {
        body.withUnsafeBufferPointer { bytes in
            var start = 0
            while start + name.count <= bytes.count {
                let end = start + name.count
                if bytes[end - 1] == name[name.count - 1], bytes[start..<end].elementsEqual(name), isEpisode(bytes, start..<end) {
                    return true
                }
                start += Int(steps[Int(bytes[end - 1])])
            }
            return false
        }
    }

    /// Whether the name stands there as a type, or says that it is so.
    private static func isEpisode(_ bytes: UnsafeBufferPointer<UInt8>, _ found: Range<Int>) -> Bool {
        let after = bytes[found.upperBound...].drop(while: isSpaceOrColon)
        let before = bytes[..<found.lowerBound].reversed().drop(while: isSpaceOrColon)
        return after.startIndex > found.upperBound && after.starts(with: "true".utf8) || before.starts(with: type.reversed())
    }

    private static func isSpaceOrColon(_ byte: UInt8) -> Bool { byte == UInt8(ascii: ":") || byte == 0x20 || (0x09...0x0D).contains(byte) }
}

extension Resource {
    /// The playlist that it is, or a page of whose items.
    var playlist: SpotifyID? {
        switch self {
        case .object(.playlist, let id, _), .playlistItems(let id, _, _, _): id
        case .object, .parts, .artistAlbums, .search, .topTracks, .playlistImages: nil
        case .withEpisodes(let plain), .kept(let plain): plain.playlist
        }
    }
}
