import Caching
import Catalog
import FastCGI
import Platform

/// `/cache/{name}/{key}` and `/cache/{name}`: the four caches for swingmusic's own code and for scripts. For the administrator alone.
struct CacheRoutes: RouteFamily {
    let caches: Caches
    let blockingWorker: BlockingWorker
    let includes: IncludeWatch

    let prefix = "/cache/"
    let tag = "cache"
    let label = Counter.Family.cache
    let about = """
        The four caches, for swingmusic's own code and for scripts: keys of at most 512 bytes, which may have slashes, and values of any \
        bytes up to 1 MiB. A key is what stands in the path as it is sent, decoded once: `a//b`, `a/./b` and `a/b` are three keys. A \
        path that names its cache otherwise than plainly is 400.
        """
    let errorFormat = ErrorFormat.plain
    let pathForm = PathTree.Form.asSent
    let longestBody = 1 << 20
    let notFound = "There is no such cache"
    let accessToNothing = Access.admin

    private static let mostKeyBytes = 512
    private static let name = Parameter.path("name", "The cache.", oneOf: CacheName.allCases.map(\.rawValue), example: "temp")
    private static let key = Parameter.path(
        "key", "The key; keys that begin with `catalog:` are the catalog's own and can only be read and deleted.",
        .text(least: 1, most: mostKeyBytes), example: "shelf:one")
    private static let lifetime = Parameter.query(
        "ttl", "How long it lives; the cache's own time when left out.", .text(pattern: "^[1-9][0-9]{0,5}(ms|s|m|h|d)$"),
        example: "90s")

    var routes: [Route] {
        [
            Route(
                .delete, "{name}", id: "clearCache", access: .admin, summary: "Clear a cache.",
                about: "The records of spotify become due and are served stale until they are fetched again.", parameters: [Self.name],
                answers: [.json(200, "How many entries.", .object(["cleared": .integer(0)]))] + Refusals.all([400, 401, 403, 404, 503]),
                handler: clear),
            entry(
                .get, id: "readEntry", summary: "Read an entry.",
                answers: [
                    DescribedAnswer(
                        200, "The value, byte for byte; a record of the catalog as its JSON.",
                        content: [("application/octet-stream", .anything), ("application/json", .anyObject)], headers: [.cacheStatus])
                ] + Refusals.all([400, 401, 403, 404, 503])
            ) { cache, key, _ in .now(answering { try read(cache, key) }) },
            entry(
                .put, id: "writeEntry", summary: "Write an entry.", more: [Self.lifetime],
                body: DescribedBody(type: "application/octet-stream", schema: .anything, example: "value", isOptional: true),
                answers: [DescribedAnswer(204, "Written.")] + Refusals.all([400, 401, 403, 404, 413, 503]), write),
            entry(
                .delete, id: "deleteEntry", summary: "Delete an entry.",
                answers: [DescribedAnswer(204, "Deleted.")] + Refusals.all([400, 401, 403, 404, 503])
            ) { cache, key, _ in
                writing(cache) { try caches.delete(cache, key, waits: false) ? Self.done() : errorFormat.error(404, "Not found") }
            },
        ]
    }

    private func entry(
        _ method: Route.Method, id: String, summary: String, more: [Parameter] = [], body: DescribedBody? = nil,
        answers: [DescribedAnswer],
        _ handler: @escaping @Sendable (CacheName, _ key: [UInt8], RoutedRequest) throws(BadRequest) -> Outcome
    ) -> Route {
        Route(
            method, "{name}/{key}", id: id, access: .admin, summary: summary, parameters: [Self.name, Self.key] + more, body: body,
            answers: answers
        ) { routed throws(BadRequest) in
            let cache = try cache(routed)
            let key = routed.given.rest(Self.key)
            guard key.count <= Self.mostKeyBytes else { throw BadRequest(400, "A key has at most \(Self.mostKeyBytes) bytes") }
            return try handler(cache, key, routed)
        }
    }

    private func cache(_ routed: RoutedRequest) throws(BadRequest) -> CacheName {
        includes.saw(rawPath: RawPath(routed.request) != nil)
        guard let cache = routed.given[Self.name].flatMap(CacheName.init) else { throw BadRequest(404, notFound) }
        return cache
    }

    @Sendable private func clear(_ routed: RoutedRequest) throws(BadRequest) -> Outcome {
        let cache = try cache(routed)
        return writing(cache) {
            let count = try caches.clear(cache, waits: false)
            return Response(status: 200, contentType: ErrorFormat.json, body: Array("{\"cleared\":\(count)}".utf8))
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

    private static func isCatalogs(_ key: [UInt8]) -> Bool { key.starts(with: Resource.cachePrefix.utf8) }

    private func read(_ cache: CacheName, _ key: [UInt8]) throws -> Response {
        guard let found = try caches.get(cache, key) else { return errorFormat.error(404, "Not found") }
        let record = Self.isCatalogs(key) ? Record(encoded: found.entry.value) : nil
        var response = Response(
            status: 200, contentType: record == nil ? "application/octet-stream" : MetadataResponse.json,
            body: record?.body ?? found.entry.value[...])
        response.add("Cache-Control", "no-store")
        response.add("X-Content-Type-Options", "nosniff")
        response.add(CacheStatus(found))
        return response
    }

    @Sendable private func write(_ cache: CacheName, _ key: [UInt8], _ routed: RoutedRequest) throws(BadRequest) -> Outcome {
        if Self.isCatalogs(key) { throw BadRequest(403, "The catalog's own entries cannot be written") }
        var ttl: Duration?
        if let text = routed.given[Self.lifetime] {
            guard let asked = Duration(setting: text), asked > .zero else { throw BadRequest(400, "ttl is a duration such as 90s") }
            ttl = asked
        }
        let value = routed.body
        return writing(cache) { [ttl] in
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
