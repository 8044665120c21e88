import Catalog
import FastCGI
import JSON
import Sessions
import Spotify

/// What the extended web client asks for below `/api/` beside its catalog: its search, and what a link to Spotify names. Its downloads stay
/// with swingmusic.
struct ExtendedRoutes: RouteFamily {
    let responder: MetadataResponder
    let blockingWorker: BlockingWorker
    /// nil without swingmusic's folder.
    let library: Library?

    let prefix = "/api/"
    let tag = "extended"
    let label = Counter.Family.catalog
    let about = """
        What swingmusic's extended web client asks for beside `/api/catalog/`, from the same records: search, suggestions, and what a link to \
        Spotify names.
        """
    let errorFormat = ErrorFormat.plain
    let pathForm = PathTree.Form.parts
    let schemas: KeyValuePairs<String, Schema> = ["ExtendedItem": ExtendedSchemas.item, "LocalResults": ExtendedSchemas.local]

    private static let artist = Parameter.id(.artist, example: "6sFIWsNpZYqfjUpaCgueju")
    private static let album = Parameter.id(.album, example: "0tGPJ0bkWOUmH7MEOR77qc")

    var routes: [Route] {
        [
            responder.route(
                errorFormat, .post, "search/global", "globalSearch", "Search Spotify.", ExtendedSchemas.global, body: ExtendedSearch.body
            ) { routed throws(BadRequest) in
                let asked = try ExtendedSearch(routed)
                return GlobalSearchQuestion(term: asked.term, query: asked.query, kinds: asked.kinds, limit: asked.limit, form: .global)
            },
            combined,
            responder.route(
                errorFormat, .get, "search/suggestions", "suggestions",
                "What was asked for here lately and has these words; nothing is looked up.",
                ExtendedSchemas.suggestions, ExtendedSearch.suggestionParameters
            ) { routed throws(BadRequest) in try ExtendedSearch.suggestions(routed) },
            responder.route(
                errorFormat, .get, "search/artist/{id}", "searchArtist", "An artist's page.", .named("CatalogArtist"), [Self.artist],
                notFound: "Artist not found"
            ) { routed throws(BadRequest) in ArtistPageQuestion(id: try CatalogParameters(routed).id(Self.artist, .artist)) },
            responder.route(
                errorFormat, .get, "search/album/{id}", "searchAlbum", "An album and its tracks.", .named("CatalogAlbum"), [Self.album],
                notFound: "Album not found"
            ) { routed throws(BadRequest) in AlbumItemQuestion(id: try CatalogParameters(routed).id(Self.album, .album)) },
            responder.route(
                errorFormat, .post, "spotify/metadata", "spotifyMetadata", "What a link to Spotify names.", ExtendedSchemas.spotify,
                body: SpotifyLink.body
            ) { routed throws(BadRequest) in
                let link = try SpotifyLink(routed)
                return LinkQuestion(kind: link.kind, id: link.id, form: .spotify)
            },
            responder.route(
                errorFormat, .post, "universal/metadata", "universalMetadata", "What a link names; of Spotify's alone.",
                ExtendedSchemas.universal,
                body: SpotifyLink.body
            ) { routed throws(BadRequest) in
                let link = try SpotifyLink(routed)
                return LinkQuestion(kind: link.kind, id: link.id, form: .universal(url: link.url))
            },
            Route(
                .post, "universal/validate-url", id: "validateLink", access: .metadata, summary: "Whether a link is one of Spotify's.",
                body: SpotifyLink.body,
                answers: [
                    .json(200, "What it names.", ExtendedSchemas.validity), .json(400, "A malformed body.", .named("Error")),
                ]
            ) { routed throws(BadRequest) in .now(SpotifyLink.validity(try SpotifyLink.url(routed))) },
        ]
    }

    /// swingmusic's own songs, and Spotify's beside them where both are asked for.
    private var combined: Route {
        Route(
            .post, "search/combined", id: "combinedSearch", access: .metadata,
            summary: "Search swingmusic's songs, and Spotify.", parameters: MetadataAnswers.headers, body: ExtendedSearch.combinedBody,
            // Songs alone have no Cache-Status.
            answers: [.json(200, "What was asked for.", ExtendedSchemas.combined)]
                + MetadataAnswers.all(ExtendedSchemas.combined, error: .named("Error")).dropFirst()
        ) { routed throws(BadRequest) in
            let asked = try ExtendedSearch(routed)
            let client = routed.client
            guard asked.includesLocal, let library else { return answer(asked, LocalResults(), routed.request, client: client) }
            let (kept, body) = (routed.request.kept, routed.request.body)
            // All songs are looked through, and read first where they have changed: never on an event thread.
            return blockingWorker.prepare(errorFormat) {
                (try? library.index()).map { LocalResults($0, asked) } ?? LocalResults()
            } then: {
                local in
                kept.read(with: body) { answer(asked, local, $0, client: client) }
            }
        }
    }

    private func answer(_ asked: ExtendedSearch, _ local: LocalResults, _ request: Request, client: String) -> Outcome {
        guard asked.includesGlobal else {
            var response = Response(status: 200, contentType: ErrorFormat.json, body: local.answer(to: asked.query))
            response.add("Cache-Control", "no-store")
            return .now(response)
        }
        let question = GlobalSearchQuestion(
            term: asked.term, query: asked.query, kinds: asked.kinds, limit: asked.limit,
            form: .combined(local: local.json, count: local.count))
        return responder.answer(question, request, client: client, errorFormat)
    }
}
