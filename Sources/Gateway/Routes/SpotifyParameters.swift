import Catalog
import Spotify

/// The Web API's query parameters, with its defaults, bounds and messages.
struct SpotifyParameters {
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

/// Links that were pasted where an ID belongs arrive cut at their slashes; this puts them together again.
enum LinkFolding {
    /// `["tracks", "https:", "open.spotify.com", "intl-de", "track", "ID"]` becomes `["tracks", "https:/open.spotify.com/intl-de/track/ID"]`.
    /// The scheme may be missing. What follows the link stays a segment of its own.
    static func fold(_ path: [String]) -> [String] {
        guard path.count > 2 else { return path }
        let host = path[1] == "https:" || path[1] == "http:" ? 2 : 1
        guard host == 2 || path[1] == "open.spotify.com" else { return path }
        let isLocalised = path.count > host + 1 && path[host + 1].hasPrefix("intl-")
        let end = min(path.count, host + (isLocalised ? 4 : 3))
        return [path[0], path[1..<end].joined(separator: "/")] + path[end...]
    }
}
