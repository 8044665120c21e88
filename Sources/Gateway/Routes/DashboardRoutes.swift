import Caching
import FastCGI
import JSON
import Platform

/// `/dragonfly/...`: the web client's dashboard of the store and the caches. For the administrator alone.
struct DashboardRoutes: RouteFamily {
    let caches: Caches
    let blockingWorker: BlockingWorker
    let security: SecurityLog

    let prefix = "/dragonfly/"
    let tag = "dragonfly"
    let label = Counter.Family.dragonfly
    let about = "The web client's dashboard of DragonflyDB and the caches."
    let errorFormat = ErrorFormat.plain
    let pathForm = PathTree.Form.parts
    let accessToNothing = Access.admin

    private static let namespace = Parameter.path(
        "namespace", "As /dragonfly/keys names it: a cache, or after a colon what stands before the first slash of its keys.",
        .text(pattern: "^(temp|spotify)(:[^/\\u0000]*)?/?$"), example: "temp")

    var routes: [Route] {
        [
            show(
                "health", "storeHealth", "Whether DragonflyDB answers. 200 also when it does not.",
                .object([
                    "status": .oneOf(["healthy", "unhealthy", "disabled"]), "connected": .boolean, "latency_ms": .number, "message": .text,
                ])
            ) { DashboardReport.health(caches.storeHealth()) },
            show(
                "stats", "storeStatistics", "DragonflyDB's own figures; what it does not tell is nothing.",
                .object([
                    "memory": .object(["used_memory_human": .text, "used_memory_peak_human": .text]),
                    "clients": .object(["connected_clients": .integer(0)]), "keyspace": .object(["db0": .object(["keys": .integer(0)])]),
                    "server": .object(["uptime_in_seconds": .integer(0)]),
                ])
            ) { DashboardReport.stats(caches.storeInfo() ?? [:]) },
            show(
                "services", "cacheStatistics", "The four caches.",
                .object([
                    "services": .list(
                        of: .object([
                            "name": .oneOf(CacheName.allCases.map(\.rawValue)), "key_count": .integer(0), "hit_rate": .number,
                            "last_updated": .text,
                        ]))
                ])
            ) { DashboardReport.services(caches.statistics()) },
            show(
                "keys", "cacheNamespaces", "Namespaces and how many entries they have.",
                .object(["keys": .list(of: .object(["namespace": .text, "count": .integer(0)]))])
            ) { try DashboardReport.keys(caches) },
            route(
                .post, "clear/{namespace}", "clearNamespace", "Clear a namespace of temp or spotify.", "Cleared.",
                .object(["success": .boolean, "message": .text, "cleared_count": .integer(0)]), [Self.namespace], [400, 404], clear),
            route(
                .post, "clear-all", "clearAll", "Clear temp and DragonflyDB's copies; records of spotify become due.", "Cleared.",
                .object(["success": .boolean, "message": .text]), [], [], clearAll),
        ]
    }

    private typealias Making = @Sendable () throws -> JSONValue

    private func show(_ template: String, _ id: String, _ summary: String, _ schema: Schema, _ make: @escaping Making) -> Route {
        route(.get, template, id, summary, "The figures.", schema) { _ in work(make) }
    }

    private func route(
        _ method: Route.Method, _ template: String, _ id: String, _ summary: String, _ answer: String, _ schema: Schema,
        _ parameters: [Parameter] = [], _ more: [Int] = [], _ handler: @escaping Route.Handler
    ) -> Route {
        Route(
            method, template, id: id, access: .admin, summary: summary, parameters: parameters,
            answers: [.json(200, answer, schema)] + Refusals.all(more + [503]), handler: handler)
    }

    private func work(_ make: @escaping Making) -> Outcome { blockingWorker.run(errorFormat) { answering(make) } }

    private func answering(_ make: () throws -> JSONValue) -> Response {
        do {
            return DashboardReport.response(try make())
        } catch let refusal as BadRequest {
            return errorFormat.error(refusal.status, refusal.message)
        } catch {
            return errorFormat.unavailable("\(error)", .database, retryAfter: .seconds(10))
        }
    }

    /// `temp` and the copies go, `spotify` becomes due; users' and sessions' entries stay.
    @Sendable private func clearAll(_ routed: RoutedRequest) throws(BadRequest) -> Outcome {
        // A namespace with dots and slashes in it must not become this route.
        if RawPath(routed.request)?.isAs(compared: routed.request) == false { throw BadRequest(404, "There is no such namespace") }
        let (address, actor) = (routed.request.parameter("REMOTE_ADDR") ?? "", routed.actor)
        return work {
            let count = try caches.clear(.temp)
            let due = try caches.clear(.spotify)
            try caches.clearCopies()
            security.note(.cleared, from: address, by: actor, cache: "all")
            return DashboardReport.cleared(message: "\(count) entries cleared, \(due) records due for renewal", count: nil)
        }
    }

    @Sendable private func clear(_ routed: RoutedRequest) throws(BadRequest) -> Outcome {
        let given = routed.given[Self.namespace] ?? ""
        let asked = try RawPath(routed.request)?.rest(after: "\(prefix)clear/".utf8) ?? Array(given.utf8)
        let (address, actor) = (routed.request.parameter("REMOTE_ADDR") ?? "", routed.actor)
        return work {
            let (cache, answer) = try clear(asked)
            security.note(.cleared, from: address, by: actor, cache: cache.rawValue)
            return answer
        }
    }

    /// A namespace as `/dragonfly/keys` names it: `temp`, or `temp:one`.
    private func clear(_ asked: [UInt8]) throws -> (CacheName, JSONValue) {
        let slash = UInt8(ascii: "/")
        let name = asked.last == slash ? asked.dropLast() : asked[...]
        let parts = name.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
        // A namespace is what stands before a key's first slash.
        guard let cache = CacheName(rawValue: String(decoding: parts[0], as: UTF8.self)), !name.contains(slash) else {
            throw BadRequest(404, "There is no such namespace")
        }
        guard cache == .temp || cache == .spotify else { throw BadRequest(400, "\(cache.rawValue) is cleared through /cache alone") }
        let count = try caches.clear(cache, prefix: parts.count == 2 ? parts[1] + [slash] : [])
        return (cache, DashboardReport.cleared(message: "\(count) entries cleared", count: count))
    }
}
