import Caching
import Catalog
import FastCGI

/// `/cache/{name}/{key}` and `/cache/{name}`: the four caches for swingmusic's own code and for scripts. For the administrator alone.
struct CacheRoutes: RouteFamily {
    let caches: Caches
    let door: Doorkeeper
    let dialect = Dialect.plain

    private static let mostValueBytes = 1 << 20
    private static let mostKeyBytes = 512

    func bodyPolicy(_ routed: Routed) -> BodyPolicy { .read(limit: Self.mostValueBytes) }

    func answer(_ routed: Routed) -> Outcome {
        .now(door.refuseUnlessAdmin(routed.request, dialect) ?? respond(routed))
    }

    private func respond(_ routed: Routed) -> Response {
        let parts = routed.rest.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let cache = CacheName(rawValue: String(parts[0])) else { return dialect.error(404, "There is no such cache") }
        let key = parts.count == 2 ? Array(parts[1].utf8) : []
        guard key.count <= Self.mostKeyBytes else { return dialect.error(400, "A key has at most \(Self.mostKeyBytes) bytes") }
        do {
            return key.isEmpty ? try clear(cache, routed.request) : try entry(cache, key, routed)
        } catch let error as CacheError {
            return refusal(error)
        } catch {
            return dialect.error(500, "\(error)")
        }
    }

    private func clear(_ cache: CacheName, _ request: Request) throws -> Response {
        guard request.method == .delete else { return dialect.methodNotAllowed("DELETE") }
        var writer = "{\"cleared\":"
        writer += "\(try caches.clear(cache))}"
        return Response(status: 200, contentType: Dialect.json, body: Array(writer.utf8))
    }

    private func entry(_ cache: CacheName, _ key: [UInt8], _ routed: Routed) throws -> Response {
        let isCatalogs = key.starts(with: Resource.cachePrefix.utf8)
        switch routed.request.method {
        case .get, .head: return try read(cache, key, isCatalogs, isHead: routed.request.method == .head)
        case .put where isCatalogs: return dialect.error(403, "The catalog's own entries cannot be written")
        case .put: return try write(cache, key, routed)
        case .delete: return try caches.delete(cache, key) ? done() : dialect.error(404, "Not found")
        default: return dialect.methodNotAllowed("GET, HEAD, PUT, DELETE")
        }
    }

    private func read(_ cache: CacheName, _ key: [UInt8], _ isCatalogs: Bool, isHead: Bool) throws -> Response {
        guard let found = try caches.get(cache, key) else {
            var response = dialect.error(404, "Not found")
            response.omitsBody = isHead
            return response
        }
        let record = isCatalogs ? Record(encoded: found.entry.value) : nil
        var response = Response(
            status: 200, contentType: record == nil ? "application/octet-stream" : MetadataAnswer.json,
            body: record?.body ?? found.entry.value)
        response.omitsBody = isHead
        response.add("Cache-Control", "no-store")
        response.add("X-Content-Type-Options", "nosniff")
        response.add("Cache-Status", bytes: CacheStatus.hit(found))
        return response
    }

    private func write(_ cache: CacheName, _ key: [UInt8], _ routed: Routed) throws -> Response {
        var ttl: Duration?
        if let text = routed.query["ttl"] {
            guard let asked = Duration(setting: text), asked > .zero else { return dialect.error(400, "ttl is a duration such as 90s") }
            ttl = asked
        }
        switch routed.request.body {
        case let .bytes(value): try caches.put(cache, key, value, ttl: ttl)
        case .none, .ignored: try caches.put(cache, key, [], ttl: ttl)
        case .tooLarge: return dialect.error(413, "The body is too large")
        }
        return done()
    }

    private func done() -> Response {
        var response = Response(status: 204)
        response.add("Cache-Control", "no-store")
        return response
    }

    private func refusal(_ error: CacheError) -> Response {
        dialect.unavailable("\(error)", retryAfter: .seconds(10))
    }
}
