import JSON
import Spotify

/// The tracks that an album lists in its first page, and what becomes of the records that are kept of them: the album's call renews those, too.
///
/// A list says less of a track than Spotify does when asked for it alone: no `external_ids`, and in extended mode no `popularity`. That
/// stays as the record has it, and so does whatever else a list never says.
struct ListedTracks {
    private let album: JSONNode
    private let market: Market?
    private let nodes: [SpotifyID: JSONNode]

    /// What a list may say of a track or of its album, or not say, as things stand. Absent there, it is absent in a fresh answer, too.
    private static let optional: Set = ["available_markets", "is_playable", "preview_url", "restrictions"]

    /// nil for anything but an album that lists tracks.
    init?(_ resource: Resource, _ root: JSONNode) {
        guard case .object(.album, let id, let market) = resource, root["id"]?.string == id.text else { return nil }
        // An album that stands in for another is of whatever market has it.
        guard !root.has("linked_from"), let page = Page(root["tracks"]) else { return nil }
        var nodes: [SpotifyID: JSONNode] = [:]
        for node in page.elements {
            guard let id = node["id"]?.string.flatMap({ SpotifyID($0) }), node["type"]?.string == "track", !node.has("linked_from"),
                node["is_local"]?.bool != true
            else { continue }
            nodes[id] = node
        }
        guard !nodes.isEmpty else { return nil }
        self.album = root
        self.market = market
        self.nodes = nodes
    }

    /// What is kept of them, if anything is.
    var resources: [Resource] { nodes.keys.map { .object(.track, $0, market: market) } }

    /// The search for some of them; nil where it is not worth while.
    func search(for tracks: [Resource]) -> AlbumSearch? { AlbumSearch(album, tracks: tracks) }

    /// A track's record as the list renews it.
    ///
    /// nil where it is to be asked for alone: the list does not have it under its own id, it has moved to another album or stands in for
    /// another track, or its name, length or artists are not what they were.
    /// - Parameter known: the record's body.
    func renewed(_ resource: Resource, _ known: JSONNode) -> [UInt8]? {
        guard case .object(.track, let id, market) = resource, let listed = nodes[id], known["id"]?.string == id.text,
            !known.has("linked_from"), let itsAlbum = known["album"], itsAlbum["id"]?.string == album["id"]?.string,
            let name = listed["name"]?.string, known["name"]?.string == name,
            let length = listed["duration_ms"]?.integer, known["duration_ms"]?.integer == length,
            !listed.artistIDs.isEmpty, known.artistIDs == listed.artistIDs
        else { return nil }
        var writer = JSONWriter(reserving: known.raw.count + 256)
        writer.object { writer in
            Self.write(known, renewedBy: listed, &writer) { name, writer in
                guard name == "album" else { return false }
                writer.key(name)
                // An album says more of itself than a track says of it.
                writer.object { writer in
                    Self.write(itsAlbum, renewedBy: album, &writer)
                    for (name, value) in album.members where Self.optional.contains(name) && !itsAlbum.has(name) {
                        writer.member(name, raw: value.raw)
                    }
                }
                return true
            }
            for (name, value) in listed.members where !known.has(name) { writer.member(name, raw: value.raw) }
        }
        return writer.bytes
    }

    /// The members of `known` in their order, each as `fresh` has it.
    /// - Parameter isWritten: writes a member in a way of its own, or answers false.
    private static func write(
        _ known: JSONNode, renewedBy fresh: JSONNode, _ writer: inout JSONWriter,
        unless isWritten: (String, inout JSONWriter) -> Bool = { _, _ in false }
    ) {
        let members = Dictionary(fresh.members.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
        for (name, value) in known.members where !isWritten(name, &writer) {
            if let new = members[name] {
                writer.member(name, raw: new.raw)
            } else if !optional.contains(name) {
                writer.member(name, raw: value.raw)
            }
        }
    }
}
