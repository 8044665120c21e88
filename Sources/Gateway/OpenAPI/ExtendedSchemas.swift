/// What the routes of the extended web client beside its catalog answer.
enum ExtendedSchemas {
    /// A catalog's item with what the search adds.
    static let item = ItemSchemas.extended

    private static let items = Schema.list(of: .named("ExtendedItem"))
    private static let found: KeyValuePairs<String, Schema> = ["tracks": items, "albums": items, "artists": items, "playlists": items]

    static let global = Schema.object(
        members: Array(found) + [
            ("query", .text), ("total", .integer(0)), ("source", .constant("global_catalog")),
            ("cache_info", .object(["from_cache": .boolean, "expires_at": .null])),
        ])

    static let local = Schema.object([
        "tracks": .list(
            of: .object([
                "id": .text, "trackhash": .text.orNull, "type": .constant("track"), "title": .text, "artist": .text, "album": .text,
                "albumhash": .text,
                "duration_ms": .integer(0), "source": .constant("local"),
            ])),
        "albums": .list(
            of: .object([
                "id": .text, "albumhash": .text, "type": .constant("album"), "title": .text, "artist": .text, "source": .constant("local"),
            ])),
        "artists": .list(of: .object(["id": .text, "type": .constant("artist"), "title": .text, "source": .constant("local")])),
    ])

    static let combined = Schema.object([
        "query": .text, "local": .named("LocalResults"), "global": .object(found), "total": .integer(0),
    ])

    static let suggestions = Schema.object([
        "suggestions": .list(
            of: .object([
                "id": SpotifySchemas.id, "type": kind, "title": .text.orNull, "artist": .text.orNull, "album": .text.orNull,
                "image_url": .text.orNull, "popularity": .integer(0, 100).orNull, "source": .constant("cache"),
            ]), most: 20)
    ])

    private static let kind = Schema.oneOf(["track", "album", "artist", "playlist"])

    private static let named: [(key: String, value: Schema)] = [
        ("item_type", kind), ("title", .text.orNull), ("artist", .text.orNull), ("album", .text.orNull),
        ("duration_ms", .integer(0).orNull),
        ("image_url", .text.orNull), ("release_date", .text.orNull), ("preview_url", .text.orNull),
    ]

    static let spotify = Schema.object([
        "success": .boolean,
        "metadata": .object(
            members: named + [
                ("spotify_id", SpotifySchemas.id), ("is_explicit", .boolean), ("track_number", .integer().orNull),
                ("total_tracks", .integer().orNull),
            ]),
    ])

    static let universal = Schema.object(
        members: named + [
            ("success", .boolean), ("service", .constant("spotify")), ("service_id", SpotifySchemas.id), ("explicit", .boolean),
            ("original_url", .text),
        ])

    static let validity = Schema.object(
        ["valid": .boolean],
        optional: ["service": .constant("spotify"), "item_type": kind, "id": SpotifySchemas.id, "metadata": .anyObject, "error": .text])
}
