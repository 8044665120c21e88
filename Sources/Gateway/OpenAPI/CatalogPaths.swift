/// `/api/catalog/` as the document describes it.
enum CatalogPaths {
    static let described = DescribedFamily(
        prefix: "/api/catalog/", tag: "catalog",
        about: """
            The routes of swingmusic's extended web client, computed from the same records. An id may also be a URI or a link. Limits are \
            clamped to what a route allows. `pending` names parts that are still being looked up; such an answer has no ETag.
            """,
        paths: [
            one("track/{id}", "catalogTrack", "A track.", .named("CatalogItem"), kind: "track", example: "11dFghVXANMlKmJXsNCbNl"),
            one(
                "album/{id}", "catalogAlbum", "An album and its tracks.", .named("CatalogAlbum"), kind: "album",
                example: "0tGPJ0bkWOUmH7MEOR77qc"),
            one(
                "playlist/{id}", "catalogPlaylist", "A playlist and its first tracks.", .named("CatalogPlaylist"), kind: "playlist",
                example: "5v5ETK9WFXAnGQ3MRubKuE", [limit("1 to 300, 200 when left out")]),
            one("artist/{id}", "catalogArtist", "An artist's page.", .named("CatalogArtist"), kind: "artist", example: artist),
            one(
                "artist/{id}/top-tracks", "catalogTopTracks", "An artist's best known tracks.",
                .object(["tracks": ItemSchemas.items(most: 15), "total": .integer(0, 15)]), kind: "artist", example: artist,
                [limit("1 to 15, 15 when left out")]),
            one(
                "artist/{id}/albums", "catalogAlbums", "An artist's albums.",
                .object(["albums": ItemSchemas.items(most: 50), "sections": .named("Sections"), "total": .integer(0)]), kind: "artist",
                example: artist, [limit("1 to 50, 50 when left out")]),
            DescribedPath(
                "search",
                ask(
                    .post, "catalogSearch", "Search.", found,
                    body: .json(search, example: ["query": "Carly Rae Jepsen", "type": "all"]))),
            DescribedPath(
                "trending",
                ask(
                    .get, "catalogTrending", "What is asked for here, filled up with this year's releases.", trending,
                    [
                        .query("type", "What, tracks when left out.", .oneOf(["tracks", "albums", "artists"])),
                        limit("1 to 50, 20 when left out"),
                    ])),
            DescribedPath(
                "recommendations",
                ask(
                    .post, "catalogRecommendations", "Tracks like the seeds.", recommended,
                    body: .json(seeds, example: ["seed_artists": [.string(artist)]]))),
            DescribedPath("home/recommendations", ask(.get, "catalogHome", "Artists who are asked for here.", home)),
            preferences,
        ],
        schemas: ItemSchemas.all)

    private static let artist = "6sFIWsNpZYqfjUpaCgueju"

    private static func ask(
        _ method: DescribedOperation.Method, _ id: String, _ summary: String, _ schema: Schema, _ parameters: [DescribedParameter] = [],
        body: DescribedBody? = nil
    ) -> DescribedOperation {
        DescribedOperation(
            method: method, id: id, summary: summary, access: .metadata, parameters: parameters + MetadataAnswers.headers, body: body,
            answers: MetadataAnswers.all(schema, error: .named("Error"), takesBody: body != nil))
    }

    private static func one(
        _ template: String, _ name: String, _ summary: String, _ schema: Schema, kind: String, example: String,
        _ more: [DescribedParameter] = []
    ) -> DescribedPath {
        let id = DescribedParameter.path(
            "id", "The \(kind)'s id, URI or link.", .text(pattern: "^(spotify:\(kind):)?[0-9A-Za-z]{22}$"), example: .string(example))
        return DescribedPath(template, ask(.get, name, summary, schema, [id] + more))
    }

    private static func limit(_ range: String) -> DescribedParameter {
        .query("limit", "How many: \(range), clamped.", .either(.integer(), .constant("")))
    }

    /// A whole number, also as text.
    private static let count = Schema.either(.integer(), .text(pattern: "^[0-9]{1,9}$"), .null)

    private static let search = Schema.object(
        ["query": .text(pattern: "\\S", least: 1, most: 300)],
        optional: [
            "type": .oneOf(["all", "tracks", "albums", "artists", "playlists"]), "limit": count,
            "offset": .integer(0, 950).orNull,
        ], isOpen: true)

    private static let kinds: KeyValuePairs<String, Schema> = [
        "tracks": .integer(0), "albums": .integer(0), "artists": .integer(0), "playlists": .integer(0),
    ]
    private static let found = Schema.object([
        "tracks": ItemSchemas.items(), "albums": ItemSchemas.items(), "artists": ItemSchemas.items(), "playlists": ItemSchemas.items(),
        "total": .integer(0), "query": .text, "type": .oneOf(["all", "tracks", "albums", "artists", "playlists"]),
        "offset": .integer(0, 950), "limit": .integer(1, 50),
        "has_more": .either(.boolean, .object(["tracks": .boolean, "albums": .boolean, "artists": .boolean, "playlists": .boolean])),
        "totals": .object(kinds), "item_total": .integer(0).orNull,
    ])

    private static let trending = Schema.object(
        ["type": .oneOf(["tracks", "albums", "artists"]), "query": .text, "total": .integer(0)],
        optional: [
            "tracks": ItemSchemas.items(), "albums": ItemSchemas.items(), "artists": ItemSchemas.items(), "pending": .list(of: .text),
        ])

    private static func ids(_ kind: String) -> Schema { .list(of: .text(pattern: "^(spotify:\(kind):)?[0-9A-Za-z]{22}$"), most: 50).orNull }
    private static let seeds = Schema.object(
        [:],
        optional: [
            "seed_artists": ids("artist"), "seed_tracks": ids("track"),
            "seed_genres": .list(of: .text(pattern: "^[^\"]*$", most: 100), most: 50).orNull, "limit": count,
        ], isOpen: true)
    private static let recommended = Schema.object(
        [
            "tracks": ItemSchemas.items(most: 100), "total": .integer(0, 100),
            "seeds": .object(["artists": .list(of: SpotifySchemas.id), "tracks": .list(of: SpotifySchemas.id), "genres": .list(of: .text)]),
        ], optional: ItemSchemas.pending)
    private static let home = Schema.object(
        ["strategy": .oneOf(["recently_used", "new_this_year"]), "artists": ItemSchemas.items(most: 18), "total": .integer(0, 18)],
        optional: ItemSchemas.pending)

    private static let user = DescribedParameter.path("user_id", "The session's user; another's is 403.", .integer(0), example: 1)

    private static let preferences = DescribedPath(
        "preferences/{user_id}",
        DescribedOperation(
            method: .get, id: "preferences", summary: "What the user prefers.", access: PreferenceRoutes.access, parameters: [user],
            answers: [.json(200, "All of it, with the defaults for what was never set.", .named("Preferences"))] + refusals),
        DescribedOperation(
            method: .post, id: "changePreferences", summary: "Change some of it.",
            about: "What the body does not name stays. Numbers are clamped.", access: PreferenceRoutes.access, parameters: [user],
            body: .json(change, example: ["max_top_tracks": 10]),
            answers: [
                .json(200, "Changed.", .object(["message": .constant("Preferences updated successfully")])),
                .json(413, "A body over 64 KiB.", .named("Error")),
            ] + refusals))

    private static let change = Schema.object(
        [:],
        optional: [
            "max_search_results": count, "max_top_tracks": count, "max_albums_per_artist": count, "max_trending_results": count,
            "max_recommendations": count, "show_explicit": .boolean.orNull,
            "preferred_markets": .list(of: .text(pattern: "^[A-Za-z]{2}$"), most: 250).orNull,
        ], isOpen: true)

    private static let refusals: [DescribedAnswer] = [
        .json(400, "A malformed user id or body.", .named("Error")), .json(401, "No session.", .named("Error")),
        .json(403, "Another user's, or a page of another site used the user's cookie.", .named("Error")),
        .json(503, "The database or the sessions cannot be used.", .named("Error"), headers: [.retryAfter]),
    ]
}

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
}
