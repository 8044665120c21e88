/// `/swingmusic-fcgi/` as the document describes it.
enum OwnFamily {
    static let described = DescribedFamily(
        prefix: "/swingmusic-fcgi/", tag: "status",
        about: "How the program is doing. Its figures are for the administrator alone. Instants are milliseconds since 1970.",
        paths: [
            show("healthz", "healthz", "Does a worker answer?", .open, [.json(200, "It does.", .named("Readiness"))]),
            show(
                "readyz", "readyz", "Can it serve?", .open,
                [
                    .json(200, "It can; warnings name what keeps it from serving everything.", .named("Readiness")),
                    .json(503, "It cannot, for these reasons; or the server is busy.", .either(.named("Readiness"), .named("Error"))),
                ]),
            show("openapi.json", "openapi", "This document.", .open, [.json(200, "OpenAPI 3.1.", .anyObject)]),
            show(
                "status.json", "statusJSON", "All figures.", .admin,
                [.json(200, "As of now.", .named("Status"))] + Refusals.all([401, 403, 503])),
            show(
                "status", "statusPage", "All figures, as a page for people.", .admin,
                [
                    DescribedAnswer(200, "HTML that loads nothing from elsewhere.", content: [("text/html", .text)])
                ] + Refusals.all([401, 403, 503])),
            show(
                "metrics", "metrics", "For Prometheus, text format 0.0.4.", .admin,
                [
                    DescribedAnswer(200, "The metrics of all workers.", content: [("text/plain", .text)])
                ] + Refusals.all([401, 403, 503])),
        ],
        schemas: StatusSchemas.all)

    private static func show(
        _ template: String, _ id: String, _ summary: String, _ access: Access, _ answers: [DescribedAnswer]
    ) -> DescribedPath {
        DescribedPath(template, DescribedOperation(method: .get, id: id, summary: summary, access: access, answers: answers))
    }
}
