import Caching
import Crypto
import Spotify

extension Resource {
    /// The prefix of the catalog's keys in the caches, which `/cache` can read but not write.
    public static let cachePrefix = "catalog:"

    /// The record's key in its cache.
    public var cacheKey: [UInt8] {
        var key: [UInt8] = []
        key.reserveCapacity(64)
        key.append(contentsOf: Self.cachePrefix.utf8)
        appendName(to: &key)
        return Self.fitted(key)
    }

    /// The resource whose record has this key; nil for keys of other things, and for a long search, whose key is only a hash.
    init?(cacheKey: [UInt8]) {
        guard let text = String(validating: cacheKey, as: UTF8.self), let name = text.dropPrefix(Self.cachePrefix) else { return nil }
        self.init(name: String(name))
    }

    /// A key below the prefix. Keys have an end at 512 bytes, which a search in a script of three bytes a letter may pass: what
    /// is too long is told apart by its SHA-256.
    static func key(_ name: String) -> [UInt8] { fitted(Array((cachePrefix + name).utf8)) }

    private static func fitted(_ whole: [UInt8]) -> [UInt8] {
        guard whole.count > Limits.keyBytes else { return whole }
        var key = Array("\(cachePrefix)long/".utf8)
        let digits = Array("0123456789abcdef".utf8)
        for byte in SHA256.hash(data: whole) { key += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
        return key
    }

    /// Shapes: `track/<id>`, `album-tracks/<id>/<offset>`, `artist-albums/<id>/<groups>/<offset>`,
    /// `playlist-items/<id>/<part>/<offset>`, `top-tracks/<id>`, `search/<kinds>/<offset>/<query>`;
    /// the family is followed by `@<market>` when there is one.
    public var name: String {
        var bytes: [UInt8] = []
        appendName(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The name in UTF-8. Piece by piece: a hit makes one, and putting texts together costs more than looking the record up.
    private func appendName(to bytes: inout [UInt8]) {
        func append(_ family: String, _ market: Market?, _ parts: String...) {
            bytes.append(contentsOf: family.utf8)
            if let market {
                bytes.append(UInt8(ascii: "@"))
                bytes.append(contentsOf: market.code.utf8)
            }
            for part in parts {
                bytes.append(UInt8(ascii: "/"))
                bytes.append(contentsOf: part.utf8)
            }
        }
        switch self {
        case .object(let kind, let id, let market): append(kind.rawValue, market, id.text)
        case .albumTracks(let id, let offset, let market): append("album-tracks", market, id.text, "\(offset)")
        case .artistAlbums(let id, let groups, let offset, let market): append("artist-albums", market, id.text, groups.text, "\(offset)")
        case .playlistItems(let id, let part, let offset, let market): append("playlist-items", market, id.text, part.rawValue, "\(offset)")
        case .topTracks(let id, let market): append("top-tracks", market, id.text)
        case .search(let term, let kinds, let offset, let market):
            append("search", market, kinds.map(\.rawValue).joined(separator: ","), "\(offset)", term.text)
        }
    }

    /// Reads a name back; nil when no `name` looks like that (a lookup of a newer version, say).
    public init?(name: String) {
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
        case ("album-tracks", 3): return offset(parts[2]).map { .albumTracks(id, offset: $0, market: market) }
        case ("top-tracks", 2): return .topTracks(id, market: market)
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

    private static func search(_ parts: [String], _ market: Market?) -> Resource? {
        let kinds = parts[1].split(separator: ",").compactMap { ObjectKind(rawValue: String($0)) }
        guard parts.count == 4, !kinds.isEmpty, let offset = offset(parts[2]), let term = SearchTerm(normalised: parts[3]) else {
            return nil
        }
        return .search(term, kinds: kinds, offset: offset, market: market)
    }

    private static func offset(_ text: String) -> Int? { Int(text).flatMap { (0...100_000).contains($0) ? $0 : nil } }
}
