import JSON
import Spotify

/// `GET /{tracks,albums,artists,playlists,shows,episodes,audiobooks,chapters}/{id}`, `/playlists/{id}/images`: one record as it is.
public struct ObjectQuestion: Question {
    let resource: Resource

    public init(_ resource: Resource) { self.resource = resource }

    public var firstResource: Resource? { resource }

    /// Only some objects hold a page.
    public var mayLinkBack: Bool {
        switch resource {
        case .object(.track, _, _), .object(.artist, _, _), .object(.episode, _, _), .object(.chapter, _, _), .playlistImages: false
        default: true
        }
    }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        try reader.record(resource).map { reader.verbatim($0) }
    }
}

/// `GET /{tracks,albums,artists,shows,episodes,audiobooks,chapters}?ids=`: single records in the asked order. null means that Spotify
/// refused it, never "not here yet".
public struct BatchQuestion: Question {
    let kind: ObjectKind
    let ids: [SpotifyID]
    let market: Market?

    public init(kind: ObjectKind, ids: [SpotifyID], market: Market?) {
        self.kind = kind
        self.ids = ids
        self.market = market
    }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        var writer = JSONWriter(reserving: 3000 * ids.count)
        var isKnown = false
        var refusal: NegativeEntry?
        try writer.object { writer in
            writer.key(kind.plural)
            try writer.array { writer in
                for id in ids {
                    let resource = Resource.object(kind, id, market: kind == .artist ? nil : market)
                    do {
                        guard let record = try reader.record(resource) else { continue }
                        writer.raw(record.body(linkedTo: reader.linkBase))
                        isKnown = true
                    } catch let denial as NegativeEntry {
                        writer.null()
                        if denial.status != 404 { refusal = refusal ?? denial }
                    }
                }
            }
        }
        guard reader.missing.isEmpty else { return nil }
        // What is refused with another word than "not found" is none of a list's gaps, unless the others are there.
        if let refusal, !isKnown { throw refusal }
        return writer.bytes[...]
    }
}

/// The fields that development mode took away, put back with neutral values: typed clients refuse objects without them.
///
/// Sources: the Web API's migration guide of February 2026; which of them clients insist on, tekore's models.
enum RemovedFields {
    /// The same JSON with the fields, at every depth; the bytes as they are when they are no JSON.
    static func filled(_ body: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard let document = try? JSONDocument(body) else { return body }
        var writer = JSONWriter(reserving: body.count + body.count / 4)
        write(document.root, asItem: false, &writer)
        return writer.bytes[...]
    }

    private static func write(_ node: JSONNode, asItem: Bool, _ writer: inout JSONWriter) {
        switch node.kind {
        case .object:
            writer.object { writer in
                for (key, value) in node.members {
                    writer.key(key)
                    write(value, asItem: key == "track" || key == "item", &writer)
                }
                for (name, value) in missing(node, asItem: asItem) { writer.member(name, raw: Array(value.utf8)) }
            }
        case .array:
            writer.array { writer in for element in node.elements { write(element, asItem: false, &writer) } }
        default: writer.raw(node.raw)
        }
    }

    private static func missing(_ node: JSONNode, asItem: Bool) -> [(name: String, value: String)] {
        neutral(node, asItem: asItem).filter { !node.has($0.name) }
    }

    /// What an object of this form has in extended mode.
    private static func neutral(_ node: JSONNode, asItem: Bool) -> [(name: String, value: String)] {
        let markets = node.has("is_playable") ? [] : [("available_markets", "[]")]
        switch node["type"]?.string {
        case "track":
            let own = node.has("album") ? [("popularity", "0")] : []
            // A playlist says of its elements which they are.
            return markets + own + (asItem ? [("episode", "false"), ("track", "true")] : [])
        case "album":
            return markets + (node.has("tracks") ? [("popularity", "0"), ("label", #""""#)] : [])
        case "artist" where node.has("genres") || node.has("images"):
            return [("followers", followers), ("popularity", "0")]
        case "playlist":
            let isListed = (node["tracks"] ?? node["items"]).map { !$0.has("items") } ?? false
            return isListed ? [] : [("followers", followers)]
        default: return []
        }
    }

    private static let followers = #"{"href":null,"total":0}"#
}

/// A question whose answer has the removed fields (`SPOTIFY_FILL_REMOVED_FIELDS`).
public struct FilledQuestion<Asked: Question>: Question {
    let asked: Asked
    public var mayBePatchy: Bool { asked.mayBePatchy }
    public var mayLinkBack: Bool { asked.mayLinkBack }
    public var firstResource: Resource? { asked.firstResource }
    public init(_ asked: Asked) { self.asked = asked }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        let body = try asked.compose(&reader)
        reader.forgetVerbatim()
        return body.map { RemovedFields.filled($0) }
    }
}
