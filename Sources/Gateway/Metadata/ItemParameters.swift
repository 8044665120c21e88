import Catalog
import FastCGI
import Spotify

/// What a request of the web client carries besides its path: a query, or a JSON object as body.
struct ItemParameters {
    private let routed: Routed

    init(_ routed: Routed) { self.routed = routed }

    /// Clamped to what the route allows; what is no number is 400.
    func limit(default fallback: Int, most: Int) throws(BadRequest) -> Int {
        guard let text = routed.query["limit"], !text.isEmpty else { return fallback }
        guard let number = Int(text) else { throw BadRequest(400, "limit must be a whole number") }
        return min(max(number, 1), most)
    }

    func search() throws(BadRequest) -> any Question {
        let body = try body()
        let query = body.string("query") ?? ""
        guard query.contains(where: { !$0.isWhitespace }) else { throw BadRequest(400, "Search query is required") }
        guard let term = SearchTerm(query) else { throw BadRequest(400, "The search query is too long") }
        let type = body.string("type") ?? "all"
        guard let kinds = Self.kinds[type] else {
            throw BadRequest(400, "Invalid type. Must be one of: all, tracks, albums, artists, playlists")
        }
        let limit = min(max(try body.integer("limit") ?? 20, 1), 50)
        let offset = try body.integer("offset") ?? 0
        guard (0...950).contains(offset) else { throw BadRequest(400, "offset must be from 0 to 950") }
        return ItemSearchQuestion(term: term, query: query, type: type, kinds: kinds, offset: offset, limit: limit)
    }

    private static let kinds: [String: [ObjectKind]] = [
        "all": ObjectKind.allCases, "tracks": [.track], "albums": [.album], "artists": [.artist], "playlists": [.playlist],
    ]

    /// - Throws: 400 for a body that is no JSON object.
    func body() throws(BadRequest) -> JSONObject {
        guard case let .bytes(bytes) = routed.request.body, let object = JSONObject(bytes) else {
            throw BadRequest(400, "The body must be a JSON object")
        }
        return object
    }
}
