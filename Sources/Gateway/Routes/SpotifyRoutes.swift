import Catalog
import FastCGI
import Spotify

/// `/spotify/v1/...`: the Web API's own paths, parameters and messages, answered from what is known here. On a host name of its own the
/// same at `/v1/...`.
struct SpotifyRoutes: RouteFamily {
    let responder: MetadataResponder
    /// `SPOTIFY_FILL_REMOVED_FIELDS`.
    let fillsRemovedFields: Bool
    /// A client key's token is one that it wants.
    var takesClientKeys = true

    let prefix = "/spotify/v1/"
    static let barePrefix = "/v1/"
    var otherPrefix: String? { Self.barePrefix }
    let tag = "spotify"
    let label = Counter.Family.spotify
    let about = """
        The Web API's own paths, parameters and bodies, answered from what is known here. Batches and top tracks work in development \
        mode, too. An id may also be a URI (spotify:track:...) or a link to open.spotify.com. A slash at the end is ignored. The query \
        of a search may be called query, as in links, and a market country. On a host name of its own the same is at /v1/. With sessions a \
        token that /spotify/api/token gives for a client key is as good as a user's. What needs \
        a user (/me and every change) is 401, what development mode closed (/browse, /users, /markets and the like) 403.
        """
    let errorFormat = ErrorFormat.spotify
    let pathForm = PathTree.Form.links
    let notFound = "Service not found"
    var schemas: KeyValuePairs<String, Schema> { SpotifySchemas.all }

    var routes: [Route] {
        [
            one(.track, "Track", example: "11dFghVXANMlKmJXsNCbNl"),
            one(.album, "Album", example: Self.album),
            get(
                "artists/{id}", "artist", "One artist.", .named("Artist"), of: .artist, example: Self.artist
            ) { id, _, _ throws(BadRequest) in ObjectQuestion(.object(.artist, id, market: nil)) },
            get(
                "playlists/{id}", "playlist", "One playlist.", Self.partly(.named("Playlist")), of: .playlist, example: Self.playlist,
                [.market, .country, .types, .fields]
            ) { id, market, given throws(BadRequest) in
                given.wantsEpisodes
                    ? PlaylistQuestion(id: id, market: market) as any Question : ObjectQuestion(.object(.playlist, id, market: market))
            },
            one(.show, "Show", example: Self.show),
            one(.episode, "Episode", example: "512ojhOuo1ktJprKbVcKyQ"),
            one(.audiobook, "Audiobook", example: Self.audiobook),
            one(.chapter, "Chapter", example: "0D5wENdkdwbqlrHoaJ9g29"),
            several(.track, "Track", example: "11dFghVXANMlKmJXsNCbNl"),
            several(.album, "Album", most: 20, example: Self.album),
            several(.artist, "Artist", example: Self.artist),
            several(.show, "Show", example: Self.show),
            several(.episode, "Episode", example: "512ojhOuo1ktJprKbVcKyQ"),
            several(.audiobook, "Audiobook", example: Self.audiobook),
            several(.chapter, "Chapter", example: "0D5wENdkdwbqlrHoaJ9g29"),
            parts(.albumTracks, "albumTracks", "An album's tracks.", SpotifySchemas.page(of: "SimplifiedTrack"), example: Self.album),
            parts(
                .showEpisodes, "showEpisodes", "A show's episodes.", SpotifySchemas.page(of: "SimplifiedEpisode", orNull: true),
                example: Self.show),
            parts(
                .audiobookChapters, "audiobookChapters", "An audiobook's chapters.",
                SpotifySchemas.page(of: "SimplifiedChapter", orNull: true), example: Self.audiobook),
            list(
                "artists/{id}/albums", "artistAlbums", "An artist's albums.", SpotifySchemas.page(of: "SimplifiedAlbum"), of: .artist,
                example: Self.artist, more: [.groups]
            ) { id, window, market, given throws(BadRequest) in
                ArtistAlbumsQuestion(id: id, groups: try given.groups(), offset: window.offset, limit: window.limit, market: market)
            },
            get(
                "artists/{id}/top-tracks", "artistTopTracks", "An artist's best known tracks; in development mode what a search finds.",
                .object(["tracks": .list(of: .named("Track"), most: 10)]), of: .artist, example: Self.artist, [.market, .country]
            ) { id, market, _ throws(BadRequest) in TopTracksQuestion(id: id, market: market) },
            items(.items, "playlistItems", "A playlist's items, as development mode has them."),
            items(.tracks, "playlistTracks", "A playlist's items, as extended mode has them."),
            get(
                "playlists/{id}/images", "playlistImages", "A playlist's pictures.", .list(of: .named("Image")), of: .playlist,
                example: Self.playlist
            ) { id, _, _ throws(BadRequest) in ObjectQuestion(.playlistImages(id)) },
            search,
        ]
    }

    private static let album = "0tGPJ0bkWOUmH7MEOR77qc"
    private static let artist = "6sFIWsNpZYqfjUpaCgueju"
    private static let playlist = "5v5ETK9WFXAnGQ3MRubKuE"
    private static let show = "38bS44xjbVVZ3No3ByF1dJ"
    private static let audiobook = "7iHfbu1YPACw6oZPAFJtqe"

    /// What it is, or with `fields` whatever that leaves of it.
    private static func partly(_ whole: Schema) -> Schema { .either(whole, .anyObject) }

    // MARK: Declaring

    private typealias Given = SpotifyParameters

    /// - Parameter question: made of what is given, and of the market in it.
    private func route(
        _ template: String, _ id: String, _ summary: String, _ schema: Schema, _ parameters: [Parameter],
        _ question: @escaping @Sendable (Given, Market?) throws(BadRequest) -> any Question
    ) -> Route {
        let takesFields = parameters.contains { $0 === Parameter.fields }
        return Route(
            .get, template, id: id, access: .mirror, summary: summary, parameters: parameters + MetadataAnswers.headers,
            answers: MetadataAnswers.all(schema, error: .named("SpotifyError"), waiting: MetadataAnswers.mirror)
        ) { routed throws(BadRequest) in
            let given = try Given(routed.given)
            let question = try question(given, try given.market())
            guard takesFields, let fields = try given.fields() else { return answer(question, routed) }
            return answer(FieldsQuestion(question, fields: fields.filter), routed)
        }
    }

    /// A route of one object, or of what belongs to it.
    private func get(
        _ template: String, _ name: String, _ summary: String, _ schema: Schema, of kind: ObjectKind, example: String,
        _ more: [Parameter] = [], _ question: @escaping @Sendable (SpotifyID, Market?, Given) throws(BadRequest) -> any Question
    ) -> Route {
        let id = Parameter.id(kind, example: example)
        return route(template, name, summary, schema, [id] + more) { given, market throws(BadRequest) in
            try question(try given.id(id, kind), market, given)
        }
    }

    private func one(_ kind: ObjectKind, _ schema: String, example: String) -> Route {
        get(
            "\(kind.plural)/{id}", kind.rawValue, "One \(kind.rawValue).", .named(schema), of: kind, example: example, [.market, .country]
        ) { id, market, _ throws(BadRequest) in ObjectQuestion(.object(kind, id, market: market)) }
    }

    private func several(_ kind: ObjectKind, _ schema: String, most: Int = 50, example: String) -> Route {
        let plural = kind.plural
        let ids = Parameter.ids(kind, most: most, example: example)
        return route(
            plural, plural, "Several \(plural), in the asked order; null for one that Spotify does not know.",
            .object(members: [(plural, .list(of: .named(schema).orNull, most: most))]), [ids, .market, .country]
        ) { given, market throws(BadRequest) in
            BatchQuestion(kind: kind, ids: try given.ids(ids, kind, most: most), market: market)
        }
    }

    /// A route that answers a part of a list.
    private func list(
        _ template: String, _ name: String, _ summary: String, _ schema: Schema, of kind: ObjectKind, example: String,
        _ window: ListWindow = ListWindow(usual: 20, most: 50), more: [Parameter] = [],
        _ question: @escaping @Sendable (SpotifyID, (offset: Int, limit: Int), Market?, Given) throws(BadRequest) -> any Question
    ) -> Route {
        get(
            template, name, summary, schema, of: kind, example: example, window.parameters + [.market, .country] + more
        ) { id, market, given throws(BadRequest) in try question(id, try given.window(window), market, given) }
    }

    private func parts(_ parts: ObjectParts, _ name: String, _ summary: String, _ schema: Schema, example: String) -> Route {
        list(
            "\(parts.parent.plural)/{id}/\(parts.name)", name, summary, schema, of: parts.parent, example: example
        ) { id, window, market, _ throws(BadRequest) in
            PartsQuestion(parts, of: id, offset: window.offset, limit: window.limit, market: market)
        }
    }

    private func items(_ part: PlaylistPart, _ name: String, _ summary: String) -> Route {
        list(
            "playlists/{id}/\(part.rawValue)", name, summary, Self.partly(SpotifySchemas.page(of: "PlaylistItem", orNull: true)),
            of: .playlist, example: Self.playlist, ListWindow(usual: 100, most: 100), more: [.types, .fields]
        ) { id, window, market, given throws(BadRequest) in
            PlaylistItemsQuestion(
                id: id, part: part, offset: window.offset, limit: window.limit, market: market, hasEpisodes: given.wantsEpisodes,
                kept: try given.fields().map { [("fields", $0.text)] } ?? [])
        }
    }

    private var search: Route {
        route(
            "search", "search", "Search. The asked kinds, a paging object each.", SpotifySchemas.found,
            [.searched, .kinds] + ListWindow.search.parameters + [.market, .country]
        ) { given, market throws(BadRequest) in try given.search(in: market) }
    }

    // MARK: Answering

    private func answer(_ question: any Question, _ routed: RoutedRequest) -> Outcome {
        responder.answer(
            question, routed.request, client: routed.client, errorFormat, filled: fillsRemovedFields, isBare: routed.isAtOtherPrefix,
            seesPrivate: routed.seesPrivate)
    }

    /// `users/NAME/playlists/ID`, as playlists were asked for until 2018, as they are asked for now.
    func newerPath(_ path: Substring) -> String? {
        let parts = PathTree.parts(of: path)
        return parts.count > 3 && parts[0] == "users" && parts[2] == "playlists" ? parts.dropFirst(2).joined(separator: "/") : nil
    }

    /// Libraries show the message of a 401 to their users, and come with what Spotify gave them.
    func wantedToken(_ routed: RoutedRequest) -> String? {
        guard takesClientKeys else { return nil }
        let place = routed.isAtOtherPrefix ? "/api/token" : "/spotify/api/token"
        return """
            The mirror wants a token of its own, none of Spotify's: POST \(place) gives one for the id and secret of a client key, \
            which an administrator makes with 'swingmusic-fcgi keys add NAME'
            """
    }

    /// What is not here, and why.
    func answerUnserved(_ routed: RoutedRequest, _ paths: PathTree) -> Outcome? {
        let path = PathTree.parts(of: newerPath(routed.rest)?[...] ?? routed.rest)
        if SpotifyClosed.needsUser(path, routed.request.method) {
            return .now(errorFormat.error(401, "Valid user authentication required. The mirror asks Spotify as an app, for no user."))
        }
        guard routed.allowed == nil, SpotifyClosed.isClosed(path) else { return nil }
        return .now(errorFormat.error(403, "Forbidden. Spotify has closed this endpoint to apps in development mode."))
    }
}

/// What the Web API has and the mirror cannot have (Web API reference; migration guide of February 2026).
private enum SpotifyClosed {
    /// What is somebody's own, and every change.
    static func needsUser(_ path: [String], _ method: Method) -> Bool {
        if path.first == "me" { return true }
        let isChange = method == .post || method == .put || method == .delete
        switch (path.count, path.first, path.count > 2 ? path[2] : nil) {
        case (3..., "playlists", "followers"): return true
        case (2, "playlists", _), (3, "playlists", "tracks"), (3, "playlists", "items"), (3, "playlists", "images"): return isChange
        case (3, "users", "playlists"): return isChange
        default: return false
        }
    }

    /// What development mode took away and cannot be made of what it left.
    static func isClosed(_ path: [String]) -> Bool {
        switch (path.count, path.first, path.last) {
        case (_, "browse", _), (_, "users", _), (_, "recommendations", _), (_, "audio-features", _), (_, "audio-analysis", _): true
        case (1, "markets", _): true
        case (3, "artists", "related-artists"): true
        default: false
        }
    }
}
