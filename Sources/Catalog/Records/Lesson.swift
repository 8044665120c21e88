import Spotify

/// What one answer of Spotify's teaches: the resource that was asked for, and every track and artist that stands complete in it.
struct Lesson {
    struct Line {
        var resource: Resource
        var record: Record
    }

    private(set) var lines: [Line] = []
    /// What the answer shows of the account.
    private(set) var mode: AccountMode?

    /// nil for a body that does not have the resource's form.
    init?(_ resource: Resource, _ body: [UInt8]) {
        guard let document = JSONDocument(body), case .object = document.root.kind else { return nil }
        mode = AccountMode(resource, document.root)
        switch resource {
        case .object(let kind, _, let market):
            guard document.string(document.root["type"]) == kind.rawValue else { return nil }
            add(resource, MirrorRecord.make(of: kind, document))
            if kind == .playlist { learnItems(document, Self.pages(of: document.root), market) }
        case .albumTracks, .artistAlbums:
            guard Page(document, document.root) != nil else { return nil }
            add(resource, Record(body: body))
        case .playlistItems(_, _, _, let market):
            guard Page(document, document.root) != nil else { return nil }
            add(resource, Record(body: body))
            learnItems(document, [document.root], market)
        case .topTracks(_, let market):
            guard case .array? = document.root["tracks"]?.kind else { return nil }
            add(resource, Record(body: body))
            learn(document, document.root["tracks"]?.elements ?? [], market)
        case .search(_, let kinds, _, let market):
            guard kinds.allSatisfy({ Page(document, document.root[$0.rawValue + "s"]) != nil }) else { return nil }
            add(resource, Record(body: body))
            for plural in ["tracks", "artists"] { learn(document, document.root[plural]?["items"]?.elements ?? [], market) }
        }
    }

    private mutating func add(_ resource: Resource, _ record: Record) { lines.append(Line(resource: resource, record: record)) }

    private static func pages(of playlist: JSONNode) -> [JSONNode] { [playlist["items"], playlist["tracks"]].compactMap { $0 } }

    private mutating func learnItems(_ document: JSONDocument, _ pages: [JSONNode], _ market: Market?) {
        for page in pages {
            learn(document, page["items"]?.elements.compactMap { $0["item"] ?? $0["track"] } ?? [], market)
        }
    }

    /// Keeps those of `nodes` that are complete; what is simplified here never takes a full record's place.
    private mutating func learn(_ document: JSONDocument, _ nodes: [JSONNode], _ market: Market?) {
        for node in nodes {
            guard let id = document.string(node["id"]).flatMap({ SpotifyID($0) }) else { continue }
            switch document.string(node["type"]) {
            case "track" where node.has("album") && node.has("duration_ms") && node.has("external_ids"):
                add(.object(.track, id, market: market), Record(body: Self.track(node, document)))
            case "artist" where node.has("genres") && node.has("images"):
                add(.object(.artist, id, market: nil), Record(body: Array(document.raw(node))))
            default: continue
            }
        }
    }

    /// A track's own bytes. A playlist also says of its elements whether they are tracks or episodes, which the track does not.
    private static func track(_ node: JSONNode, _ document: JSONDocument) -> [UInt8] {
        let added: Set = ["episode", "track"]
        guard case .object(let members) = node.kind, members.contains(where: { added.contains($0.key) }) else {
            return Array(document.raw(node))
        }
        var writer = JSONWriter(reserving: 4096)
        writer.object { writer in
            for (key, value) in members where !added.contains(key) { writer.member(key, raw: document.raw(value)) }
        }
        return writer.bytes
    }
}
