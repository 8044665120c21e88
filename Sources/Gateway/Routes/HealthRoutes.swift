import FastCGI
import JSON

/// `/swingmusic-fcgi/...`: what watches over the program asks here, and what all routes are is described. Its figures are for the
/// administrator alone.
struct HealthRoutes: RouteFamily {
    let collector: StatusCollector
    let accessControl: AccessControl
    let blockingWorker: BlockingWorker
    /// Looks for strangers, who all get one answer: no number of them makes it say 503, or keeps the administrator from the status.
    let watchWorker: BlockingWorker
    let words = SharedAnswer()
    /// The description of all routes, made when it is asked for first.
    let document: @Sendable () -> [UInt8]
    let errorFormat = ErrorFormat.plain

    func answer(_ routed: RoutedRequest) -> Outcome {
        guard let route = HealthRoute(rawValue: String(routed.rest)) else { return .now(errorFormat.error(404, "Not found")) }
        return accessControl.admit(routed, to: route.access, of: self) { _ in answer(route, routed) }
    }

    private func answer(_ route: HealthRoute, _ routed: RoutedRequest) -> Outcome {
        guard routed.request.method == .get || routed.request.method == .head else {
            return .now(errorFormat.methodNotAllowed("GET, HEAD"))
        }
        return switch route {
        case .healthz: .now(Self.fresh(Response(status: 200, contentType: ErrorFormat.json, body: JSONWriter.bytes(of: ["status": "ok"]))))
        case .readyz: readiness(routed)
        case .openapi: .now(description)
        case .metrics: working(routed) { Self.metrics(collector.report(withAges: false)) }
        case .statusJSON: working(routed) { DashboardReport.response(StatusJSON.value(of: collector.report(withAges: true))) }
        case .status: working(routed) { Self.page(collector.report(withAges: true)) }
        }
    }

    /// The files are looked at off the event threads.
    private func working(_ routed: RoutedRequest, _ make: @escaping @Sendable () -> Response) -> Outcome {
        let isHead = routed.request.method == .head
        return blockingWorker.run(errorFormat) {
            var response = make()
            response.omitsBody = isHead
            return response
        }
    }

    /// It is the same until the program is another.
    private var description: Response {
        var response = Response(status: 200, contentType: ErrorFormat.json, body: document())
        response.add("Cache-Control", "no-cache")
        return response
    }

    private static func metrics(_ report: StatusReport) -> Response {
        fresh(Response(status: 200, contentType: MetricsText.contentType, body: Array(report.metrics.utf8)))
    }

    private static func page(_ report: StatusReport) -> Response {
        let html = StatusPage(report: report).html.source
        var response = fresh(Response(status: 200, contentType: StatusPage.contentType, body: Array(html.utf8)))
        response.add("Content-Security-Policy", StatusPage.policy)
        response.add("X-Content-Type-Options", "nosniff")
        response.add("Referrer-Policy", "no-referrer")
        return response
    }

    /// Open to all; who shows that he is the administrator is told more. Whoever watches does not wait until that is known.
    private func readiness(_ routed: RoutedRequest) -> Outcome {
        let request = routed.request
        let hasCredentials = request.withParameter("HTTP_AUTHORIZATION") { !$0.isEmpty } ?? false
        let hasCookie = request.withParameter("HTTP_COOKIE") { !$0.isEmpty } ?? false
        guard hasCredentials || hasCookie else {
            return watchWorker.share(words, errorFormat, isHead: request.method == .head) { readiness(withTexts: false) }
        }
        let isAdmin: Bool
        switch accessControl.admit(request, to: .admin) {
        case .authenticated: isAdmin = true
        case .anonymous, .refused: isAdmin = false
        case .needsWrite(let pending):
            isAdmin = false
            pending.settle { _ in }
        }
        return working(routed) { readiness(withTexts: isAdmin) }
    }

    private func readiness(withTexts: Bool) -> Response {
        let readiness = collector.readiness()
        let body = JSONWriter.bytes(of: readiness.json(withTexts: withTexts))
        return Self.fresh(Response(status: readiness.isReady ? 200 : 503, contentType: ErrorFormat.json, body: body))
    }

    private static func fresh(_ response: Response) -> Response {
        var response = response
        response.add("Cache-Control", "no-store")
        return response
    }
}

/// The routes below `/swingmusic-fcgi/`.
enum HealthRoute: String {
    case healthz = "healthz"
    case readyz = "readyz"
    case openapi = "openapi.json"
    case metrics = "metrics"
    case statusJSON = "status.json"
    case status = "status"

    var access: Access {
        switch self {
        case .healthz, .readyz, .openapi: .open
        case .metrics, .statusJSON, .status: .admin
        }
    }
}
