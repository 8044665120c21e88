import Caching
import FastCGI

/// `/swingmusic-fcgi/...`: what watches over the program asks here.
struct HealthRoutes: RouteFamily {
    let caches: Caches
    let dialect = Dialect.plain

    func answer(_ routed: Routed) -> Outcome {
        switch routed.rest {
        case "healthz": .now(reading(routed) { Self.status(200, []) })
        case "readyz": .now(reading(routed, ready))
        default: .now(dialect.error(404, "Not found"))
        }
    }

    private func reading(_ routed: Routed, _ make: () -> Response) -> Response {
        guard routed.request.method == .get || routed.request.method == .head else { return dialect.methodNotAllowed("GET, HEAD") }
        var response = make()
        response.omitsBody = routed.request.method == .head
        return response
    }

    /// It can serve when the database can be read.
    private func ready() -> Response {
        do {
            _ = try caches.get(.temp, Array("readyz".utf8))
            return Self.status(200, [])
        } catch {
            return Self.status(503, ["the database cannot be read: \(error)"])
        }
    }

    private static func status(_ status: Int, _ reasons: [String]) -> Response {
        let list = reasons.map { String(decoding: JSONText.quoted($0), as: UTF8.self) }.joined(separator: ",")
        let body = reasons.isEmpty ? #"{"status":"ok"}"# : #"{"status":"unavailable","reasons":[\#(list)]}"#
        var response = Response(status: status, contentType: Dialect.json, body: Array(body.utf8))
        response.add("Cache-Control", "no-store")
        return response
    }
}
