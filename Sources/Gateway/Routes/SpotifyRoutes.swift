import Catalog
import FastCGI
import Spotify

/// `/spotify/v1/...`: the Web API's own paths, parameters and messages, answered from what is known here.
struct SpotifyRoutes: RouteFamily {
    let responder: MetadataResponder
    let accessControl: AccessControl
    /// `SPOTIFY_FILL_REMOVED_FIELDS`.
    let fillsRemovedFields: Bool
    let errorFormat = ErrorFormat.spotify
    static let access = Access.metadata

    func answer(_ routed: RoutedRequest) -> Outcome {
        let path = LinkFolding.fold(routed.segments)
        guard let route = SpotifyRoute(path) else { return .now(errorFormat.error(404, "Service not found")) }
        guard routed.request.method == .get || routed.request.method == .head else {
            return .now(errorFormat.methodNotAllowed("GET, HEAD"))
        }
        switch accessControl.admit(routed.request, to: Self.access, errorFormat) {
        case .refused(let response): return .now(response)
        case .admitted(let client, _, let renewal): return answer(route, path, routed, client).renewing(renewal)
        }
    }

    private func answer(_ route: SpotifyRoute, _ path: [String], _ routed: RoutedRequest, _ client: String) -> Outcome {
        do {
            let question = try route.question(path, SpotifyParameters(query: routed.query))
            return fillsRemovedFields
                ? answer(filled: question, routed, client) : responder.answer(question, routed.request, client: client, errorFormat)
        } catch {
            return .now(errorFormat.error(error.status, error.message))
        }
    }

    private func answer(filled question: some Question, _ routed: RoutedRequest, _ client: String) -> Outcome {
        responder.answer(FilledQuestion(question), routed.request, client: client, errorFormat)
    }
}

/// The mirror's paths.
private enum SpotifyRoute {
    case object(ObjectKind)
    case batch(ObjectKind)
    case albumTracks, artistAlbums
    case playlistItems(PlaylistPart)
    case topTracks, search

    /// nil for a path that the mirror does not have.
    init?(_ path: [String]) {
        switch (path.count, path.first ?? "", path.last ?? "") {
        case (1, "search", _): self = .search
        case (1, "tracks", _): self = .batch(.track)
        case (1, "albums", _): self = .batch(.album)
        case (1, "artists", _): self = .batch(.artist)
        case (2, "tracks", _): self = .object(.track)
        case (2, "albums", _): self = .object(.album)
        case (2, "artists", _): self = .object(.artist)
        case (2, "playlists", _): self = .object(.playlist)
        case (3, "albums", "tracks"): self = .albumTracks
        case (3, "artists", "albums"): self = .artistAlbums
        case (3, "artists", "top-tracks"): self = .topTracks
        case (3, "playlists", "items"): self = .playlistItems(.items)
        case (3, "playlists", "tracks"): self = .playlistItems(.tracks)
        default: return nil
        }
    }

    func question(_ path: [String], _ given: SpotifyParameters) throws(BadRequest) -> any Question {
        try given.check()
        let market = try given.market()
        switch self {
        case .object(let kind):
            return ObjectQuestion(.object(kind, try id(path, kind), market: kind == .artist ? nil : market))
        case .batch(let kind):
            return BatchQuestion(kind: kind, ids: try given.ids(of: kind, most: kind == .album ? 20 : 50), market: market)
        case .albumTracks:
            return AlbumTracksQuestion(
                id: try id(path, .album), offset: try given.offset(), limit: try given.limit(default: 20, most: 50), market: market)
        case .artistAlbums:
            return ArtistAlbumsQuestion(
                id: try id(path, .artist), groups: try given.groups(), offset: try given.offset(),
                limit: try given.limit(default: 20, most: 50), market: market)
        case .playlistItems(let part):
            return PlaylistItemsQuestion(
                id: try id(path, .playlist), part: part, offset: try given.offset(),
                limit: try given.limit(default: 100, most: 100), market: market)
        case .topTracks: return TopTracksQuestion(id: try id(path, .artist), market: market)
        case .search: return try search(given, market)
        }
    }

    private func search(_ given: SpotifyParameters, _ market: Market?) throws(BadRequest) -> any Question {
        let query = given.query["q"] ?? ""
        guard let term = SearchTerm(query) else {
            throw BadRequest(400, query.unicodeScalars.count > SearchTerm.longest ? "Query exceeds maximum length" : "No search query")
        }
        let kinds = try given.kinds()
        let limit = try given.limit(default: 20, most: 50)
        let offset = try given.offset(most: 1000)
        guard offset + limit <= 1000 || offset == 0 else { throw BadRequest(400, "Invalid offset") }
        return SearchQuestion(term: term, query: query, kinds: kinds, offset: offset, limit: limit, market: market)
    }

    private func id(_ path: [String], _ kind: ObjectKind) throws(BadRequest) -> SpotifyID {
        guard let id = SpotifyID(path[1], kind: kind) else { throw BadRequest(400, "Invalid base62 id") }
        return id
    }
}

/// The Web API's query parameters, with its defaults, bounds and messages.
private struct SpotifyParameters {
    let query: Query

    func check() throws(BadRequest) {
        if query.isMalformed { throw BadRequest(400, "Malformed query") }
    }

    func market() throws(BadRequest) -> Market? {
        guard let text = query["market"], text != "from_token" else { return nil }
        guard let market = Market(text), market.code == text else { throw BadRequest(400, "Invalid market code") }
        return market
    }

    func limit(default fallback: Int, most: Int) throws(BadRequest) -> Int {
        try number("limit", default: fallback, in: 1...most)
    }

    func offset(most: Int = 100_000) throws(BadRequest) -> Int { try number("offset", default: 0, in: 0...most) }

    func groups() throws(BadRequest) -> AlbumGroups {
        guard let text = query["include_groups"], !text.isEmpty else { return .all }
        guard let groups = AlbumGroups(text) else { throw BadRequest(400, "Invalid include_groups") }
        return groups
    }

    func ids(of kind: ObjectKind, most: Int) throws(BadRequest) -> [SpotifyID] {
        let texts = (query["ids"] ?? "").split(separator: ",")
        guard !texts.isEmpty else { throw BadRequest(400, "Missing required field: ids") }
        guard texts.count <= most else { throw BadRequest(400, "Too many ids requested") }
        var ids: [SpotifyID] = []
        for text in texts {
            guard let id = SpotifyID(String(text), kind: kind) else { throw BadRequest(400, "Invalid base62 id") }
            ids.append(id)
        }
        return ids
    }

    func kinds() throws(BadRequest) -> [ObjectKind] {
        let texts = (query["type"] ?? "").split(separator: ",")
        guard !texts.isEmpty else { throw BadRequest(400, "Missing parameter type") }
        var kinds: [ObjectKind] = []
        for text in texts {
            guard let kind = ObjectKind(rawValue: String(text)) else { throw BadRequest(400, "Bad search type field \(text)") }
            kinds.append(kind)
        }
        return kinds
    }

    private func number(_ name: String, default fallback: Int, in range: ClosedRange<Int>) throws(BadRequest) -> Int {
        guard let text = query[name] else { return fallback }
        guard let number = WholeNumber.read(text), range.contains(number) else { throw BadRequest(400, "Invalid \(name)") }
        return number
    }
}
