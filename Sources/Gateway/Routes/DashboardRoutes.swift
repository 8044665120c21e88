import Caching
import FastCGI
import JSON

/// `/dragonfly/...`: the web client's dashboard of the store and the caches. For the administrator alone.
struct DashboardRoutes: RouteFamily {
    let caches: Caches
    let accessControl: AccessControl
    let blockingWorker: BlockingWorker
    let errorFormat = ErrorFormat.plain
    static let access = Access.admin

    func answer(_ routed: RoutedRequest) -> Outcome {
        accessControl.admit(routed, to: Self.access, of: self) { _ in admitted(routed) }
    }

    private func admitted(_ routed: RoutedRequest) -> Outcome {
        let segments = routed.segments
        let method = routed.request.method
        let isClearing = segments.first?.hasPrefix("clear") == true
        guard let make = isClearing ? clearing(segments, routed.request) : reading(segments) else {
            return .now(errorFormat.error(404, "Not found"))
        }
        guard isClearing ? method == .post : method == .get || method == .head else {
            return .now(errorFormat.methodNotAllowed(isClearing ? "POST" : "GET, HEAD"))
        }
        let isHead = method == .head
        return blockingWorker.run(errorFormat) {
            var response = answering(make)
            response.omitsBody = isHead
            return response
        }
    }

    private func answering(_ make: () throws -> JSONValue) -> Response {
        do {
            return DashboardReport.response(try make())
        } catch let refusal as BadRequest {
            return errorFormat.error(refusal.status, refusal.message)
        } catch {
            return errorFormat.unavailable("\(error)", retryAfter: .seconds(10))
        }
    }

    private func reading(_ segments: [String]) -> (@Sendable () throws -> JSONValue)? {
        switch segments {
        case ["health"]: { DashboardReport.health(caches.storeHealth()) }
        case ["stats"]: { DashboardReport.stats(caches.storeInfo() ?? [:]) }
        case ["services"]: { DashboardReport.services(caches.statistics()) }
        case ["keys"]: { try DashboardReport.keys(caches) }
        default: nil
        }
    }

    private func clearing(_ segments: [String], _ request: Request) -> (@Sendable () throws -> JSONValue)? {
        let raw = RawPath(request)
        if segments == ["clear-all"] {
            // A namespace with dots and slashes in it must not become this route.
            guard raw?.isAs(compared: request) != false else { return { throw BadRequest(404, "There is no such namespace") } }
            return clearAll
        }
        guard segments.first == "clear", segments.count == 2 else { return nil }
        let asked = Result { try raw?.rest(after: "/dragonfly/clear/".utf8) ?? Array(segments[1].utf8) }
        return { try clear(asked.get()) }
    }

    /// `temp` and the copies go, `spotify` becomes due; users' and sessions' entries stay.
    private func clearAll() throws -> JSONValue {
        let count = try caches.clear(.temp)
        let due = try caches.clear(.spotify)
        try caches.clearCopies()
        return DashboardReport.cleared(message: "\(count) entries cleared, \(due) records due for renewal", count: nil)
    }

    /// A namespace as `/dragonfly/keys` names it: `temp`, or `temp:one`.
    private func clear(_ asked: [UInt8]) throws -> JSONValue {
        let slash = UInt8(ascii: "/")
        let name = asked.last == slash ? asked.dropLast() : asked[...]
        let parts = name.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
        // A namespace is what stands before a key's first slash.
        guard let cache = CacheName(rawValue: String(decoding: parts[0], as: UTF8.self)), !name.contains(slash) else {
            throw BadRequest(404, "There is no such namespace")
        }
        guard cache == .temp || cache == .spotify else { throw BadRequest(400, "\(cache.rawValue) is cleared through /cache alone") }
        let count = try caches.clear(cache, prefix: parts.count == 2 ? parts[1] + [slash] : [])
        return DashboardReport.cleared(message: "\(count) entries cleared", count: count)
    }
}
