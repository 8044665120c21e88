/// `/spotify/v1/` as the document describes it.
enum MirrorFamily {
    static let described = DescribedFamily(
        prefix: "/spotify/v1/", tag: "spotify",
        about: """
            The Web API's own paths, parameters and bodies, answered from what is known here. Batches and top tracks work in development \
            mode, too. An id may also be a URI (spotify:track:...) or a link to open.spotify.com. A slash at the end is ignored.
            """,
        paths: [
            one("tracks", "track", "Track", example: "11dFghVXANMlKmJXsNCbNl", hasMarket: true),
            one("albums", "album", "Album", example: "0tGPJ0bkWOUmH7MEOR77qc", hasMarket: true),
            one("artists", "artist", "Artist", example: "6sFIWsNpZYqfjUpaCgueju", hasMarket: false),
            one("playlists", "playlist", "Playlist", example: playlist, hasMarket: true),
            several("tracks", "Track", most: 50, example: "11dFghVXANMlKmJXsNCbNl"),
            several("albums", "Album", most: 20, example: "0tGPJ0bkWOUmH7MEOR77qc"),
            several("artists", "Artist", most: 50, example: "6sFIWsNpZYqfjUpaCgueju"),
            list(
                "albums/{id}/tracks", "albumTracks", "An album's tracks.", SpotifySchemas.page(of: "SimplifiedTrack"), kind: "album",
                example: "0tGPJ0bkWOUmH7MEOR77qc"),
            list(
                "artists/{id}/albums", "artistAlbums", "An artist's albums.", SpotifySchemas.page(of: "SimplifiedAlbum"),
                kind: "artist", example: "6sFIWsNpZYqfjUpaCgueju", more: [groups]),
            DescribedPath(
                "artists/{id}/top-tracks",
                get(
                    "artistTopTracks", "An artist's best known tracks; in development mode what a search finds.",
                    .object(["tracks": .list(of: .named("Track"), most: 10)]), [id("artist", example: "6sFIWsNpZYqfjUpaCgueju"), market])),
            list(
                "playlists/{id}/items", "playlistItems", "A playlist's items, as development mode has them.",
                SpotifySchemas.page(of: "PlaylistItem"), kind: "playlist", example: playlist, most: 100, usual: 100),
            list(
                "playlists/{id}/tracks", "playlistTracks", "A playlist's items, as extended mode has them.",
                SpotifySchemas.page(of: "PlaylistItem"), kind: "playlist", example: playlist, most: 100, usual: 100),
            DescribedPath("search", get("search", "Search. The asked kinds, a paging object each.", found, searching)),
        ],
        schemas: SpotifySchemas.all)

    private static let playlist = "5v5ETK9WFXAnGQ3MRubKuE"

    private static func get(_ id: String, _ summary: String, _ schema: Schema, _ parameters: [DescribedParameter]) -> DescribedOperation {
        DescribedOperation(
            method: .get, id: id, summary: summary, access: .metadata, parameters: parameters + MetadataAnswers.headers,
            answers: MetadataAnswers.all(schema, error: .named("SpotifyError")))
    }

    private static func one(_ plural: String, _ kind: String, _ schema: String, example: String, hasMarket: Bool) -> DescribedPath {
        DescribedPath(
            "\(plural)/{id}", get(kind, "One \(kind).", .named(schema), [id(kind, example: example)] + (hasMarket ? [market] : [])))
    }

    private static func several(_ plural: String, _ schema: String, most: Int, example: String) -> DescribedPath {
        let ids = DescribedParameter.query(
            "ids", "Ids, by comma.", .list(of: SpotifySchemas.id, least: 1, most: most), isRequired: true, isList: true,
            example: [.text(example)])
        let schema = Schema.object(members: [(plural, .list(of: .named(schema).orNull, most: most))])
        return DescribedPath(
            plural,
            get(plural, "Several \(plural), in the asked order; null for one that Spotify does not know.", schema, [ids, market]))
    }

    private static func list(
        _ template: String, _ name: String, _ summary: String, _ schema: Schema, kind: String, example: String, most: Int = 50,
        usual: Int = 20, more: [DescribedParameter] = []
    ) -> DescribedPath {
        DescribedPath(
            template, get(name, summary, schema, [id(kind, example: example)] + paging(most: most, usual: usual) + [market] + more))
    }

    private static func id(_ kind: String, example: String) -> DescribedParameter {
        .path("id", "The \(kind)'s id, URI or link.", .text(pattern: "^(spotify:\(kind):)?[0-9A-Za-z]{22}$"), example: .text(example))
    }

    private static func paging(most: Int, usual: Int) -> [DescribedParameter] {
        [
            .query("limit", "How many, \(usual) when left out.", .integer(1, most)),
            .query("offset", "The place of the first, from 0.", .integer(0, 100_000)),
        ]
    }

    private static let market = DescribedParameter.query(
        "market", "ISO 3166-1 alpha-2 in capitals; SPOTIFY_MARKET when left out.", .text(pattern: "^([A-Z]{2}|from_token)$"), example: "SE")
    private static let groups = DescribedParameter.query(
        "include_groups", "Which albums; all when left out.",
        .list(of: .oneOf(["album", "single", "compilation", "appears_on"]), least: 1, most: 4), isList: true)

    private static let searching: [DescribedParameter] = [
        .query("q", "What is searched for.", .text(pattern: "\\S", least: 1, most: 300), isRequired: true, example: "Carly Rae Jepsen"),
        .query(
            "type", "Which kinds.", .list(of: .oneOf(["album", "artist", "playlist", "track"]), least: 1, most: 4), isRequired: true,
            isList: true, example: ["track", "artist"]),
        .query("limit", "How many of each kind, 20 when left out.", .integer(1, 50)),
        .query("offset", "The place of the first, from 0; not 0, it may reach 1000 only together with limit.", .integer(0, 1000)),
        market,
    ]

    private static let found = Schema.object(
        [:],
        optional: [
            "tracks": SpotifySchemas.page(of: "Track"), "albums": SpotifySchemas.page(of: "SimplifiedAlbum"),
            "artists": SpotifySchemas.page(of: "Artist"), "playlists": SpotifySchemas.page(of: "SimplifiedPlaylist", orNull: true),
        ])
}
