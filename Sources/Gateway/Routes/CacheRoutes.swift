import Caching
import Catalog
import FastCGI
import Platform

/// `/cache/{name}/{key}` and `/cache/{name}`: the four caches for swingmusic's own code and for scripts. For the administrator alone.
struct CacheRoutes: RouteFamily {
    let caches: Caches
    let accessControl: AccessControl
    let blockingWorker: BlockingWorker
    let includes: IncludeWatch
    let errorFormat = ErrorFormat.plain
    static let access = Access.admin

    private static let mostValueBytes = 1 << 20

    func bodyPolicy(_ routed: RoutedRequest) -> BodyPolicy { .read(limit: Self.mostValueBytes) }

    func answer(_ routed: RoutedRequest) -> Outcome {
        accessControl.admit(routed, to: Self.access, of: self) { _ in admitted(routed) }
    }

    private func admitted(_ routed: RoutedRequest) -> Outcome {
        let raw = RawPath(routed.request)
        includes.saw(rawPath: raw != nil)
        do throws(BadRequest) {
            let target = try CacheTarget(routed, raw)
            return target.key.isEmpty ? clear(target.cache, routed.request) : entry(target.cache, target.key, routed)
        } catch {
            return .now(errorFormat.error(error.status, error.message))
        }
    }

    private func clear(_ cache: CacheName, _ request: Request) -> Outcome {
        guard request.method == .delete else { return .now(errorFormat.methodNotAllowed("DELETE")) }
        return writing(cache) {
            let count = try caches.clear(cache, waits: false)
            return Response(status: 200, contentType: ErrorFormat.json, body: Array("{\"cleared\":\(count)}".utf8))
        }
    }

    private func entry(_ cache: CacheName, _ key: [UInt8], _ routed: RoutedRequest) -> Outcome {
        let isCatalogs = key.starts(with: Resource.cachePrefix.utf8)
        switch routed.request.method {
        case .get, .head: return .now(answering { try read(cache, key, isCatalogs, isHead: routed.request.method == .head) })
        case .put where isCatalogs: return .now(errorFormat.error(403, "The catalog's own entries cannot be written"))
        case .put: return write(cache, key, routed)
        case .delete:
            return writing(cache) { try caches.delete(cache, key, waits: false) ? Self.done() : errorFormat.error(404, "Not found") }
        default: return .now(errorFormat.methodNotAllowed("GET, HEAD, PUT, DELETE"))
        }
    }

    /// SQLite may keep a writer waiting, and the disk one whose write is to outlive a power cut; never an event thread.
    private func writing(_ cache: CacheName, _ write: @escaping @Sendable () throws -> Response) -> Outcome {
        blockingWorker.begin(errorFormat) { reply in
            let response = answering(write)
            caches.whenSettled(cache) { fault in reply(fault.map { errorFormat.unavailable("\($0)", retryAfter: .seconds(10)) } ?? response)
            }
        }
    }

    private func answering(_ make: () throws -> Response) -> Response {
        do { return try make() } catch { return errorFormat.unavailable("\(error)", retryAfter: .seconds(10)) }
    }

    private func read(_ cache: CacheName, _ key: [UInt8], _ isCatalogs: Bool, isHead: Bool) throws -> Response {
        guard let found = try caches.get(cache, key) else {
            var response = errorFormat.error(404, "Not found")
            response.omitsBody = isHead
            return response
        }
        let record = isCatalogs ? Record(encoded: found.entry.value) : nil
        var response = Response(
            status: 200, contentType: record == nil ? "application/octet-stream" : MetadataResponse.json,
            body: record?.body ?? found.entry.value[...])
        response.omitsBody = isHead
        response.add("Cache-Control", "no-store")
        response.add("X-Content-Type-Options", "nosniff")
        response.add(CacheStatus(found))
        return response
    }

    private func write(_ cache: CacheName, _ key: [UInt8], _ routed: RoutedRequest) -> Outcome {
        var ttl: Duration?
        if let text = routed.query["ttl"] {
            guard let asked = Duration(setting: text), asked > .zero else {
                return .now(errorFormat.error(400, "ttl is a duration such as 90s"))
            }
            ttl = asked
        }
        var value: [UInt8] = []
        if case .bytes(let bytes) = routed.request.body { value = bytes }
        return writing(cache) { [ttl, value] in
            try caches.put(cache, key, value, ttl: ttl, waits: false)
            return Self.done()
        }
    }

    private static func done() -> Response {
        var response = Response(status: 204)
        response.add("Cache-Control", "no-store")
        return response
    }
}

/// What a path below `/cache/` names: a cache, and in it a key of any bytes.
struct CacheTarget {
    let cache: CacheName
    /// Empty for the cache itself.
    let key: [UInt8]

    private static let mostKeyBytes = 512

    /// - Parameter raw: nil with an nginx that does not hand it on; the key is then what nginx has made of the path.
    /// - Throws: 404 for a cache that is none; 400 for a key that is too long or malformed, and for a path that names its cache only after
    ///   nginx has resolved it.
    init(_ routed: RoutedRequest, _ raw: RawPath?) throws(BadRequest) {
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
