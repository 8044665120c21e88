import Caching
import Catalog
import FastCGI
import Sessions
import Spotify

/// `/api/catalog/...`: the web client's dialect, computed from the same records.
struct CatalogRoutes: RouteFamily {
    let responder: MetadataResponder
    let blockingWorker: BlockingWorker
    /// nil without swingmusic's folder.
    var library: Library?

    let prefix = "/api/catalog/"
    let tag = "catalog"
    let label = Counter.Family.catalog
    let about = """
        The routes of swingmusic's extended web client, computed from the same records. An id may also be a URI or a link. Limits are \
        clamped to what a route allows. `pending` names parts that are still being looked up; such an answer has no ETag.
        """
    let errorFormat = ErrorFormat.plain
    let pathForm = PathTree.Form.links
    var schemas: KeyValuePairs<String, Schema> { ItemSchemas.all }

    private static let artist = "6sFIWsNpZYqfjUpaCgueju"

    var routes: [Route] {
        [
            one("track/{id}", "catalogTrack", "A track.", .named("CatalogItem"), .track, example: "11dFghVXANMlKmJXsNCbNl") { id in
                TrackItemQuestion(id: id)
            },
            one(
                "album/{id}", "catalogAlbum", "An album and its tracks.", .named("CatalogAlbum"), .album, example: "0tGPJ0bkWOUmH7MEOR77qc"
            ) { id in AlbumItemQuestion(id: id) },
            listed(
                "playlist/{id}", "catalogPlaylist", "A playlist and its first tracks.", .named("CatalogPlaylist"), .playlist,
                example: "5v5ETK9WFXAnGQ3MRubKuE", ClampedLimit(usual: 200, most: 300)
            ) { id, limit in PlaylistItemQuestion(id: id, limit: limit) },
            one("artist/{id}", "catalogArtist", "An artist's page.", .named("CatalogArtist"), .artist, example: Self.artist) { id in
                ArtistPageQuestion(id: id)
            },
            listed(
                "artist/{id}/top-tracks", "catalogTopTracks", "An artist's best known tracks.",
                .object(["tracks": ItemSchemas.items(most: 15), "total": .integer(0, 15)]), .artist, example: Self.artist,
                ClampedLimit(usual: 15, most: 15)
            ) { id, limit in ArtistTopTracksQuestion(id: id, limit: limit) },
            listed(
                "artist/{id}/albums", "catalogAlbums", "An artist's albums.",
                .object(["albums": ItemSchemas.items(most: 50), "sections": .named("Sections"), "total": .integer(0)]), .artist,
                example: Self.artist, ClampedLimit(usual: 50, most: 50)
            ) { id, limit in ArtistDiscographyQuestion(id: id, limit: limit) },
            route(.post, "search", "catalogSearch", "Search.", ItemSchemas.found, body: CatalogParameters.search) {
                given throws(BadRequest) in try given.search()
            },
            trending,
            route(
                .post, "recommendations", "catalogRecommendations", "Tracks like the seeds.", ItemSchemas.recommended,
                body: CatalogParameters.seeds(example: Self.artist)
            ) { given throws(BadRequest) in try given.recommendations() },
            route(.get, "home/recommendations", "catalogHome", "Artists who are asked for here.", ItemSchemas.home) { _ in
                HomeQuestion()
            },
            AvailabilityRoute(library: library, blockingWorker: blockingWorker, errorFormat: errorFormat).route,
        ] + PreferenceRoutes(catalog: responder.catalog, blockingWorker: blockingWorker, errorFormat: errorFormat).routes
    }

    private var trending: Route {
        let limit = ClampedLimit(usual: 20, most: 50)
        return route(
            .get, "trending", "catalogTrending", "What is asked for here, filled up with this year's releases.", ItemSchemas.trending,
            [CatalogParameters.trend, limit.parameter]
        ) { given throws(BadRequest) in try given.trending(limit) }
    }

    /// - Parameter notFound: what is said when Spotify does not know it.
    private func route(
        _ method: Route.Method, _ template: String, _ id: String, _ summary: String, _ schema: Schema, _ parameters: [Parameter] = [],
        body: DescribedBody? = nil, notFound: String = "Not found",
        _ question: @escaping @Sendable (CatalogParameters) throws(BadRequest) -> any Question
    ) -> Route {
        responder.route(
            errorFormat, method, template, id, summary, schema, parameters, body: body, notFound: notFound
        ) { routed throws(BadRequest) in try question(CatalogParameters(routed)) }
    }

    /// A route of what has an id.
    private func one(
        _ template: String, _ name: String, _ summary: String, _ schema: Schema, _ kind: ObjectKind, example: String,
        _ question: @escaping @Sendable (SpotifyID) -> any Question
    ) -> Route {
        let id = Parameter.id(kind, example: example)
        return route(.get, template, name, summary, schema, [id], notFound: Self.notFound(kind)) { given throws(BadRequest) in
            question(try given.id(id, kind))
        }
    }

    /// A route of the first of what it has.
    private func listed(
        _ template: String, _ name: String, _ summary: String, _ schema: Schema, _ kind: ObjectKind, example: String,
        _ limit: ClampedLimit, _ question: @escaping @Sendable (SpotifyID, Int) -> any Question
    ) -> Route {
        let id = Parameter.id(kind, example: example)
        return route(
            .get, template, name, summary, schema, [id, limit.parameter], notFound: Self.notFound(kind)
        ) { given throws(BadRequest) in question(try given.id(id, kind), try given.limit(limit)) }
    }

    private static func notFound(_ kind: ObjectKind) -> String { "\(kind.rawValue.capitalized) not found" }
}

extension MetadataResponder {
    /// A route of the web client's that answers a question from the records.
    /// - Parameter notFound: what is said when Spotify does not know it.
    func route(
        _ errorFormat: ErrorFormat, _ method: Route.Method, _ template: String, _ id: String, _ summary: String, _ schema: Schema,
        _ parameters: [Parameter] = [], body: DescribedBody? = nil, notFound: String = "Not found",
        _ question: @escaping @Sendable (RoutedRequest) throws(BadRequest) -> any Question
    ) -> Route {
        Route(
            method, template, id: id, access: .metadata, summary: summary, parameters: parameters + MetadataAnswers.headers, body: body,
            answers: MetadataAnswers.all(schema, error: .named("Error"))
        ) { routed throws(BadRequest) in
            answer(
                try question(routed), routed.request, client: routed.client, errorFormat, notFound: notFound,
                seesPrivate: routed.seesPrivate)
        }
    }
}

/// `/api/catalog/preferences/{user_id}`: what the session's user prefers. Nobody sees another's.
struct PreferenceRoutes: Sendable {
    let catalog: Catalog
    let blockingWorker: BlockingWorker
    let errorFormat: ErrorFormat

    private static let user = Parameter.path("user_id", "The session's user; another's is 403.", WholeNumber.id, example: 1)

    var routes: [Route] {
        [
            Route(
                .get, "preferences/{user_id}", id: "preferences", access: .session, summary: "What the user prefers.",
                parameters: [Self.user],
                answers: [.json(200, "All of it, with the defaults for what was never set.", .named("Preferences"))] + Self.refusals
            ) { routed throws(BadRequest) in .now(read(try user(routed))) },
            Route(
                .post, "preferences/{user_id}", id: "changePreferences", access: .session, summary: "Change some of it.",
                about: "What the body does not name stays. Numbers are clamped.", parameters: [Self.user],
                body: CatalogParameters.preferences,
                answers: [
                    .json(200, "Changed.", .object(["message": .constant("Preferences updated successfully")]))
                ] + Self.refusals
            ) { routed throws(BadRequest) in try change(user(routed), CatalogParameters(routed)) },
        ]
    }

    private static let refusals: [DescribedAnswer] = [
        .json(400, "A malformed user id or body.", .named("Error")), .json(403, "Another user's.", .named("Error")),
        .json(503, "The database cannot be used.", .named("Error"), headers: [.retryAfter]),
    ]

    /// - Throws: 403 for another one than the session's.
    private func user(_ routed: RoutedRequest) throws(BadRequest) -> Int {
        guard let asked = routed.given[Self.user].flatMap({ WholeNumber.readPlain($0) }), asked >= 0 else {
            throw BadRequest(400, "Invalid user id")
        }
        guard routed.user == asked else { throw BadRequest(403, "Forbidden") }
        return asked
    }

    private func read(_ user: Int) -> Response {
        do throws(CacheError) { return json(try catalog.preferences(of: user).json(of: user)) } catch { return unusable(error) }
    }

    /// Writing may have to wait, for another process and for the disk; never on an event thread.
    private func change(_ user: Int, _ given: CatalogParameters) throws(BadRequest) -> Outcome {
        let change = try given.preferences()
        return blockingWorker.begin(errorFormat) { reply in
            do throws(CacheError) {
                try catalog.changePreferences(of: user, change) { fault in
                    reply(fault.map(unusable) ?? json(Array(#"{"message":"Preferences updated successfully"}"#.utf8)))
                }
            } catch {
                reply(unusable(error))
            }
        }
    }

    private func unusable(_ error: CacheError) -> Response {
        errorFormat.unavailable("The database cannot be used: \(error)", .database, retryAfter: .seconds(5))
    }

    private func json(_ body: [UInt8]) -> Response {
        var response = Response(status: 200, contentType: MetadataResponse.json, body: body)
        response.add("Cache-Control", "no-store")
        return response
    }
}
