import JSON
import Spotify

/// The web client's form of a track, album, artist or playlist.
struct CatalogItem {
    let kind: ObjectKind
    let node: JSONNode
    /// The album that a simplified track stands in, for what the track itself does not say.
    var album: JSONNode?

    /// nil for a node that is no such object, as a removed track of a playlist, a local file or an episode.
    init?(_ kind: ObjectKind, _ node: JSONNode, album: JSONNode? = nil) {
        guard node["id"]?.string != nil else { return nil }
        if let type = node["type"]?.string, type != kind.rawValue { return nil }
        self.kind = kind
        self.node = node
        self.album = album
    }

    var id: String { node["id"]?.string ?? "" }

    /// - Parameter more: members that only some items have.
    func write(to writer: inout JSONWriter, more: (inout JSONWriter) -> Void = { _ in }) {
        writer.object { writer in
            writer.member("spotify_id", id)
            writer.member("item_type", kind.rawValue)
            writer.member("title", title)
            writer.member("artist", artistNames)
            writer.member("album", albumTitle)
            writer.member("duration_ms", node["duration_ms"]?.integer)
            writer.member("popularity", node["popularity"]?.integer)
            writer.member("preview_url", node["preview_url"]?.string)
            writer.member("image_url", imageURL)
            writer.member("release_date", releaseDate)
            writer.member("explicit", node["explicit"]?.bool ?? false)
            more(&writer)
            writer.member("data", raw: node.raw)
            writer.key("navigation")
            Navigation(item: self).write(to: &writer)
        }
    }

    /// For tracks inside an album or a playlist.
    func writeNumbered(to writer: inout JSONWriter) {
        write(to: &writer) { writer in
            writer.member("track_number", node["track_number"]?.integer)
            writer.member("disc_number", node["disc_number"]?.integer)
        }
    }

    var title: String? { node["name"]?.string }
    /// Of a track alone.
    var albumTitle: String? { kind == .track ? albumString("name") : nil }
    var releaseDate: String? { kind == .track ? albumString("release_date") : node["release_date"]?.string }

    /// By comma; nil without any.
    var artistNames: String? {
        guard let artists = node["artists"]?.elements, !artists.isEmpty else { return nil }
        return artists.compactMap { $0["name"]?.string }.joined(separator: ", ")
    }

    private func albumString(_ member: String) -> String? {
        (node["album"] ?? album)?[member]?.string
    }

    var imageURL: String? {
        Self.widest(node["images"] ?? (node["album"] ?? album)?["images"])
    }

    static func widest(_ images: JSONNode?) -> String? {
        let usable = images?.elements.filter { $0["url"]?.string != nil } ?? []
        return usable.max { ($0["width"]?.integer ?? 0) < ($1["width"]?.integer ?? 0) }?["url"]?.string
    }

    var albumID: String? {
        node["album"]?["id"]?.string ?? album?["id"]?.string
    }

    var firstArtistID: String? { node["artists"]?.elements.first?["id"]?.string }
}

/// Where the web client goes when an item is clicked.
private struct Navigation {
    let item: CatalogItem

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("item_type", item.kind.rawValue)
            writer.member("spotify_id", item.id)
            writer.member("spotify_url", "https://open.spotify.com/\(item.kind.rawValue)/\(item.id)")
            target("target", main.route, main.id, &writer)
            guard item.kind == .track else { return }
            if let artist = item.firstArtistID { target("artist_target", "global-artist", artist, &writer) }
            if let album = item.albumID { target("album_target", "global-album", album, &writer) }
        }
    }

    private var main: (route: String, id: String) {
        guard item.kind == .track else { return ("global-\(item.kind.rawValue)", item.id) }
        if let album = item.albumID { return ("global-album", album) }
        if let artist = item.firstArtistID { return ("global-artist", artist) }
        return ("spotify-track", item.id)
    }

    private func target(_ name: String, _ route: String, _ id: String, _ writer: inout JSONWriter) {
        writer.key(name)
        writer.object { writer in
            writer.member("route", route)
            writer.key("params")
            writer.object { $0.member("id", id) }
        }
    }
}
