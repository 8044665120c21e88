import Spotify

/// Spotify's objects as the Web API's reference has them. What development mode took away is not required; what Spotify adds is allowed.
enum SpotifySchemas {
    static let id = Schema.text(pattern: "^[0-9A-Za-z]{22}$")

    /// An id, or a URI of that kind. Links do as well.
    static func naming(_ kind: ObjectKind) -> Schema { .text(pattern: "^(spotify:\(kind.rawValue):)?[0-9A-Za-z]{22}$") }

    static let all: KeyValuePairs<String, Schema> = [
        "SpotifyError": .object(["error": .object(["status": .integer(400, 599), "message": .text])]),
        "Image": .object(["url": .text], optional: ["width": .integer().orNull, "height": .integer().orNull], isOpen: true),
        "SimplifiedArtist": .object(["type": .constant("artist"), "name": .text, "id": id.orNull], optional: links, isOpen: true),
        "Artist": .object(["type": .constant("artist"), "name": .text, "id": id], optional: artist, isOpen: true),
        "SimplifiedAlbum": .object(["type": .constant("album"), "name": .text, "id": id.orNull], optional: album, isOpen: true),
        "Album": .object(
            ["type": .constant("album"), "name": .text, "id": id, "tracks": page(of: "SimplifiedTrack")], optional: album,
            isOpen: true),
        "SimplifiedTrack": .object(["type": .constant("track"), "name": .text, "id": id.orNull], optional: track, isOpen: true),
        "Track": .object(
            ["type": .constant("track"), "name": .text, "id": id.orNull, "album": .named("SimplifiedAlbum")], optional: track,
            isOpen: true),
        "SimplifiedShow": .object(["type": .constant("show"), "name": .text, "id": id], optional: spoken, isOpen: true),
        "Show": .object(
            ["type": .constant("show"), "name": .text, "id": id], optional: with("episodes", "SimplifiedEpisode"), isOpen: true),
        "SimplifiedEpisode": .object(["type": .constant("episode"), "name": .text, "id": id], optional: spoken, isOpen: true),
        "Episode": .object(["type": .constant("episode"), "name": .text, "id": id], optional: spoken, isOpen: true),
        "SimplifiedAudiobook": .object(["type": .constant("audiobook"), "name": .text, "id": id], optional: spoken, isOpen: true),
        "Audiobook": .object(
            ["type": .constant("audiobook"), "name": .text, "id": id], optional: with("chapters", "SimplifiedChapter"), isOpen: true),
        "SimplifiedChapter": .object(["type": chapterType, "name": .text, "id": id], optional: spoken, isOpen: true),
        "Chapter": .object(["type": chapterType, "name": .text, "id": id], optional: spoken, isOpen: true),
        "SimplifiedPlaylist": .object(["type": .constant("playlist"), "name": .text, "id": id], optional: playlist, isOpen: true),
        "Playlist": .object(["type": .constant("playlist"), "name": .text, "id": id], optional: playlistWithItems, isOpen: true),
        "PlaylistItem": .object(
            [:], optional: ["added_at": .text.orNull, "is_local": .boolean, "track": playable, "item": playable], isOpen: true),
    ]

    /// What a search answers: of each kind that was asked for, a paging object.
    static let found = Schema.object(
        [:],
        optional: [
            "tracks": page(of: "Track"), "albums": page(of: "SimplifiedAlbum"),
            "artists": page(of: "Artist"), "playlists": page(of: "SimplifiedPlaylist", orNull: true),
            "shows": page(of: "SimplifiedShow", orNull: true),
            "episodes": page(of: "SimplifiedEpisode", orNull: true),
            "audiobooks": page(of: "SimplifiedAudiobook", orNull: true),
        ])

    /// A paging object.
    static func page(of element: String, orNull: Bool = false) -> Schema {
        .object(
            [
                "href": .text,
                "items": .list(
                    of: orNull ? .named(element).orNull : .named(element)), "limit": .integer(0), "next": .text.orNull,
                "offset": .integer(0), "previous": .text.orNull, "total": .integer(0),
            ], isOpen: true)
    }

    private static let links: KeyValuePairs<String, Schema> = ["uri": .text.orNull, "href": .text.orNull, "external_urls": .map(of: .text)]
    private static let images = Schema.list(of: .named("Image")).orNull
    /// A track, an episode, or null for what was removed.
    private static let playable = Schema.anyObject.orNull

    private static let artist: KeyValuePairs<String, Schema> = [
        "uri": .text, "href": .text, "external_urls": .map(of: .text), "genres": .list(of: .text), "images": images,
        "popularity": .integer(0, 100), "followers": .object(["total": .integer(0)], isOpen: true),
    ]

    private static let album: KeyValuePairs<String, Schema> = [
        "uri": .text.orNull, "href": .text.orNull, "external_urls": .map(of: .text), "album_type": .text.orNull,
        "artists": .list(of: .named("SimplifiedArtist")), "images": images, "release_date": .text.orNull,
        "release_date_precision": .text.orNull, "total_tracks": .integer(0), "external_ids": .map(of: .text), "genres": .list(of: .text),
        "label": .text, "popularity": .integer(0, 100), "available_markets": .list(of: .text),
    ]

    private static let track: KeyValuePairs<String, Schema> = [
        "uri": .text, "href": .text.orNull, "external_urls": .map(of: .text), "artists": .list(of: .named("SimplifiedArtist")),
        "duration_ms": .integer(0), "explicit": .boolean, "disc_number": .integer(0), "track_number": .integer(0), "is_local": .boolean,
        "external_ids": .map(of: .text), "preview_url": .text.orNull, "popularity": .integer(0, 100), "available_markets": .list(of: .text),
    ]

    /// What shows, episodes, audiobooks and chapters have in common.
    private static let spoken: KeyValuePairs<String, Schema> = [
        "uri": .text, "href": .text, "external_urls": .map(of: .text), "description": .text, "html_description": .text,
        "explicit": .boolean, "images": images, "languages": .list(of: .text), "available_markets": .list(of: .text),
    ]

    /// Chapters call themselves episodes.
    private static let chapterType = Schema.oneOf(["chapter", "episode"])

    private static func with(_ parts: String, _ element: String) -> KeyValuePairs<String, Schema> {
        [
            "uri": .text, "href": .text, "external_urls": .map(of: .text), "description": .text, "images": images,
            parts: page(of: element, orNull: true),
        ]
    }

    private static let playlist: KeyValuePairs<String, Schema> = [
        "uri": .text, "href": .text, "external_urls": .map(of: .text), "description": .text.orNull, "public": .boolean.orNull,
        "collaborative": .boolean, "snapshot_id": .text, "owner": .anyObject, "images": images,
    ]

    private static let playlistWithItems: KeyValuePairs<String, Schema> = [
        "uri": .text, "href": .text, "external_urls": .map(of: .text), "description": .text.orNull, "public": .boolean.orNull,
        "collaborative": .boolean, "snapshot_id": .text, "owner": .anyObject, "images": images, "items": page(of: "PlaylistItem"),
        "tracks": page(of: "PlaylistItem"),
    ]
}
