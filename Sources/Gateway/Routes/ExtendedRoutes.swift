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
                    .json(401, "A session is needed.", .named("Error"), headers: [.authenticate]),
                    .json(403, "A page of another site used the user's cookie.", .named("Error")),
                    .json(413, "A body over 64 KiB.", .named("Error")),
                    .json(503, "The session cannot be checked.", .named("Error"), headers: [.retryAfter]),
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
                + MetadataAnswers.all(ExtendedSchemas.combined, error: .named("Error"), takesBody: true).dropFirst()
        ) { routed throws(BadRequest) in
            let asked = try ExtendedSearch(routed)
            guard asked.includesGlobal else { return localAlone(asked) }
            // Where the songs are not in memory they are read first, for the next one who asks.
            let index = asked.includesLocal ? library?.indexAtHand : nil
            if asked.includesLocal, index == nil, let library { blockingWorker.note { _ = try? library.index() } }
            let local = index.map { LocalResults($0, asked) } ?? LocalResults()
            let question = GlobalSearchQuestion(
                term: asked.term, query: asked.query, kinds: asked.kinds, limit: asked.limit,
                form: .combined(local: local.json, count: local.count))
            return responder.answer(question, routed.request, client: routed.client, errorFormat)
        }
    }

    private func localAlone(_ asked: ExtendedSearch) -> Outcome {
        blockingWorker.run(errorFormat) {
            let index = asked.includesLocal ? try? library?.index() : nil
            let local = index.map { LocalResults($0, asked) } ?? LocalResults()
            var response = Response(status: 200, contentType: ErrorFormat.json, body: local.answer(to: asked.query))
            response.add("Cache-Control", "no-store")
            return response
        }
    }
}
