import Catalog
import Spotify

/// The Web API's query parameters, with its defaults, bounds and messages.
extension Parameter {
    static func id(_ kind: ObjectKind, example: String) -> Parameter {
        let name = kind.rawValue
        return .path(
            "id", "The \(name)'s id, URI or link.", SpotifySchemas.naming(kind), example: .string(example))
    }

    static func ids(_ kind: ObjectKind, most: Int, example: String) -> Parameter {
        .query(
            "ids", "Ids, URIs or links, by comma.", .list(of: SpotifySchemas.naming(kind), least: 1, most: most), isRequired: true,
            isList: true,
            example: [.string(example)])
    }

    static let market = Parameter.query(
        "market", "ISO 3166-1 alpha-2 in capitals; SPOTIFY_MARKET when left out.", .text(pattern: "^([A-Z]{2}|from_token)$"), example: "SE")
    static let country = Parameter.query(
        "country", "The older name of market, which wins.", .text(pattern: "^([A-Z]{2}|from_token)$"), example: "SE")
    static let types = Parameter.query(
        "additional_types", "With episode in it, episodes come as what they are; else as tracks.", .text, example: "track,episode")
    static let fields = Parameter.query(
        "fields", "Which members are wanted: names by comma, a dot or parentheses lead into one, ! leaves out.", .text,
        example: "name,tracks.items(track(name,album(!images)))")
    static let groups = Parameter.query(
        "include_groups", "Which albums; all when left out or empty. One that is there twice counts once.",
        .list(of: .oneOf(["album", "single", "compilation", "appears_on"])), isList: true, example: ["album", "single"])
    /// Links call it `query`.
    static let searched = Parameter.query(
        "q", "What is searched for.", .text(pattern: "\\S", least: 1, most: 300), isRequired: true, others: ["query"],
        example: "Carly Rae Jepsen")
    static let kinds = Parameter.query(
        "type", "Which kinds. One that is there twice counts once.",
        .list(of: .oneOf(["album", "artist", "playlist", "track", "show", "episode", "audiobook"]), least: 1),
        isRequired: true, isList: true, example: ["track", "artist"])
}

/// Which part of a list is asked for.
struct ListWindow: Sendable {
    let limit: Parameter
    let offset: Parameter
    let usual: Int
    let limits: ClosedRange<Int>
    let offsets: ClosedRange<Int>

    /// - Parameters:
    ///   - usual: how many when it is left out.
    ///   - limitAbout: what the description says of how many.
    init(
        usual: Int, least: Int = 1, most: Int, limitAbout: String? = nil, lastOffset: Int = ListLimits.lastOffset,
        offsetAbout: String = "The place of the first, from 0."
    ) {
        self.usual = usual
        limits = least...most
        offsets = 0...lastOffset
        limit = .query("limit", limitAbout ?? "How many, \(usual) when left out.", .integer(least, most), example: .integer(usual))
        offset = .query("offset", offsetAbout, .integer(0, lastOffset), example: 0)
    }

    var parameters: [Parameter] { [limit, offset] }

    /// Of each kind. Without any the length alone is asked for.
    static let search = ListWindow(
        usual: 20, least: 0, most: 50, limitAbout: "How many of each kind, 20 when left out; 0 for the totals alone.",
        lastOffset: ListLimits.searchResults, offsetAbout: "The place of the first, from 0; there are a thousand.")
}

/// What a request of the Web API's clients gives, read as the Web API reads it.
struct SpotifyParameters {
    private let given: GivenParameters

    init(_ given: GivenParameters) throws(BadRequest) {
        if given.isMalformed { throw BadRequest(400, "Malformed query") }
        self.given = given
    }

    func id(_ parameter: Parameter, _ kind: ObjectKind) throws(BadRequest) -> SpotifyID {
        guard let id = given[parameter].flatMap({ SpotifyID($0, kind: kind) }) else { throw BadRequest(400, "Invalid base62 id") }
        return id
    }

    func ids(_ parameter: Parameter, _ kind: ObjectKind, most: Int) throws(BadRequest) -> [SpotifyID] {
        let texts = (given[parameter] ?? "").split(separator: ",")
        guard !texts.isEmpty else { throw BadRequest(400, "Missing required field: ids") }
        guard texts.count <= most else { throw BadRequest(400, "Too many ids requested") }
        var ids: [SpotifyID] = []
        for text in texts {
            guard let id = SpotifyID(String(text), kind: kind) else { throw BadRequest(400, "Invalid base62 id") }
            ids.append(id)
        }
        return ids
    }

    /// `market`, or `country` as it was called before.
    func market() throws(BadRequest) -> Market? {
        let country = try market(given[.country])
        guard let text = given[.market] else { return country }
        return try market(text)
    }

    private func market(_ text: String?) throws(BadRequest) -> Market? {
        guard let text, text != "from_token" else { return nil }
        guard let market = Market(text), market.code == text else { throw BadRequest(400, "Invalid market code") }
        return market
    }

    func window(_ window: ListWindow) throws(BadRequest) -> (offset: Int, limit: Int) {
        let offset = try number(window.offset, default: 0, in: window.offsets)
        return (offset, try number(window.limit, default: window.usual, in: window.limits))
    }

    func groups() throws(BadRequest) -> AlbumGroups {
        guard let text = given[.groups], !text.isEmpty else { return .all }
        guard let groups = AlbumGroups(text) else { throw BadRequest(400, "Invalid include_groups") }
        return groups
    }

    /// Whether episodes are wanted as what they are, and not as tracks (`additional_types`).
    var wantsEpisodes: Bool { given[.types].map { $0.split(separator: ",").contains("episode") } ?? false }

    /// nil where everything is wanted.
    func fields() throws(BadRequest) -> (filter: FieldFilter, text: String)? {
        guard let text = given[.fields], !text.isEmpty else { return nil }
        guard let filter = FieldFilter(text) else { throw BadRequest(400, "Invalid fields") }
        return (filter, text)
    }

    func search(in market: Market?) throws(BadRequest) -> any Question {
        let query = given[.searched] ?? ""
        guard let term = SearchTerm(query) else {
            let isLong = query.unicodeScalars.count > SearchTerm.longest
            throw BadRequest(400, isLong ? "Query exceeds maximum length of 250 characters" : "No search query")
        }
        let kinds = try searchedKinds()
        let limit = try number(ListWindow.search.limit, default: ListWindow.search.usual, in: ListWindow.search.limits)
        let offset = try number(ListWindow.search.offset, default: 0, in: ListWindow.search.offsets)
        return SearchQuestion(term: term, query: query, kinds: kinds, offset: offset, limit: limit, market: market)
    }

    private func searchedKinds() throws(BadRequest) -> [ObjectKind] {
        let texts = (given[.kinds] ?? "").split(separator: ",")
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

    private func number(_ parameter: Parameter, default fallback: Int, in range: ClosedRange<Int>) throws(BadRequest) -> Int {
        guard let text = given[parameter] else { return fallback }
        guard let number = WholeNumber.read(text), range.contains(number) else { throw BadRequest(400, "Invalid \(parameter.name)") }
        return number
    }
}
