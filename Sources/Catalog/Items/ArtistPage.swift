import JSON
import Spotify

/// The albums of an artist as the web client groups them.
struct Discography {
    static let groups = AlbumGroups("album,single,compilation") ?? .all
    private static let sections = ["albums", "singles", "compilations", "other"]

    let albums: [CatalogItem]
    let total: Int

    /// nil when they are not here.
    init?(of id: SpotifyID, atMost most: Int, _ reader: inout RecordReader) throws {
        let list = ArtistAlbums.list(of: id, Self.groups, nil)
        guard let stretch = try list.stretch(Window(offset: 0, limit: most), &reader) else { return nil }
        albums = stretch.elements.compactMap { CatalogItem(.album, $0) }
        total = stretch.total
    }

    fileprivate static func writeSections(_ discography: Discography?, to writer: inout JSONWriter) {
        writer.object { writer in
            for section in sections {
                writer.key(section)
                writer.array { writer in
                    for album in discography?.albums ?? [] where Self.section(of: album) == section { album.write(to: &writer) }
                }
            }
        }
    }

    private static func section(of album: CatalogItem) -> String {
        switch album.node["album_type"]?.string {
        case "album": "albums"
        case "single", "ep": "singles"
        case "compilation": "compilations"
        default: "other"
        }
    }
}

/// `GET /api/catalog/artist/{id}`.
public struct ArtistPageQuestion: Question {
    let id: SpotifyID
    public let mayBePatchy = true
    public init(id: SpotifyID) { self.id = id }

    private static let mostTopTracks = 15

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        guard let artist = try reader.document(.object(.artist, id, market: nil)) else { return nil }
        let top = try part { try TopTracks.read(of: id, atMost: Self.mostTopTracks, nil, &reader) }
        let discography = try part { try Discography(of: id, atMost: PageSize.list, &reader) }
        let root = artist.root
        var writer = JSONWriter(reserving: 131_072)
        writer.object { writer in
            writer.member("spotify_id", id.text)
            writer.member("name", root["name"]?.string)
            writer.member("image_url", CatalogItem.widest(root["images"]))
            writer.member("followers", root["followers"]?["total"]?.integer)
            writer.member("popularity", root["popularity"]?.integer)
            writer.key("genres")
            writer.array { writer in for genre in root["genres"]?.elements ?? [] where genre.kind == .string { writer.raw(genre.raw) } }
            writer.key("top_tracks")
            writer.array { writer in for track in top.content ?? [] { CatalogItem(.track, track)?.write(to: &writer) } }
            writer.key("albums")
            writer.array { writer in for album in discography.content?.albums ?? [] { album.write(to: &writer) } }
            writer.key("discography_sections")
            Discography.writeSections(discography.content, to: &writer)
            for empty in ["related_artists", "this_is_artist", "artist_radio"] {
                writer.key(empty)
                writer.array { _ in }
            }
            writePending((top.isPending ? ["top_tracks"] : []) + (discography.isPending ? ["albums"] : []), &writer)
        }
        return writer.bytes[...]
    }

    /// One part of the page. What Spotify refuses is left empty for good: the artist is known.
    private func part<Content>(_ read: () throws -> Content?) throws -> (content: Content?, isPending: Bool) {
        do {
            let content = try read()
            return (content, content == nil)
        } catch is NegativeEntry {
            return (nil, false)
        }
    }
}

/// `GET /api/catalog/artist/{id}/top-tracks?limit=`.
public struct ArtistTopTracksQuestion: Question {
    let id: SpotifyID
    let limit: Int

    public init(id: SpotifyID, limit: Int) {
        self.id = id
        self.limit = limit
    }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        guard let tracks = try TopTracks.read(of: id, atMost: limit, nil, &reader) else { return nil }
        let items = tracks.compactMap { CatalogItem(.track, $0) }
        var writer = JSONWriter(reserving: 65_536)
        writer.object { writer in
            writer.key("tracks")
            writer.array { writer in for item in items { item.write(to: &writer) } }
            writer.member("total", items.count)
        }
        return writer.bytes[...]
    }
}

/// `GET /api/catalog/artist/{id}/albums?limit=`.
public struct ArtistDiscographyQuestion: Question {
    public var isOfRecords: Bool { true }
    let id: SpotifyID
    let limit: Int

    public init(id: SpotifyID, limit: Int) {
        self.id = id
        self.limit = limit
    }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        guard let discography = try Discography(of: id, atMost: limit, &reader) else { return nil }
        var writer = JSONWriter(reserving: 65_536)
        writer.object { writer in
            writer.key("albums")
            writer.array { writer in for album in discography.albums { album.write(to: &writer) } }
            writer.key("sections")
            Discography.writeSections(discography, to: &writer)
            writer.member("total", discography.total)
        }
        return writer.bytes[...]
    }
}
