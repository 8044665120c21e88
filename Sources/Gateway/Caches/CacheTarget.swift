import Caching
import FastCGI

/// What a path below `/cache/` names: a cache, and in it a key of any bytes.
struct CacheTarget {
    let cache: CacheName
    /// Empty for the cache itself.
    let key: [UInt8]

    private static let mostKeyBytes = 512

    /// - Parameter raw: nil with an nginx that does not hand it on; the key is then what nginx has made of the path.
    /// - Throws: 404 for a cache that is none; 400 for a key that is too long or malformed, and for a path that names its cache only after
    ///   nginx has resolved it.
    init(_ routed: Routed, _ raw: RawPath?) throws(BadRequest) {
        let parts = routed.rest.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let name = parts.first ?? ""
        let isKey = parts.count == 2
        var key = isKey ? Array(parts[1].utf8) : []
        if let raw {
            key = try raw.rest(after: Array("/cache/\(name)\(isKey ? "/" : "")".utf8))
            guard isKey || key.isEmpty else { throw BadRequest(400, "The path has escapes, dots or slashes that change what it names") }
        }
        guard let cache = CacheName(rawValue: String(name)) else { throw BadRequest(404, "There is no such cache") }
        guard key.count <= Self.mostKeyBytes else { throw BadRequest(400, "A key has at most \(Self.mostKeyBytes) bytes") }
        self.cache = cache
        self.key = key
    }
}
