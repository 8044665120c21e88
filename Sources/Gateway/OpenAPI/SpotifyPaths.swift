/// `/spotify/v1/` as the document describes it.
enum SpotifyPaths {
    static let described = DescribedFamily(
        prefix: "/spotify/v1/", tag: "spotify",
        about: """
            The Web API's own paths, parameters and bodies, answered from what is known here. Batches and top tracks work in development \
            mode, too. An id may also be a URI (spotify:track:...) or a link to open.spotify.com. A slash at the end is ignored. The query \
            of a search may be called query, as in links, and a market country. On a host name of its own the same is at /v1/. What needs \
            a user (/me and every change) is 401, what development mode closed (/browse, /users, /markets and the like) 403.
            """,
        paths: [
            one("tracks", "track", "Track", example: "11dFghVXANMlKmJXsNCbNl", hasMarket: true),
            one("albums", "album", "Album", example: "0tGPJ0bkWOUmH7MEOR77qc", hasMarket: true),
            one("artists", "artist", "Artist", example: "6sFIWsNpZYqfjUpaCgueju", hasMarket: false),
            DescribedPath(
                "playlists/{id}",
                get(
                    "playlist", "One playlist.", partly(.named("Playlist")),
                    [id("playlist", example: playlist), market, country, types, fields])),
            one("shows", "show", "Show", example: show, hasMarket: true),
            one("episodes", "episode", "Episode", example: episode, hasMarket: true),
            one("audiobooks", "audiobook", "Audiobook", example: audiobook, hasMarket: true),
            one("chapters", "chapter", "Chapter", example: chapter, hasMarket: true),
            several("tracks", "Track", most: 50, example: "11dFghVXANMlKmJXsNCbNl"),
            several("albums", "Album", most: 20, example: "0tGPJ0bkWOUmH7MEOR77qc"),
            several("artists", "Artist", most: 50, example: "6sFIWsNpZYqfjUpaCgueju"),
            several("shows", "Show", most: 50, example: show),
            several("episodes", "Episode", most: 50, example: episode),
            several("audiobooks", "Audiobook", most: 50, example: audiobook),
            several("chapters", "Chapter", most: 50, example: chapter),
            list(
                "albums/{id}/tracks", "albumTracks", "An album's tracks.", SpotifySchemas.page(of: "SimplifiedTrack"), kind: "album",
                example: "0tGPJ0bkWOUmH7MEOR77qc"),
            list(
                "shows/{id}/episodes", "showEpisodes", "A show's episodes.", SpotifySchemas.page(of: "SimplifiedEpisode", orNull: true),
                kind: "show", example: show),
            list(
                "audiobooks/{id}/chapters", "audiobookChapters", "An audiobook's chapters.",
                SpotifySchemas.page(of: "SimplifiedChapter", orNull: true), kind: "audiobook", example: audiobook),
            list(
                "artists/{id}/albums", "artistAlbums", "An artist's albums.", SpotifySchemas.page(of: "SimplifiedAlbum"),
                kind: "artist", example: "6sFIWsNpZYqfjUpaCgueju", more: [groups]),
            DescribedPath(
                "artists/{id}/top-tracks",
                get(
                    "artistTopTracks", "An artist's best known tracks; in development mode what a search finds.",
                    .object(["tracks": .list(of: .named("Track"), most: 10)]),
                    [id("artist", example: "6sFIWsNpZYqfjUpaCgueju"), market, country])),
            list(
                "playlists/{id}/items", "playlistItems", "A playlist's items, as development mode has them.",
                partly(SpotifySchemas.page(of: "PlaylistItem", orNull: true)), kind: "playlist", example: playlist, most: 100, usual: 100,
                more: [types, fields]),
            list(
                "playlists/{id}/tracks", "playlistTracks", "A playlist's items, as extended mode has them.",
                partly(SpotifySchemas.page(of: "PlaylistItem", orNull: true)), kind: "playlist", example: playlist, most: 100, usual: 100,
                more: [types, fields]),
            DescribedPath(
                "playlists/{id}/images",
                get(
                    "playlistImages", "A playlist's pictures.", .list(of: .named("Image")), [id("playlist", example: playlist)])),
            DescribedPath("search", get("search", "Search. The asked kinds, a paging object each.", found, searching)),
        ],
        schemas: SpotifySchemas.all)

    private static let playlist = "5v5ETK9WFXAnGQ3MRubKuE"
    private static let show = "38bS44xjbVVZ3No3ByF1dJ"
    private static let episode = "512ojhOuo1ktJprKbVcKyQ"
    private static let audiobook = "7iHfbu1YPACw6oZPAFJtqe"
    private static let chapter = "0D5wENdkdwbqlrHoaJ9g29"

    private static func get(_ id: String, _ summary: String, _ schema: Schema, _ parameters: [DescribedParameter]) -> DescribedOperation {
        DescribedOperation(
            method: .get, id: id, summary: summary, access: SpotifyRoutes.access, parameters: parameters + MetadataAnswers.headers,
            answers: MetadataAnswers.all(schema, error: .named("SpotifyError"), waiting: MetadataAnswers.mirror))
    }

    private static func one(_ plural: String, _ kind: String, _ schema: String, example: String, hasMarket: Bool) -> DescribedPath {
        DescribedPath(
            "\(plural)/{id}",
            get(kind, "One \(kind).", .named(schema), [id(kind, example: example)] + (hasMarket ? [market, country] : [])))
    }

    private static func several(_ plural: String, _ schema: String, most: Int, example: String) -> DescribedPath {
        let ids = DescribedParameter.query(
            "ids", "Ids, by comma.", .list(of: SpotifySchemas.id, least: 1, most: most), isRequired: true, isList: true,
            example: [.string(example)])
        let schema = Schema.object(members: [(plural, .list(of: .named(schema).orNull, most: most))])
        return DescribedPath(
            plural,
            get(plural, "Several \(plural), in the asked order; null for one that Spotify does not know.", schema, [ids, market, country]))
    }

    private static func list(
        _ template: String, _ name: String, _ summary: String, _ schema: Schema, kind: String, example: String, most: Int = 50,
        usual: Int = 20, more: [DescribedParameter] = []
    ) -> DescribedPath {
        DescribedPath(
            template,
            get(name, summary, schema, [id(kind, example: example)] + paging(most: most, usual: usual) + [market, country] + more))
    }

    /// What it is, or with `fields` whatever that leaves of it.
    private static func partly(_ whole: Schema) -> Schema { .either(whole, .anyObject) }

    private static func id(_ kind: String, example: String) -> DescribedParameter {
        .path("id", "The \(kind)'s id, URI or link.", .text(pattern: "^(spotify:\(kind):)?[0-9A-Za-z]{22}$"), example: .string(example))
    }

    private static func paging(most: Int, usual: Int) -> [DescribedParameter] {
        [
            .query("limit", "How many, \(usual) when left out.", .integer(1, most)),
            .query("offset", "The place of the first, from 0.", .integer(0, 100_000)),
        ]
    }

    private static let market = DescribedParameter.query(
        "market", "ISO 3166-1 alpha-2 in capitals; SPOTIFY_MARKET when left out.", .text(pattern: "^([A-Z]{2}|from_token)$"), example: "SE")
    private static let country = DescribedParameter.query(
        "country", "The older name of market, which wins.", .text(pattern: "^([A-Z]{2}|from_token)$"))
    private static let types = DescribedParameter.query(
        "additional_types", "With episode in it, episodes come as what they are; else as tracks.", .text, example: "track,episode")
    private static let fields = DescribedParameter.query(
        "fields", "Which members are wanted: names by comma, a dot or parentheses lead into one, ! leaves out.", .text,
        example: "name,tracks.items(track(name,album(!images)))")
    private static let groups = DescribedParameter.query(
        "include_groups", "Which albums; all when left out.",
        .list(of: .oneOf(["album", "single", "compilation", "appears_on"]), least: 1, most: 4), isList: true)

    private static let searching: [DescribedParameter] = [
        .query("q", "What is searched for.", .text(pattern: "\\S", least: 1, most: 300), isRequired: true, example: "Carly Rae Jepsen"),
        .query(
            "type", "Which kinds.",
            .list(of: .oneOf(["album", "artist", "playlist", "track", "show", "episode", "audiobook"]), least: 1, most: 7),
            isRequired: true,
            isList: true, example: ["track", "artist"]),
        .query("limit", "How many of each kind, 20 when left out; 0 for the totals alone.", .integer(0, 50)),
        .query("offset", "The place of the first, from 0; there are a thousand.", .integer(0, 1000)), market, country,
    ]

    private static let found = Schema.object(
        [:],
        optional: [
            "tracks": SpotifySchemas.page(of: "Track"), "albums": SpotifySchemas.page(of: "SimplifiedAlbum"),
            "artists": SpotifySchemas.page(of: "Artist"), "playlists": SpotifySchemas.page(of: "SimplifiedPlaylist", orNull: true),
            "shows": SpotifySchemas.page(of: "SimplifiedShow", orNull: true),
            "episodes": SpotifySchemas.page(of: "SimplifiedEpisode", orNull: true),
            "audiobooks": SpotifySchemas.page(of: "SimplifiedAudiobook", orNull: true),
        ])
}

/// Spotify's objects as the Web API's reference has them. What development mode took away is not required; what Spotify adds is allowed.
enum SpotifySchemas {
    static let id = Schema.text(pattern: "^[0-9A-Za-z]{22}$")

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

/// What every metadata route may answer, in its family's shape of errors.
enum MetadataAnswers {
    /// - Parameters:
    ///   - schema: of the answer itself.
    ///   - waiting: what is said of what is not here yet.
    static func all(
        _ schema: Schema, error: Schema, takesBody: Bool = false, waiting: [(status: Int, words: String)] = plain
    ) -> [DescribedAnswer] {
        [
            .json(200, "What was asked for.", schema, headers: [.cacheStatus]),
            .json(
                202, "With Prefer: respond-async: not known yet, and queued.", queued,
                headers: [.retryAfter, .preferenceApplied, .cacheStatus]),
            DescribedAnswer(304, "The caller has it already (If-None-Match).", headers: [.entityTag, .cacheStatus]),
            .json(400, "A malformed id, parameter or body; or Spotify's own 400.", error),
            .json(401, "A session is needed and there is none, or its token is no good.", error, headers: [.authenticate]),
            .json(403, "Spotify does not give this to this account; or a page of another site used the user's cookie.", error),
            .json(404, "Spotify does not know it.", error),
        ] + (takesBody ? [.json(413, "A body over 64 KiB.", error)] : [])
            + waiting.map { status, words in
                .json(status, words, error, headers: status == 429 ? [.retryAfter, .rateLimitReset] : [.retryAfter])
            }
    }

    static let plain = [
        (status: 503, words: "Not known, and not to be had within the caller's patience; or the session cannot be checked.")
    ]

    static let mirror = [
        (
            status: 429,
            words: """
            Not known yet, and a matter of waiting: for a turn, the queue, a share of it, a cooldown, the hour. It is gone on with; \
            Retry-After is when it should be here, a minute at most where that is long.
            """
        ),
        (status: 502, words: "Spotify failed, or cannot be reached."),
        (
            status: 503,
            words: "No credentials or refused ones, a limiter or database that cannot be used; or the session cannot be checked."
        ),
        (status: 504, words: "Spotify did not answer in time."),
    ]

    /// What every one of them may be asked with.
    static let headers: [DescribedParameter] = [
        .header(
            "Prefer",
            "RFC 7240: `wait=5` waits at most 5 s for a lookup, `respond-async` not at all; what is no preference is ignored.", .text),
        .header("If-None-Match", "The ETag of what the caller has already (RFC 9110, 13.1.2).", .text),
    ]

    private static let queued = Schema.object(["status": .constant("queued")])
}
