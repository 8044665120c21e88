import Spotify

/// The web client's form of a track, album, artist or playlist.
struct CatalogItem {
    let kind: ObjectKind
    let element: Element
    /// The album that a simplified track stands in, for what the track itself does not say.
    var album: Element?

    private var document: JSONDocument { element.document }
    private var node: JSONNode { element.node }

    /// nil for an element that is no such object, as a removed track of a playlist, a local file or an episode.
    init?(_ kind: ObjectKind, _ element: Element, album: Element? = nil) {
        guard element.document.string(element.node["id"]) != nil else { return nil }
        if let type = element.document.string(element.node["type"]), type != kind.rawValue { return nil }
        self.kind = kind
        self.element = element
        self.album = album
    }

    var id: String { document.string(node["id"]) ?? "" }

    /// - Parameter more: members that only some items have.
    func write(to writer: inout JSONWriter, more: (inout JSONWriter) -> Void = { _ in }) {
        writer.object { writer in
            writer.member("spotify_id", id)
            writer.member("item_type", kind.rawValue)
            writer.member("title", document.string(node["name"]))
            writer.member("artist", artistNames)
            writer.member("album", kind == .track ? albumString("name") : nil)
            writer.member("duration_ms", document.integer(node["duration_ms"]))
            writer.member("popularity", document.integer(node["popularity"]))
            writer.member("preview_url", document.string(node["preview_url"]))
            writer.member("image_url", imageURL)
            writer.member("release_date", kind == .track ? albumString("release_date") : document.string(node["release_date"]))
            writer.member("explicit", document.bool(node["explicit"]) ?? false)
            more(&writer)
            writer.member("data", raw: element.raw)
            writer.key("navigation")
            Navigation(item: self).write(to: &writer)
        }
    }

    /// For tracks inside an album or a playlist.
    func writeNumbered(to writer: inout JSONWriter) {
        write(to: &writer) { writer in
            writer.member("track_number", document.integer(node["track_number"]))
            writer.member("disc_number", document.integer(node["disc_number"]))
        }
    }

    private var artistNames: String? {
        guard let artists = node["artists"]?.elements, !artists.isEmpty else { return nil }
        return artists.compactMap { document.string($0["name"]) }.joined(separator: ", ")
    }

    private func albumString(_ member: String) -> String? {
        if let own = node["album"] { return document.string(own[member]) }
        return album.flatMap { $0.document.string($0.node[member]) }
    }

    private var imageURL: String? {
        if let own = node["images"] { return Self.widest(own, document) }
        if let own = node["album"] { return Self.widest(own["images"], document) }
        return album.flatMap { Self.widest($0.node["images"], $0.document) }
    }

    static func widest(_ images: JSONNode?, _ document: JSONDocument) -> String? {
        let widest = images?.elements.max { (document.integer($0["width"]) ?? 0) < (document.integer($1["width"]) ?? 0) }
        return document.string(widest?["url"])
    }

    var albumID: String? {
        node["album"].flatMap { document.string($0["id"]) } ?? album.flatMap { $0.document.string($0.node["id"]) }
    }

    var firstArtistID: String? { node["artists"]?.elements.first.flatMap { document.string($0["id"]) } }
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
