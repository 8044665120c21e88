import Caching
import Catalog
import FastCGI
import Spotify

/// `/api/catalog/...`: the web client's dialect, computed from the same records.
struct CatalogRoutes: RouteFamily {
    let responder: MetadataResponder
    let accessControl: AccessControl
    let blockingWorker: BlockingWorker
    let errorFormat = ErrorFormat.plain

    func answer(_ routed: RoutedRequest) -> Outcome {
        guard let route = CatalogRoute(LinkFolding.fold(routed.segments)) else { return .now(errorFormat.error(404, "Not found")) }
        let method = routed.request.method
        guard route.methods.contains(method) else { return .now(errorFormat.methodNotAllowed(route.allowed)) }
        if case .preferences(let user) = route {
            return PreferenceRoutes(family: self).answer(routed, user: user)
        }
        return accessControl.admit(routed, to: route.access, of: self) { authentication in
            do throws(BadRequest) {
                let question = try route.question(CatalogParameters(routed))
                let client = authentication.client(routed.request)
                return responder.answer(question, routed.request, client: client, errorFormat, notFound: route.notFound)
            } catch {
                return .now(errorFormat.error(error.status, error.message))
            }
        }
    }
}

/// The web client's paths.
private enum CatalogRoute {
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

    var access: Access {
        switch self {
        case .preferences: PreferenceRoutes.access
        default: .metadata
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

    func question(_ given: CatalogParameters) throws(BadRequest) -> any Question {
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

/// `/api/catalog/preferences/{user_id}`: what the session's user prefers. Nobody sees another's.
struct PreferenceRoutes: Sendable {
    let family: CatalogRoutes
    static let access = Access.session
    private var catalog: Catalog { family.responder.catalog }
    private var errorFormat: ErrorFormat { family.errorFormat }

    func answer(_ routed: RoutedRequest, user text: String) -> Outcome {
        family.accessControl.admit(routed, to: Self.access, of: family) { authentication in
            guard let asked = Int(text), asked >= 0 else { return .now(errorFormat.error(400, "Invalid user id")) }
            guard let user = authentication.user.map({ Int($0.user.id) }), user == asked else {
                return .now(errorFormat.error(403, "Forbidden"))
            }
            return routed.request.method == .post ? change(routed, user) : .now(read(user))
        }
    }

    private func read(_ user: Int) -> Response {
        do throws(CacheError) { return json(try catalog.preferences(of: user).json(of: user)) } catch { return unusable(error) }
    }

    /// Writing may have to wait, for another process and for the disk; never on an event thread.
    private func change(_ routed: RoutedRequest, _ user: Int) -> Outcome {
        let change: @Sendable (inout Preferences) -> Void
        do throws(BadRequest) {
            change = try self.change(CatalogParameters(routed).body())
        } catch {
            return .now(errorFormat.error(error.status, error.message))
        }
        return family.blockingWorker.begin(errorFormat) { reply in
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
        errorFormat.unavailable("The database cannot be used: \(error)", retryAfter: .seconds(5))
    }

    /// What the body asks for; what it does not name stays.
    private func change(_ body: JSONObject) throws(BadRequest) -> @Sendable (inout Preferences) -> Void {
        var counts: [(Preferences.Count, Int)] = []
        for count in Preferences.Count.all {
            if let value = try body.integer(count.name) { counts.append((count, value)) }
        }
        let showsExplicit = try body.bool("show_explicit")
        let markets = body.has("preferred_markets") ? try markets(body.strings("preferred_markets")) : nil
        return { [counts] preferences in
            for (count, value) in counts { preferences.set(count, value) }
            if let showsExplicit { preferences.showsExplicit = showsExplicit }
            if let markets { preferences.markets = markets }
        }
    }

    private func markets(_ codes: [String]) throws(BadRequest) -> [Market] {
        guard codes.count <= 250 else { throw BadRequest(400, "preferred_markets has too many markets") }
        var markets: [Market] = []
        for code in codes {
            guard let market = Market(code) else { throw BadRequest(400, "preferred_markets has an invalid market") }
            if !markets.contains(market) { markets.append(market) }
        }
        return markets
    }

    private func json(_ body: [UInt8]) -> Response {
        var response = Response(status: 200, contentType: MetadataResponse.json, body: body)
        response.add("Cache-Control", "no-store")
        return response
    }
}
