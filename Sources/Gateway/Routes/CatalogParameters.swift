import Catalog
import FastCGI
import Spotify

/// How many of a list are wanted, clamped to what the route allows.
struct ClampedLimit: Sendable {
    let parameter: Parameter
    let usual: Int
    let most: Int

    init(usual: Int, most: Int) {
        self.usual = usual
        self.most = most
        parameter = .query(
            "limit", "How many: 1 to \(most), \(usual) when left out, clamped.", .either(WholeNumber.schema, .constant("")),
            example: .integer(usual))
    }
}

/// What a request of the web client carries besides its path: a query, or a JSON object as body.
struct CatalogParameters {
    private let routed: RoutedRequest

    init(_ routed: RoutedRequest) { self.routed = routed }

    func id(_ parameter: Parameter, _ kind: ObjectKind) throws(BadRequest) -> SpotifyID {
        guard let id = routed.given[parameter].flatMap({ SpotifyID($0, kind: kind) }) else { throw BadRequest(400, "Invalid Spotify id") }
        return id
    }

    /// What is no number is 400.
    func limit(_ limit: ClampedLimit) throws(BadRequest) -> Int {
        let given = routed.given
        if given.isMalformed { throw BadRequest(400, "The query is malformed") }
        guard let text = given[limit.parameter], !text.isEmpty else { return limit.usual }
        guard let number = WholeNumber.read(text) else { throw BadRequest(400, "limit must be a whole number") }
        return min(max(number, 1), limit.most)
    }

    // MARK: Search

    private static let text = BodyMember("query", .text(pattern: "\\S", least: 1, most: 300))
    private static let type = BodyMember("type", .oneOf(["all", "tracks", "albums", "artists", "playlists"]))
    private static let count = BodyMember("limit", WholeNumber.inBody)
    private static let offset = BodyMember(
        "offset", .either(.integer(0, 950), .text(pattern: "^(0|[1-9][0-9]?|[1-8][0-9]{2}|9[0-4][0-9]|950)$"), .null))

    static let search = DescribedBody.object(
        [text], optional: [type, count, offset], example: ["query": "Carly Rae Jepsen", "type": "all"])

    func search() throws(BadRequest) -> any Question {
        let body = try routed.object()
        let query = body.string(Self.text) ?? ""
        guard query.contains(where: { !$0.isWhitespace }) else { throw BadRequest(400, "Search query is required") }
        guard let term = SearchTerm(query) else { throw BadRequest(400, "The search query is too long") }
        let type = body.has(Self.type) ? body.string(Self.type) ?? "" : "all"
        guard let kinds = Self.kinds[type] else {
            throw BadRequest(400, "Invalid type. Must be one of: all, tracks, albums, artists, playlists")
        }
        let limit = min(max(try body.integer(Self.count) ?? 20, 1), 50)
        let offset = try body.integer(Self.offset) ?? 0
        guard (0...950).contains(offset) else { throw BadRequest(400, "offset must be from 0 to 950") }
        return ItemSearchQuestion(term: term, query: query, type: type, kinds: kinds, offset: offset, limit: limit)
    }

    private static let kinds: [String: [ObjectKind]] = [
        "all": ObjectKind.music, "tracks": [.track], "albums": [.album], "artists": [.artist], "playlists": [.playlist],
    ]

    // MARK: What is asked for here

    static let trend = Parameter.query("type", "What, tracks when left out.", .oneOf(["tracks", "albums", "artists"]), example: "albums")

    func trending(_ limit: ClampedLimit) throws(BadRequest) -> any Question {
        let limit = try self.limit(limit)
        let types: [String: ObjectKind] = ["tracks": .track, "albums": .album, "artists": .artist]
        guard let kind = types[routed.given[Self.trend] ?? "tracks"] else {
            throw BadRequest(400, "Invalid type. Must be one of: tracks, albums, artists")
        }
        return TrendingQuestion(kind: kind, limit: limit)
    }

    // MARK: Recommendations

    private static let artists = BodyMember("seed_artists", ids(.artist))
    private static let tracks = BodyMember("seed_tracks", ids(.track))
    private static let genres = BodyMember("seed_genres", .list(of: .text(pattern: "^[^\"]*$", most: 100), most: mostSeeds).orNull)

    private static func ids(_ kind: ObjectKind) -> Schema {
        .list(of: SpotifySchemas.naming(kind), most: mostSeeds).orNull
    }

    static func seeds(example: String) -> DescribedBody {
        .object(optional: [artists, tracks, genres, count], example: ["seed_artists": [.string(example)]])
    }

    func recommendations() throws(BadRequest) -> any Question {
        let body = try routed.object()
        return RecommendationsQuestion(
            artists: try seeds(Self.artists, .artist, body), tracks: try seeds(Self.tracks, .track, body),
            genres: try genres(body), limit: min(max(try body.integer(Self.count) ?? 20, 1), 100))
    }

    private static let mostSeeds = 50

    private func seeds(_ member: BodyMember, _ kind: ObjectKind, _ body: JSONObject) throws(BadRequest) -> [SpotifyID] {
        let texts = try body.strings(member)
        guard texts.count <= Self.mostSeeds else { throw BadRequest(400, "\(member.name) has more than \(Self.mostSeeds) seeds") }
        var ids: [SpotifyID] = []
        for text in texts {
            guard let id = SpotifyID(text, kind: kind) else { throw BadRequest(400, "\(member.name) has an invalid Spotify id") }
            ids.append(id)
        }
        return ids
    }

    private func genres(_ body: JSONObject) throws(BadRequest) -> [String] {
        let genres = try body.strings(Self.genres)
        guard genres.count <= Self.mostSeeds, genres.allSatisfy({ $0.unicodeScalars.count <= 100 && !$0.contains("\"") }) else {
            throw BadRequest(400, "seed_genres has too many genres, or none that is one")
        }
        return genres.filter { SearchTerm($0) != nil }
    }

    // MARK: Preferences

    private static let counts = Preferences.Count.all.map { (count: $0, member: BodyMember($0.name, WholeNumber.inBody)) }
    private static let explicit = BodyMember("show_explicit", .boolean.orNull)
    private static let markets = BodyMember(
        "preferred_markets", .list(of: .text(pattern: "^[A-Za-z]{2}$"), most: mostMarkets).orNull)
    private static let mostMarkets = 250

    static let preferences = DescribedBody.object(
        optional: counts.map(\.member) + [explicit, markets], example: ["max_top_tracks": 10])

    /// What the body asks for; what it does not name stays.
    func preferences() throws(BadRequest) -> @Sendable (inout Preferences) -> Void {
        let body = try routed.object()
        var counts: [(Preferences.Count, Int)] = []
        for (count, member) in Self.counts {
            if let value = try body.integer(member) { counts.append((count, value)) }
        }
        let showsExplicit = try body.bool(Self.explicit)
        let markets = body.has(Self.markets) ? try markets(body.strings(Self.markets)) : nil
        return { [counts] preferences in
            for (count, value) in counts { preferences.set(count, value) }
            if let showsExplicit { preferences.showsExplicit = showsExplicit }
            if let markets { preferences.markets = markets }
        }
    }

    private func markets(_ codes: [String]) throws(BadRequest) -> [Market] {
        guard codes.count <= Self.mostMarkets else { throw BadRequest(400, "preferred_markets has too many markets") }
        var markets: [Market] = []
        for code in codes {
            guard let market = Market(code) else { throw BadRequest(400, "preferred_markets has an invalid market") }
            if !markets.contains(market) { markets.append(market) }
        }
        return markets
    }
}
