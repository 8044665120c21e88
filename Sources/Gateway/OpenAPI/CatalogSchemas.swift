/// The web client's objects.
enum ItemSchemas {
    static let all: KeyValuePairs<String, Schema> = [
        "Error": .object(["error": .text]),
        "CatalogItem": item(),
        "NumberedItem": item(["track_number": .integer().orNull, "disc_number": .integer().orNull]),
        "CatalogAlbum": item(["tracks": .list(of: .named("NumberedItem"))], optional: pending),
        "CatalogPlaylist": item(
            [
                "tracks": .list(of: .named("NumberedItem")), "owner": .text.orNull, "description": .text.orNull,
                "tracks_total": .integer(0),
                "public": .boolean, "collaborative": .boolean,
            ], optional: pending),
        "CatalogArtist": .object(
            [
                "spotify_id": SpotifySchemas.id, "name": .text.orNull, "image_url": .text.orNull, "followers": .integer(0).orNull,
                "popularity": .integer(0, 100).orNull, "genres": .list(of: .text), "top_tracks": items(most: 15), "albums": items(),
                "discography_sections": .named("Sections"), "related_artists": items(), "this_is_artist": items(), "artist_radio": items(),
            ], optional: pending),
        "Sections": .object(["albums": items(), "singles": items(), "compilations": items(), "other": items()]),
        "Target": .object([
            "route": .oneOf(
                ["global-album", "global-artist", "global-playlist", "spotify-track"]), "params": .object(["id": SpotifySchemas.id]),
        ]),
        "Navigation": .object(
            [
                "item_type": kind, "spotify_id": SpotifySchemas.id, "spotify_url": .text(pattern: "^https://open\\.spotify\\.com/"),
                "target": .named("Target"),
            ], optional: ["artist_target": .named("Target"), "album_target": .named("Target")]),
        "Preferences": preferences,
    ]

    /// What the search of the extended version adds to an item.
    static let extended = item(["id": SpotifySchemas.id, "type": kind, "source": .constant("global")])

    static func items(most: Int? = nil) -> Schema { .list(of: .named("CatalogItem"), most: most) }
    /// Names of what is still being looked up; not there in a whole answer.
    static let pending: KeyValuePairs<String, Schema> = ["pending": .list(of: .text, least: 1)]

    private static let kind = Schema.oneOf(["track", "album", "artist", "playlist"])

    private static func item(_ more: KeyValuePairs<String, Schema> = [:], optional: KeyValuePairs<String, Schema> = [:]) -> Schema {
        let common: KeyValuePairs<String, Schema> = [
            "spotify_id": SpotifySchemas.id, "item_type": kind, "title": .text.orNull, "artist": .text.orNull, "album": .text.orNull,
            "duration_ms": .integer(
                0
            ).orNull, "popularity": .integer(0, 100).orNull, "preview_url": .text.orNull, "image_url": .text.orNull,
            "release_date": .text.orNull, "explicit": .boolean, "data": .anyObject, "navigation": .named("Navigation"),
        ]
        return .object(members: Array(common) + Array(more), optional: Array(optional))
    }

    private static let preferences = Schema.object([
        "user_id": .integer(0), "max_search_results": .integer(1, 100), "max_top_tracks": .integer(1, 50),
        "max_albums_per_artist": .integer(1, 100), "max_trending_results": .integer(1, 100), "max_recommendations": .integer(1, 100),
        "show_explicit": .boolean, "preferred_markets": .list(of: .text(pattern: "^[A-Z]{2}$")),
    ])

    // What the routes answer.

    private static let kinds: KeyValuePairs<String, Schema> = [
        "tracks": .integer(0), "albums": .integer(0), "artists": .integer(0), "playlists": .integer(0),
    ]
    static let found = Schema.object([
        "tracks": items(), "albums": items(), "artists": items(), "playlists": items(),
        "total": .integer(0), "query": .text, "type": .oneOf(["all", "tracks", "albums", "artists", "playlists"]),
        "offset": .integer(0, 950), "limit": .integer(1, 50),
        "has_more": .either(.boolean, .object(["tracks": .boolean, "albums": .boolean, "artists": .boolean, "playlists": .boolean])),
        "totals": .object(kinds), "item_total": .integer(0).orNull,
    ])

    static let trending = Schema.object(
        ["type": .oneOf(["tracks", "albums", "artists"]), "query": .text, "total": .integer(0)],
        optional: [
            "tracks": items(), "albums": items(), "artists": items(), "pending": .list(of: .text),
        ])

    static let recommended = Schema.object(
        [
            "tracks": items(most: 100), "total": .integer(0, 100),
            "seeds": .object(["artists": .list(of: SpotifySchemas.id), "tracks": .list(of: SpotifySchemas.id), "genres": .list(of: .text)]),
        ], optional: pending)
    static let home = Schema.object(
        ["strategy": .oneOf(["recently_used", "new_this_year"]), "artists": items(most: 18), "total": .integer(0, 18)],
        optional: pending)
}
