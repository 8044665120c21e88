import Catalog
import Spotify

/// The Web API's query parameters, with its defaults, bounds and messages.
struct SpotifyParameters {
    private let query: Query

    init(query: Query) { self.query = query }

    func check() throws(BadRequest) {
        if query.isMalformed { throw BadRequest(400, "Malformed query") }
    }

    /// `market`, or `country` as it was called before.
    func market() throws(BadRequest) -> Market? {
        guard let text = query["market"] ?? query["country"], text != "from_token" else { return nil }
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
            throw BadRequest(400, query.unicodeScalars.count > SearchTerm.longest ? "Query exceeds maximum length" : "No search query")
        }
        let kinds = try kinds()
        let limit = try limit(default: 20, least: 0, most: 50)
        let offset = try offset(most: ListLimits.searchResults - 1)
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
