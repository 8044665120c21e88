import Catalog
import FastCGI
import Spotify

/// What a request of the web client carries besides its path: a query, or a JSON object as body.
struct CatalogParameters {
    private let routed: RoutedRequest

    init(_ routed: RoutedRequest) { self.routed = routed }

    /// Clamped to what the route allows; what is no number is 400.
    func limit(default fallback: Int, most: Int) throws(BadRequest) -> Int {
        let query = routed.query
        if query.isMalformed { throw BadRequest(400, "The query is malformed") }
        guard let text = query["limit"], !text.isEmpty else { return fallback }
        guard let number = WholeNumber.read(text) else { throw BadRequest(400, "limit must be a whole number") }
        return min(max(number, 1), most)
    }

    func search() throws(BadRequest) -> any Question {
        let body = try body()
        let query = body.string("query") ?? ""
        guard query.contains(where: { !$0.isWhitespace }) else { throw BadRequest(400, "Search query is required") }
        guard let term = SearchTerm(query) else { throw BadRequest(400, "The search query is too long") }
        let type = body.has("type") ? body.string("type") ?? "" : "all"
        guard let kinds = Self.kinds[type] else {
            throw BadRequest(400, "Invalid type. Must be one of: all, tracks, albums, artists, playlists")
        }
        let limit = min(max(try body.integer("limit") ?? 20, 1), 50)
        let offset = try body.integer("offset") ?? 0
        guard (0...950).contains(offset) else { throw BadRequest(400, "offset must be from 0 to 950") }
        return ItemSearchQuestion(term: term, query: query, type: type, kinds: kinds, offset: offset, limit: limit)
    }

    func trending() throws(BadRequest) -> any Question {
        let limit = try limit(default: 20, most: 50)
        let types: [String: ObjectKind] = ["tracks": .track, "albums": .album, "artists": .artist]
        guard let kind = types[routed.query["type"] ?? "tracks"] else {
            throw BadRequest(400, "Invalid type. Must be one of: tracks, albums, artists")
        }
        return TrendingQuestion(kind: kind, limit: limit)
    }

    func recommendations() throws(BadRequest) -> any Question {
        let body = try body()
        return RecommendationsQuestion(
            artists: try seeds("seed_artists", .artist, body), tracks: try seeds("seed_tracks", .track, body),
            genres: try genres(body), limit: min(max(try body.integer("limit") ?? 20, 1), 100))
    }

    private static let mostSeeds = 50

    private func seeds(_ name: String, _ kind: ObjectKind, _ body: JSONObject) throws(BadRequest) -> [SpotifyID] {
        let texts = try body.strings(name)
        guard texts.count <= Self.mostSeeds else { throw BadRequest(400, "\(name) has more than \(Self.mostSeeds) seeds") }
        var ids: [SpotifyID] = []
        for text in texts {
            guard let id = SpotifyID(text, kind: kind) else { throw BadRequest(400, "\(name) has an invalid Spotify id") }
            ids.append(id)
        }
        return ids
    }

    private func genres(_ body: JSONObject) throws(BadRequest) -> [String] {
        let genres = try body.strings("seed_genres")
        guard genres.count <= Self.mostSeeds, genres.allSatisfy({ $0.unicodeScalars.count <= 100 && !$0.contains("\"") }) else {
            throw BadRequest(400, "seed_genres has too many genres, or none that is one")
        }
        return genres.filter { SearchTerm($0) != nil }
    }

    private static let kinds: [String: [ObjectKind]] = [
        "all": ObjectKind.music, "tracks": [.track], "albums": [.album], "artists": [.artist], "playlists": [.playlist],
    ]

    /// - Throws: 400 for a body that is no JSON object.
    func body() throws(BadRequest) -> JSONObject {
        guard case .bytes(let bytes) = routed.request.body, let object = JSONObject(bytes) else {
            throw BadRequest(400, "The body must be a JSON object")
        }
        return object
    }
}
