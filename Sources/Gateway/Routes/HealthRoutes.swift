import Catalog
import FastCGI
import JSON
import Platform

/// `/swingmusic-fcgi/...`: what watches over the program asks here, and what all routes are is described. Its figures are for the
/// administrator alone.
struct HealthRoutes: RouteFamily {
    let collector: StatusCollector
    let accessControl: AccessControl
    let workers: Workers
    let keys: KeyRoutes
    /// Whether the page may show pictures from Spotify's image host.
    let showsCovers: Bool
    /// The families that are described beside this one, in their order.
    let others: [any RouteFamily]
    let words = SharedAnswer()
    /// The description, made when it is asked for first.
    let document = Locked<(bytes: [UInt8], tag: UInt64)?>(nil)  // guards what was made, and its tag

    struct Workers: Sendable {
        /// Looks for the administrator.
        let health: BlockingWorker
        /// Looks for strangers, who all get one answer: no number of them makes it say 503, or keeps the administrator from the status.
        let watch: BlockingWorker
        /// For what the status page asks beside the figures.
        let page: BlockingWorker
    }

    let prefix = "/swingmusic-fcgi/"
    let tag = "status"
    let label = Counter.Family.own
    let about = "How the program is doing. Its figures are for the administrator alone. Instants are milliseconds since 1970."
    let errorFormat = ErrorFormat.plain
    let tellsMethods = false
    var schemas: KeyValuePairs<String, Schema> { StatusSchemas.all }

    var routes: [Route] { watching + keys.routes }

    private var watching: [Route] {
        [
            show("healthz", "healthz", "Does a worker answer?", .open, [.json(200, "It does.", .object(["status": .oneOf(["ok"])]))]) { _ in
                .now(Self.fresh(Response(status: 200, contentType: ErrorFormat.json, body: JSONWriter.bytes(of: ["status": "ok"]))))
            },
            show(
                "readyz", "readyz", "Can it serve?", .open,
                [
                    .json(
                        200, "It can; warnings name what keeps it from serving everything. Details are for the administrator.",
                        .named("Readiness")),
                    .json(503, "It cannot, for these reasons; or the server is busy.", .either(.named("Readiness"), .named("Error"))),
                ], readiness),
            Route(
                .get, "openapi.json", id: "openapi", access: .open, summary: "This document.", parameters: [MetadataAnswers.condition],
                answers: [
                    .json(200, "OpenAPI 3.1.", .anyObject, headers: [.entityTag]),
                    DescribedAnswer(304, "The caller has it already (If-None-Match).", headers: [.entityTag]),
                ]
            ) { routed in .now(description(for: routed.request)) },
            figures("status.json", "statusJSON", "All figures.", .page, .json(200, "As of now.", .named("Status"))) { _ in
                DashboardReport.response(StatusJSON.value(of: collector.report(withAges: true)))
            },
            Route(
                .get, "history.json", id: "history", access: .page, summary: "How it went: the last hour, day or month, step by step.",
                about: "Arrays from the oldest step to the one under way; null where the program did not run. `step` is in milliseconds.",
                parameters: [Self.span], answers: [.json(200, "The figures.", .named("History"))] + Refusals.all([400, 503]),
                handler: history),
            show(
                "status", "statusPage", "All figures, as a page for people. It reads them from JSON beside it, for who may.", .open,
                [DescribedAnswer(200, "HTML that loads nothing from elsewhere.", content: [("text/html", .text)])]
            ) { _ in .now(StatusPage.response(covers: showsCovers)) },
            show(
                "", "toStatusPage", "Leads to the page for people.", .open,
                [DescribedAnswer(302, "It is at status.", headers: [.location])]
            ) { _ in .now(StatusPage.leading) },
            figures(
                "metrics", "metrics", "For Prometheus, text format 0.0.4.", .admin,
                DescribedAnswer(200, "The metrics of all workers.", content: [("text/plain", .text)])
            ) { Self.metrics(collector.report($0)) },
        ]
    }

    private static let span = Parameter.query(
        "span", "How far back; an hour when left out.", .oneOf(HistorySpan.allCases.map(\.rawValue)), example: "day")

    @Sendable private func history(_ routed: RoutedRequest) throws(BadRequest) -> Outcome {
        let given = routed.given[Self.span] ?? HistorySpan.hour.rawValue
        guard let span = HistorySpan(rawValue: given), let history = collector.history else {
            throw BadRequest(400, "There is no such span")
        }
        return workers.health.run(errorFormat) { DashboardReport.response(span.json(history, now: SystemClock().wall.milliseconds)) }
    }

    private func show(
        _ template: String, _ id: String, _ summary: String, _ access: Access, _ answers: [DescribedAnswer],
        _ handler: @escaping Route.Handler
    ) -> Route {
        Route(.get, template, id: id, access: access, summary: summary, answers: answers, handler: handler)
    }

    /// The files are looked at off the event threads.
    private func figures(
        _ template: String, _ id: String, _ summary: String, _ access: Access, _ answer: DescribedAnswer,
        _ make: @escaping @Sendable (borrowing BlockingContext) -> Response
    ) -> Route {
        show(template, id, summary, access, [answer] + Refusals.all([503])) { _ in workers.health.run(errorFormat, mayBlock: make)
        }
    }

    /// It is the same until the program is another.
    private func description(for request: Request) -> Response {
        let (bytes, tag) = document.withLock { made in
            if let made { return made }
            let bytes = OpenAPIDocument.bytes(of: others + [self])
            let new = (bytes: bytes, tag: FNV.hash(bytes))
            made = new
            return new
        }
        let isKnown = request.header(MetadataAnswers.condition).map { EntityTag.matches($0, tag) } ?? false
        var response = isKnown ? Response(status: 304) : Response(status: 200, contentType: ErrorFormat.json, body: bytes)
        response.add("Cache-Control", "no-cache")
        response.add("ETag") { EntityTag.write(tag, to: &$0) }
        return response
    }

    private static func metrics(_ report: StatusReport) -> Response {
        fresh(Response(status: 200, contentType: MetricsText.contentType, body: Array(report.metrics.utf8)))
    }

    /// Open to all; who shows that he is the administrator is told more. Whoever watches does not wait until that is known.
    @Sendable private func readiness(_ routed: RoutedRequest) -> Outcome {
        let request = routed.request
        let hasCredentials = request.withParameter("HTTP_AUTHORIZATION") { !$0.isEmpty } ?? false
        let hasCookie = request.withParameter("HTTP_COOKIE") { !$0.isEmpty } ?? false
        guard hasCredentials || hasCookie else { return workers.watch.share(words, errorFormat) { readiness(withTexts: false) } }
        let isAdmin: Bool
        switch accessControl.admit(request, to: .admin) {
        case .authenticated: isAdmin = true
        case .anonymous, .refused: isAdmin = false
        case .needsWrite(let pending):
            isAdmin = false
            pending.settle { _ in }
        }
        return workers.health.run(errorFormat) { readiness(withTexts: isAdmin) }
    }

    private func readiness(withTexts: Bool) -> Response {
        let readiness = collector.readiness()
        let body = JSONWriter.bytes(of: readiness.json(withTexts: withTexts))
        let response = Self.fresh(Response(status: readiness.isReady ? 200 : 503, contentType: ErrorFormat.json, body: body))
        return readiness.isReady ? response : response.because(.notReady)
    }

    private static func fresh(_ response: Response) -> Response {
        var response = response
        response.add("Cache-Control", "no-store")
        return response
    }
}
