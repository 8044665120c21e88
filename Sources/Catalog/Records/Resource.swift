import Caching
import Crypto
import Platform
import Spotify

/// One thing that Spotify can be asked for in one call.
///
/// Its `name` is the key of its record in the caches (below `catalog:`), of its lookup in the limiter, and of those who wait
/// for it; every process of a host reads it the same way.
public enum Resource: Hashable, Sendable {
    /// `GET /v1/{tracks,albums,artists,playlists,shows,episodes,audiobooks,chapters}/{id}`.
    case object(ObjectKind, SpotifyID, market: Market?)
    /// `GET /v1/albums/{id}/tracks` and its like, a page of 50; the first stands in the object itself.
    case parts(ObjectParts, SpotifyID, offset: Int, market: Market?)
    /// `GET /v1/artists/{id}/albums`, a page of 50.
    case artistAlbums(SpotifyID, groups: AlbumGroups, offset: Int, market: Market?)
    /// `GET /v1/playlists/{id}/items`, a page of 50 (`/tracks` for accounts in extended mode); the first 100 stand in the playlist itself.
    case playlistItems(SpotifyID, PlaylistPart, offset: Int, market: Market?)
    /// `GET /v1/search`, a page of 10.
    case search(SearchTerm, kinds: [ObjectKind], offset: Int, market: Market?)
    /// `GET /v1/artists/{id}/top-tracks`; closed in development mode.
    case topTracks(SpotifyID, market: Market?)
    /// `GET /v1/playlists/{id}/images`.
    case playlistImages(SpotifyID)
    /// A playlist or a page of its items, asked for with `additional_types=track,episode`: else Spotify makes tracks of episodes.
    indirect case withEpisodes(Resource)
    /// What the connected account's owner keeps from others of a playlist: it is asked for as that account alone, and lies apart (`PrivateRecords`).
    indirect case kept(Resource)

    static func albumTracks(_ id: SpotifyID, offset: Int, market: Market?) -> Resource {
        .parts(.albumTracks, id, offset: offset, market: market)
    }

    /// The prefix of the catalog's keys in the caches, which `/cache` can read but not write.
    public static let cachePrefix = "catalog:"

    /// The record's key in its cache.
    public var cacheKey: [UInt8] {
        var key: [UInt8] = []
        key.reserveCapacity(64)
        key.append(contentsOf: Self.cachePrefix.utf8)
        appendName(to: &key, asKey: true)
        return Self.fitted(key)
    }

    /// The key of what Spotify answered instead of it.
    var denialKey: [UInt8] {
        var key = Array("\(Self.cachePrefix)denied/".utf8)
        appendName(to: &key, asKey: true)
        return Self.fitted(key)
    }

    /// The resource whose record has this key; nil for keys of other things, and for a long search, whose key is only a hash. Of a
    /// search, what was typed is lost.
    init?(cacheKey: [UInt8]) {
        guard let text = String(validating: cacheKey, as: UTF8.self), let name = text.dropPrefix(Self.cachePrefix) else { return nil }
        self.init(name: String(name))
    }

    /// A key below the prefix. Keys have an end at 512 bytes, which a search in a script of three bytes a letter may pass: what
    /// is too long is told apart by its SHA-256.
    static func key(_ name: String) -> [UInt8] { fitted(Array((cachePrefix + name).utf8)) }

    private static func fitted(_ whole: [UInt8]) -> [UInt8] {
        guard whole.count > EntryLimits.keyBytes else { return whole }
        return Array("\(cachePrefix)long/\(Hexadecimal.text(SHA256.hash(data: whole)))".utf8)
    }

    /// Shapes: `track/<id>`, `album-tracks/<id>/<offset>`, `artist-albums/<id>/<groups>/<offset>`,
    /// `show-episodes/<id>/<offset>`, `audiobook-chapters/<id>/<offset>`, `playlist-items/<id>/<part>/<offset>`,
    /// `playlist-images/<id>`, `top-tracks/<id>`, `search/<kinds>/<offset>/<query>`; the family is followed by `@<market>` when there
    /// is one. `with-episodes/` stands before a playlist's, `private/` before one that its owner keeps from others. A search is named as it was typed, so that every process can send that;
    /// its record has the query's key in the name's place.
    public var name: String {
        var bytes: [UInt8] = []
        appendName(to: &bytes, asKey: false)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The name in UTF-8. Piece by piece: a hit makes one, and putting texts together costs more than looking the record up.
    private func appendName(to bytes: inout [UInt8], asKey: Bool) {
        func append(_ family: String, _ market: Market?, _ first: String) {
            bytes.append(contentsOf: family.utf8)
            if let market {
                bytes.append(UInt8(ascii: "@"))
                bytes.append(contentsOf: market.code.utf8)
            }
            append(first)
        }
        func append(_ part: String) {
            bytes.append(UInt8(ascii: "/"))
            bytes.append(contentsOf: part.utf8)
        }
        switch self {
        case .object(let kind, let id, let market): append(kind.rawValue, market, id.text)
        case .parts(let parts, let id, let offset, let market):
            append(parts.rawValue, market, id.text)
            append("\(offset)")
        case .artistAlbums(let id, let groups, let offset, let market):
            append("artist-albums", market, id.text)
            append(groups.text)
            append("\(offset)")
        case .playlistItems(let id, let part, let offset, let market):
            append("playlist-items", market, id.text)
            append(part.rawValue)
            append("\(offset)")
        case .topTracks(let id, let market): append("top-tracks", market, id.text)
        case .search(let term, let kinds, let offset, let market):
            append("search", market, kinds.map(\.rawValue).joined(separator: ","))
            append("\(offset)")
            append(asKey ? term.key : term.typed)
        case .playlistImages(let id): append("playlist-images", nil, id.text)
        case .withEpisodes(let resource):
            bytes.append(contentsOf: Self.episodesPrefix.utf8)
            resource.appendName(to: &bytes, asKey: asKey)
        case .kept(let resource):
            bytes.append(contentsOf: Self.privatePrefix.utf8)
            resource.appendName(to: &bytes, asKey: asKey)
        }
    }

    /// Asks for a playlist with its episodes as what they are.
    static let episodes = (name: "additional_types", value: "track,episode")

    private static let episodesPrefix = "with-episodes/"
    private static let privatePrefix = "private/"

    /// Reads a name back; nil when no `name` looks like that (a lookup of a newer version, say).
    public init?(name: String) {
        if let rest = name.dropPrefix(Self.privatePrefix) {
            guard let resource = Resource(name: String(rest)), resource.playlist != nil, !resource.isKept else { return nil }
            self = .kept(resource)
            return
        }
        if let rest = name.dropPrefix(Self.episodesPrefix) {
            guard let resource = Resource(name: String(rest)), resource.mayHoldEpisodes else { return nil }
            self = .withEpisodes(resource)
            return
        }
        let parts = name.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
        guard parts.count >= 2 else { return nil }
        let head = parts[0].split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        let market = head.count == 2 ? Market(head[1]) : nil
        guard head.count == 1 || market != nil, let family = head.first.map(String.init) else { return nil }
        guard let resource = Self.read(family, parts, market) else { return nil }
        self = resource
    }

    private static func read(_ family: String, _ parts: [String], _ market: Market?) -> Resource? {
        if family == "search" { return search(parts, market) }
        guard let id = SpotifyID(parts[1]) else { return nil }
        switch (family, parts.count) {
        case (_, 3): return part(family, id, parts[2], market)
        case ("top-tracks", 2): return .topTracks(id, market: market)
        case ("playlist-images", 2): return market == nil ? .playlistImages(id) : nil
        case ("artist-albums", 4):
            guard let groups = parts[2].isEmpty ? .all : AlbumGroups(parts[2]), let offset = offset(parts[3]) else { return nil }
            return .artistAlbums(id, groups: groups, offset: offset, market: market)
        case ("playlist-items", 4):
            guard let part = PlaylistPart(rawValue: parts[2]), let offset = offset(parts[3]) else { return nil }
            return .playlistItems(id, part, offset: offset, market: market)
        case (_, 2): return ObjectKind(rawValue: family).map { .object($0, id, market: market) }
        default: return nil
        }
    }

    private static func part(_ family: String, _ id: SpotifyID, _ text: String, _ market: Market?) -> Resource? {
        guard let parts = ObjectParts(rawValue: family), let offset = offset(text) else { return nil }
        return .parts(parts, id, offset: offset, market: market)
    }

    /// Whether it is one of those that `withEpisodes` is about.
    var mayHoldEpisodes: Bool {
        switch self {
        case .object(.playlist, _, _), .playlistItems: true
        default: false
        }
    }

    var isKept: Bool { if case .kept = self { true } else { false } }

    /// The same for everybody.
    var open: Resource { if case .kept(let plain) = self { plain } else { self } }

    /// The market that it names.
    var market: Market? {
        switch self {
        case .object(_, _, let market), .parts(_, _, _, let market), .artistAlbums(_, _, _, let market),
            .playlistItems(_, _, _, let market), .search(_, _, _, let market), .topTracks(_, let market):
            market
        case .playlistImages: nil
        case .withEpisodes(let plain), .kept(let plain): plain.market
        }
    }

    private static func search(_ parts: [String], _ market: Market?) -> Resource? {
        let kinds = parts[1].split(separator: ",").compactMap { ObjectKind(rawValue: String($0)) }
        guard parts.count == 4, !kinds.isEmpty, let offset = offset(parts[2]), let term = SearchTerm(parts[3]) else {
            return nil
        }
        return .search(term, kinds: kinds, offset: offset, market: market)
    }

    private static func offset(_ text: String) -> Int? { Int(text).flatMap { (0...100_000).contains($0) ? $0 : nil } }

    /// The request target for the Web API, starting with `/v1/`.
    /// - Parameters:
    ///   - own: the account's market (`SPOTIFY_MARKET`), used where the resource names none.
    ///   - isExtended: a search asks for as much as extended mode gives, in place of one page.
    public func target(market own: Market?, isExtended: Bool = false) -> String {
        let (path, query, market) = question(own, isExtended)
        let all = query + (market.map { [("market", $0.code)] } ?? [])
        guard !all.isEmpty else { return "/v1/" + path }
        // The comma stays, as in the Web API's examples.
        return "/v1/\(path)?" + all.map { "\($0)=\(PercentEncoding.encode($1, keeping: ","))" }.joined(separator: "&")
    }

    private typealias Target = (path: String, query: [(String, String)], market: Market?)

    private func question(_ own: Market?, _ isExtended: Bool) -> Target {
        switch self {
        case .object(let kind, let id, let market): return ("\(kind.plural)/\(id.text)", [], kind == .artist ? nil : market ?? own)
        case .parts(let parts, let id, let offset, let market):
            return ("\(parts.parent.plural)/\(id.text)/\(parts.name)", Self.page(offset, PageSize.list), market ?? own)
        case .artistAlbums(let id, let groups, let offset, let market):
            let choice = groups.names.isEmpty ? [] : [("include_groups", groups.text)]
            return ("artists/\(id.text)/albums", choice + Self.page(offset, PageSize.list), market ?? own)
        case .playlistItems(let id, let part, let offset, let market):
            return ("playlists/\(id.text)/\(part.rawValue)", Self.page(offset, PageSize.list), market ?? own)
        case .topTracks(let id, let market): return ("artists/\(id.text)/top-tracks", [], market ?? own)
        case .search(let term, let kinds, let offset, let market):
            let asked = [("q", term.typed), ("type", kinds.map(\.rawValue).joined(separator: ","))]
            let most = max(PageSize.search, min(PageSize.list, ListLimits.searchResults - offset))
            return ("search", asked + Self.page(offset, isExtended ? most : PageSize.search), market ?? own)
        case .playlistImages(let id): return ("playlists/\(id.text)/images", [], nil)
        case .withEpisodes(let resource):
            let target = resource.question(own, isExtended)
            return (target.path, [Self.episodes] + target.query, target.market)
        case .kept(let resource): return resource.question(own, isExtended)
        }
    }

    private static func page(_ offset: Int, _ limit: Int) -> [(String, String)] {
        [("limit", "\(limit)")] + (offset > 0 ? [("offset", "\(offset)")] : [])
    }
}

/// What an object holds in pages, by the name of the family of their records.
public enum ObjectParts: String, Hashable, Sendable {
    case albumTracks = "album-tracks"
    case showEpisodes = "show-episodes"
    case audiobookChapters = "audiobook-chapters"

    /// What holds them.
    public var parent: ObjectKind {
        switch self {
        case .albumTracks: .album
        case .showEpisodes: .show
        case .audiobookChapters: .audiobook
        }
    }

    /// The member of the object that is their first page, and the last part of their path.
    public var name: String {
        switch self {
        case .albumTracks: "tracks"
        case .showEpisodes: "episodes"
        case .audiobookChapters: "chapters"
        }
    }

    init?(of kind: ObjectKind) {
        switch kind {
        case .album: self = .albumTracks
        case .show: self = .showEpisodes
        case .audiobook: self = .audiobookChapters
        default: return nil
        }
    }
}

/// What development mode calls `items` and extended mode `tracks`.
public enum PlaylistPart: String, Hashable, Sendable, CaseIterable {
    case tracks, items

    /// The member of an element that holds the track.
    var element: String { self == .items ? "item" : "track" }

    /// What the other mode calls it.
    var other: PlaylistPart { self == .items ? .tracks : .items }
}

/// The sizes of the pages that are asked upstream and kept as records.
public enum PageSize {
    /// The most that the Web API gives of an album's tracks, an artist's albums, a playlist's items and the like.
    public static let list = 50
    /// The most that search gives in development mode. In extended mode it gives 50, which are kept as five pages.
    public static let search = 10
}

/// How far lists may be asked for.
public enum ListLimits {
    /// No list of Spotify's is longer.
    public static let lastOffset = 100_000
    /// Search gives a thousand results of a kind.
    public static let searchResults = 1000
}

/// A choice among an artist's albums (`include_groups`); all of them when empty.
public struct AlbumGroups: Hashable, Sendable {
    /// In the Web API's order.
    public static let known = ["album", "single", "compilation", "appears_on"]
    public let names: [String]

    public static let all = AlbumGroups(names: [])

    /// nil when a name is not known.
    public init?(_ text: String) {
        let asked = Set(text.split(separator: ",").map(String.init))
        guard !asked.isEmpty, asked.isSubset(of: Self.known) else { return nil }
        names = asked.count == Self.known.count ? [] : Self.known.filter(asked.contains)
    }

    private init(names: [String]) { self.names = names }

    var text: String { names.joined(separator: ",") }
}

/// A country, ISO 3166-1 alpha-2 in upper case, as the Web API's `market` parameter takes it.
public struct Market: Hashable, Sendable {
    public let code: String

    /// Takes two ASCII letters of either case; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 2, text.utf8.allSatisfy({ (0x41...0x5A).contains($0 & 0xDF) && $0 >= 0x41 }) else {
            return nil
        }
        code = text.uppercased()
    }
}
