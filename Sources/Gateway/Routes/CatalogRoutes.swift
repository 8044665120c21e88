import Catalog
import FastCGI
import Spotify

/// `/api/catalog/...`: the web client's dialect, computed from the same records.
struct ItemRoutes: RouteFamily {
    let desk: MetadataDesk
    let door: Doorkeeper
    let dialect = Dialect.plain

    func answer(_ routed: Routed) -> Outcome {
        guard let route = ItemRoute(LinkFolding.fold(routed.segments)) else { return .now(dialect.error(404, "Not found")) }
        let method = routed.request.method
        guard route.methods.contains(method) else { return .now(dialect.methodNotAllowed(route.allowed)) }
        if case .preferences(let user) = route {
            return .now(PreferenceRoutes(catalog: desk.catalog, door: door, dialect: dialect).answer(routed, user: user))
        }
        switch door.admitToMetadata(routed.request, dialect) {
        case .refused(let response): return .now(response)
        case .admitted(let client, _, let renewal):
            do {
                let question = try route.question(ItemParameters(routed))
                return desk.answer(question, routed.request, client: client, dialect, notFound: route.notFound).renewing(renewal)
            } catch {
                return .now(dialect.error(error.status, error.message))
            }
        }
    }
}

/// The web client's paths.
enum ItemRoute {
    case track(String)
    case album(String)
    case playlist(String)
    case artist(String)
    case topTracks(String)
    case albums(String)
    case search, trending, recommendations, home
    case preferences(String)

    /// nil for a path that is not the web client's.
    init?(_ path: [String]) {
        switch (path.count, path.first ?? "", path.last ?? "") {
        case (1, "search", _): self = .search
        case (1, "trending", _): self = .trending
        case (1, "recommendations", _): self = .recommendations
        case (2, "home", "recommendations"): self = .home
        case (2, "preferences", let user): self = .preferences(user)
        case (2, "track", let id): self = .track(id)
        case (2, "album", let id): self = .album(id)
        case (2, "playlist", let id): self = .playlist(id)
        case (2, "artist", let id): self = .artist(id)
        case (3, "artist", "top-tracks"): self = .topTracks(path[1])
        case (3, "artist", "albums"): self = .albums(path[1])
        default: return nil
        }
    }

    var methods: [Method] {
        switch self {
        case .search, .recommendations: [.post]
        case .preferences: [.get, .head, .post]
        default: [.get, .head]
        }
    }

    /// For `Allow`.
    var allowed: String {
        switch self {
        case .search, .recommendations: "POST"
        case .preferences: "GET, HEAD, POST"
        default: "GET, HEAD"
        }
    }

    /// What is said when Spotify does not know it.
    var notFound: String {
        switch self {
        case .track: "Track not found"
        case .album: "Album not found"
        case .playlist: "Playlist not found"
        case .artist, .topTracks, .albums: "Artist not found"
        case .search, .trending, .recommendations, .home, .preferences: "Not found"
        }
    }

    func question(_ given: ItemParameters) throws(BadRequest) -> any Question {
        switch self {
        case .track(let text): return TrackItemQuestion(id: try Self.id(text, .track))
        case .album(let text): return AlbumItemQuestion(id: try Self.id(text, .album))
        case .playlist(let text):
            return PlaylistItemQuestion(id: try Self.id(text, .playlist), limit: try given.limit(default: 200, most: 300))
        case .artist(let text): return ArtistPageQuestion(id: try Self.id(text, .artist))
        case .topTracks(let text):
            return ArtistTopTracksQuestion(id: try Self.id(text, .artist), limit: try given.limit(default: 15, most: 15))
        case .albums(let text):
            return ArtistDiscographyQuestion(id: try Self.id(text, .artist), limit: try given.limit(default: 50, most: 50))
        case .search: return try given.search()
        case .trending: return try given.trending()
        case .recommendations: return try given.recommendations()
        case .home: return HomeQuestion()
        case .preferences: throw BadRequest(404, "Not found")
        }
    }

    private static func id(_ text: String, _ kind: ObjectKind) throws(BadRequest) -> SpotifyID {
        guard let id = SpotifyID(text, kind: kind) else { throw BadRequest(400, "Invalid Spotify id") }
        return id
    }
}
