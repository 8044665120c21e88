import Catalog
import FastCGI
import Spotify

/// `/spotify/v1/...`: the Web API's own paths, parameters and messages, answered from what is known here. On a host name of its own the
/// same at `/v1/...`.
struct SpotifyRoutes: RouteFamily {
    let responder: MetadataResponder
    let accessControl: AccessControl
    /// `SPOTIFY_FILL_REMOVED_FIELDS`.
    let fillsRemovedFields: Bool
    let errorFormat = ErrorFormat.spotify
    static let access = Access.metadata
    static let barePrefix = "/v1/"
    var otherPrefix: String? { Self.barePrefix }

    func answer(_ routed: RoutedRequest) -> Outcome {
        let path = LinkFolding.fold(Self.withoutOwner(routed.segments))
        let isRead = routed.request.method == .get || routed.request.method == .head
        guard isRead, let route = SpotifyRoute(path) else { return .now(refusal(path, routed.request.method)) }
        switch accessControl.admit(routed.request, to: Self.access, errorFormat) {
        case .refused(let response): return .now(response)
        case .admitted(let client, _, let renewal): return answer(route, path, routed, client).renewing(renewal)
        }
    }

    /// `users/NAME/playlists/ID`, as playlists were asked for until 2018, as they are asked for now.
    private static func withoutOwner(_ path: [String]) -> [String] {
        path.count > 3 && path[0] == "users" && path[2] == "playlists" ? Array(path.dropFirst(2)) : path
    }

    private func answer(_ route: SpotifyRoute, _ path: [String], _ routed: RoutedRequest, _ client: String) -> Outcome {
        do {
            let given = SpotifyParameters(query: routed.query)
            let question = try route.question(path, given)
            guard route.takesFields, let fields = try given.fields() else { return ask(question, routed, client) }
            return ask(FieldsQuestion(question, fields: fields.filter), routed, client)
        } catch {
            return .now(errorFormat.error(error.status, error.message))
        }
    }

    private func ask(_ question: any Question, _ routed: RoutedRequest, _ client: String) -> Outcome {
        responder.answer(
            question, routed.request, client: client, errorFormat, filled: fillsRemovedFields, isBare: routed.isAtOtherPrefix)
    }

    /// What is not here, and why.
    private func refusal(_ path: [String], _ method: Method) -> Response {
        if SpotifyClosed.needsUser(path, method) {
            return errorFormat.error(401, "Valid user authentication required. The mirror asks Spotify as an app, for no user.")
        }
        if SpotifyRoute(path) != nil { return errorFormat.methodNotAllowed("GET, HEAD") }
        if SpotifyClosed.isClosed(path) {
            return errorFormat.error(403, "Forbidden. Spotify has closed this endpoint to apps in development mode.")
        }
        return errorFormat.error(404, "Service not found")
    }
}

/// The mirror's paths.
private enum SpotifyRoute {
    case object(ObjectKind)
    case batch(ObjectKind)
    case parts(ObjectParts)
    case artistAlbums
    case playlist
    case playlistItems(PlaylistPart)
    case playlistImages
    case topTracks, search

    /// nil for a path that the mirror does not have.
    init?(_ path: [String]) {
        switch (path.count, path.first ?? "", path.last ?? "") {
        case (1, "search", _): self = .search
        case (2, "playlists", _): self = .playlist
        case (3, "albums", "tracks"): self = .parts(.albumTracks)
        case (3, "shows", "episodes"): self = .parts(.showEpisodes)
        case (3, "audiobooks", "chapters"): self = .parts(.audiobookChapters)
        case (3, "artists", "albums"): self = .artistAlbums
        case (3, "artists", "top-tracks"): self = .topTracks
        case (3, "playlists", "items"): self = .playlistItems(.items)
        case (3, "playlists", "tracks"): self = .playlistItems(.tracks)
        case (3, "playlists", "images"): self = .playlistImages
        case (1, let plural, _):
            guard let kind = Self.kind(plural) else { return nil }
            self = .batch(kind)
        case (2, let plural, _):
            guard let kind = Self.kind(plural) else { return nil }
            self = .object(kind)
        default: return nil
        }
    }

    private static func kind(_ plural: String) -> ObjectKind? {
        switch plural {
        case "tracks": .track
        case "albums": .album
        case "artists": .artist
        case "shows": .show
        case "episodes": .episode
        case "audiobooks": .audiobook
        case "chapters": .chapter
        default: nil
        }
    }

    /// Whether a caller may choose among the answer's members.
    var takesFields: Bool {
        switch self {
        case .playlist, .playlistItems: true
        default: false
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
        case .parts(let parts):
            return PartsQuestion(
                parts, of: try id(path, parts.parent), offset: try given.offset(), limit: try given.limit(default: 20, most: 50),
                market: market)
        case .artistAlbums:
            return ArtistAlbumsQuestion(
                id: try id(path, .artist), groups: try given.groups(), offset: try given.offset(),
                limit: try given.limit(default: 20, most: 50), market: market)
        case .playlist:
            let id = try id(path, .playlist)
            return given.wantsEpisodes
                ? PlaylistQuestion(id: id, market: market) : ObjectQuestion(.object(.playlist, id, market: market))
        case .playlistItems(let part):
            return PlaylistItemsQuestion(
                id: try id(path, .playlist), part: part, offset: try given.offset(),
                limit: try given.limit(default: 100, most: 100), market: market, hasEpisodes: given.wantsEpisodes,
                kept: try given.fields().map { [("fields", $0.text)] } ?? [])
        case .playlistImages: return ObjectQuestion(.playlistImages(try id(path, .playlist)))
        case .topTracks: return TopTracksQuestion(id: try id(path, .artist), market: market)
        case .search: return try given.search(in: market)
        }
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

    /// `market`, or `country` as it was called before.
    func market() throws(BadRequest) -> Market? {
        let country = try market(query["country"])
        return query["market"] == nil ? country : try market(query["market"])
    }

    private func market(_ text: String?) throws(BadRequest) -> Market? {
        guard let text, text != "from_token" else { return nil }
        guard let market = Market(text), market.code == text else { throw BadRequest(400, "Invalid market code") }
        return market
    }

    /// - Parameter least: 0 where the length alone may be asked for.
    func limit(default fallback: Int, least: Int = 1, most: Int) throws(BadRequest) -> Int {
        try number("limit", default: fallback, in: least...most)
    }

    func offset(most: Int = ListLimits.lastOffset) throws(BadRequest) -> Int { try number("offset", default: 0, in: 0...most) }

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

    /// Whether episodes are wanted as what they are, and not as tracks (`additional_types`).
    var wantsEpisodes: Bool { query["additional_types"].map { $0.split(separator: ",").contains("episode") } ?? false }

    /// nil where everything is wanted.
    func fields() throws(BadRequest) -> (filter: FieldFilter, text: String)? {
        guard let text = query["fields"], !text.isEmpty else { return nil }
        guard let filter = FieldFilter(text) else { throw BadRequest(400, "Invalid fields") }
        return (filter, text)
    }

    /// `q`, or `query` as links say, the Web API's and the mirror's own.
    func search(in market: Market?) throws(BadRequest) -> any Question {
        let query = query["q"] ?? query["query"] ?? ""
        guard let term = SearchTerm(query) else {
            let isLong = query.unicodeScalars.count > SearchTerm.longest
            throw BadRequest(400, isLong ? "Query exceeds maximum length of 250 characters" : "No search query")
        }
        let kinds = try kinds()
        let limit = try limit(default: 20, least: 0, most: 50)
        let offset = try offset(most: ListLimits.searchResults)
        return SearchQuestion(term: term, query: query, kinds: kinds, offset: offset, limit: limit, market: market)
    }

    private func kinds() throws(BadRequest) -> [ObjectKind] {
        let texts = (query["type"] ?? "").split(separator: ",")
        guard !texts.isEmpty else { throw BadRequest(400, "Missing parameter type") }
        var kinds: [ObjectKind] = []
        for text in texts {
            guard let kind = ObjectKind(rawValue: String(text)), ObjectKind.searchable.contains(kind) else {
                throw BadRequest(400, "Bad search type field \(text)")
            }
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
