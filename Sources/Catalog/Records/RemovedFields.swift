import JSON

/// The fields that development mode took away, put back with neutral values: typed clients refuse objects without them.
///
/// They are put in before an object's closing brace, and nothing else of the text is touched; what extended mode answers lacks none of
/// them, and stays as it is. Sources: the Web API's migration guide of February 2026; which of them clients insist on, the models of
/// tekore, asyncspotify and spotifyaio. docs/fields.md lists the values.
enum RemovedFields {
    /// The record with the fields, at every depth; the same record where none is missing or its body is no JSON.
    static func filled(_ record: Record, of resource: Resource?) -> Record {
        guard let document = try? JSONDocument(record.body) else { return record }
        var missing = Missing(list: AlbumList(resource))
        missing.look(at: document.root)
        guard !missing.places.isEmpty else { return record }
        return Record(
            body: missing.put(into: document.bytes), linkPlaces: missing.shift(record.linkPlaces), refusedWith: record.refusedWith,
            isExtended: record.isExtended)
    }
}

/// What a text lacks, and where it belongs.
private struct Missing {
    /// Ascending: offsets of closing braces, and the members that go before them, each with its comma.
    private(set) var places: [(offset: Int, members: [UInt8])] = []
    let list: AlbumList?

    init(list: AlbumList?) { self.list = list }

    /// - Parameter isItem: it is a playlist's element's track or episode.
    mutating func look(at node: JSONNode, isItem: Bool = false) {
        switch node.kind {
        case .object:
            for (key, value) in node.members { look(at: value, isItem: key == "track" || key == "item") }
            let members = Neutral.members(of: node, isItem: isItem, list).filter { !node.has($0.name) }
            guard !members.isEmpty else { return }
            places.append((node.range.upperBound - 1, members.flatMap { Array(",\"\($0.name)\":\($0.value)".utf8) }))
        case .array: for element in node.elements { look(at: element) }
        default: return
        }
    }

    func put(into bytes: [UInt8]) -> [UInt8] {
        var filled: [UInt8] = []
        filled.reserveCapacity(places.reduce(bytes.count) { $0 + $1.members.count })
        var start = 0
        for (offset, members) in places {
            filled += bytes[start..<offset]
            filled += members
            start = offset
        }
        return filled + bytes[start...]
    }

    /// Offsets into the text as offsets into the filled one; ascending both.
    func shift(_ offsets: [UInt32]) -> [UInt32] {
        var (next, added) = (0, 0)
        return offsets.map { offset in
            while next < places.count, places[next].offset < Int(offset) {
                added += places[next].members.count
                next += 1
            }
            return offset + UInt32(added)
        }
    }
}

/// What an object of a form has in extended mode and may lack in development mode. Every object that gets something has a member already.
private enum Neutral {
    typealias Member = (name: String, value: String)

    static func members(of node: JSONNode, isItem: Bool, _ list: AlbumList?) -> [Member] {
        switch node["type"]?.string {
        case "track": track(node, isItem)
        case "album": album(node, list)
        case "artist" where node.has("genres") || node.has("images"):
            [("followers", followers), ("genres", "[]"), ("images", "[]"), ("popularity", "0")]
        case "playlist": playlist(node)
        case "episode": isItem ? [("audio_preview_url", "null"), ("episode", "true"), ("track", "false")] : [("audio_preview_url", "null")]
        case "show", "audiobook": [("available_markets", "[]"), ("copyrights", "[]"), ("publisher", "\"\"")]
        case "chapter": markets(node) + [("audio_preview_url", "null")]
        case nil where node.has("added_at") && (node.has("track") || node.has("item")):
            [("is_local", "false"), ("primary_color", "null"), ("video_thumbnail", #"{"url":null}"#)]
        default: []
        }
    }

    /// Where a market was named, `is_playable` stands in their place, in either mode.
    private static func markets(_ node: JSONNode) -> [Member] { node.has("is_playable") ? [] : [("available_markets", "[]")] }

    private static func track(_ node: JSONNode, _ isItem: Bool) -> [Member] {
        markets(node) + [("preview_url", "null")] + (node.has("album") ? [("external_ids", "{}"), ("popularity", "0")] : [])
            // A playlist says of its elements which they are.
            + (isItem ? [("episode", "false"), ("track", "true")] : [])
    }

    private static func album(_ node: JSONNode, _ list: AlbumList?) -> [Member] {
        guard node.has("tracks") else { return markets(node) + (list?.group(of: node).map { [("album_group", $0)] } ?? []) }
        return markets(node) + [
            ("copyrights", "[]"), ("external_ids", "{}"), ("genres", "[]"), ("label", "\"\""), ("popularity", "0"),
        ]
    }

    /// A playlist as a search lists it says only how many items it has, and has no followers in either mode.
    private static func playlist(_ node: JSONNode) -> [Member] {
        let isListed = (node["tracks"] ?? node["items"]).map { !$0.has("items") } ?? false
        return (isListed ? [] : [("followers", followers)]) + [("primary_color", "null")]
    }

    private static let followers = #"{"href":null,"total":0}"#
}

/// The list of an artist's albums, whose elements say in which of its groups they stand: that can be told without Spotify.
private struct AlbumList {
    private let artist: String
    private let groups: [String]

    /// nil for any other resource.
    init?(_ resource: Resource?) {
        guard case .artistAlbums(let id, let groups, _, _)? = resource else { return nil }
        artist = id.text
        self.groups = groups.names
    }

    /// As a JSON string: the one group that was asked for; else the album's own type where it is by this artist, and not by another.
    func group(of album: JSONNode) -> String? {
        if groups.count == 1 { return "\"\(groups[0])\"" }
        guard album.artistIDs.contains(artist) else { return #""appears_on""# }
        guard let type = album["album_type"]?.string, AlbumGroups.known.contains(type) else { return nil }
        return "\"\(type)\""
    }
}
