/// `/cache/` as the document describes it.
enum CachePaths {
    static let described = DescribedFamily(
        prefix: "/cache/", tag: "cache",
        about: """
            The four caches, for swingmusic's own code and for scripts: keys of at most 512 bytes, which may have slashes, and values of any \
            bytes up to 1 MiB. A key is what stands in the path as it is sent, decoded once: `a//b`, `a/./b` and `a/b` are three keys. A \
            path that names its cache otherwise than plainly is 400.
            """,
        paths: [
            DescribedPath(
                "{name}",
                DescribedOperation(
                    method: .get, id: "listKeys", summary: "List the keys of a cache.",
                    about: "In the order of their bytes. A page may have fewer keys than were asked for, and a next one all the same.",
                    access: CacheRoutes.access, parameters: [name, listPrefix, after, limit],
                    answers: [.json(200, "A page.", .named("KeyPage"))] + Refusals.all([400, 401, 403, 404, 503])),
                DescribedOperation(
                    method: .delete, id: "clearCache", summary: "Clear a cache, or the keys of it that begin with a prefix.",
                    about: """
                        The records of spotify become due and are served stale until they are fetched again. A parameter that is not known is 400: \
                        nothing is cleared by mistake.
                        """,
                    access: CacheRoutes.access,
                    parameters: [name, clearPrefix],
                    answers: [.json(200, "How many entries.", .object(["cleared": .integer(0)]))] + Refusals.all([400, 401, 403, 404, 503]))
            ),
            DescribedPath(
                "{name}/{key}",
                DescribedOperation(
                    method: .get, id: "readEntry", summary: "Read an entry.", access: CacheRoutes.access, parameters: [name, key],
                    answers: [
                        DescribedAnswer(
                            200, "The value, byte for byte; a record of the catalog as its JSON.",
                            content: [("application/octet-stream", .anything), ("application/json", .anyObject)],
                            headers: [.cacheStatus])
                    ] + Refusals.all([400, 401, 403, 404, 503])),
                DescribedOperation(
                    method: .put, id: "writeEntry", summary: "Write an entry.", access: CacheRoutes.access,
                    parameters: [name, key, lifetime],
                    body: DescribedBody(type: "application/octet-stream", schema: .anything, example: "value", isOptional: true),
                    answers: [DescribedAnswer(204, "Written.")] + Refusals.all([400, 401, 403, 404, 413, 503])),
                DescribedOperation(
                    method: .post, id: "changeEntry", summary: "Add to a number, or give an entry another end.",
                    about: """
                        With `incr` the entry is a whole number in digits, and keeps its end; where there is none, or of spotify a stale one, it begins at 0 \
                        with `ttl`. Many who add at once lose nothing. Without `incr` an entry that is there gets `ttl` from now on.
                        """,
                    access: CacheRoutes.access, parameters: [name, key, increment, lifetime],
                    answers: [
                        .json(200, "With `incr`: the sum.", .object(["value": .integer()])), DescribedAnswer(204, "It has another end."),
                    ] + Refusals.all([400, 401, 403, 404, 409, 413, 503])),
                DescribedOperation(
                    method: .delete, id: "deleteEntry", summary: "Delete an entry.", access: CacheRoutes.access, parameters: [name, key],
                    answers: [DescribedAnswer(204, "Deleted.")] + Refusals.all([400, 401, 403, 404, 503]))),
        ],
        schemas: [
            "KeyPage": .object([
                "keys": .list(
                    of: .object(
                        ["key": .text, "expires": .integer().orNull],
                        // Only where it is so.
                        optional: ["stale": .boolean, "percent_encoded": .boolean])), "next": .text.orNull,
            ])
        ])

    private static let listPrefix = DescribedParameter.query("prefix", "Only keys that begin so.", .text, example: "shelf:")
    private static let after = DescribedParameter.query("after", "Only keys after this one.", .text, example: "shelf:1")
    private static let limit = DescribedParameter.query("limit", "How many; 100 when left out.", .integer(1, 1000), example: 10)
    private static let clearPrefix = DescribedParameter.query(
        "prefix", "Only keys that begin so; all when left out.", .text(least: 1), example: "shelf:")
    private static let increment = DescribedParameter.query(
        "incr", "What is added to a number.", .text(pattern: "^(0|-?[1-9][0-9]{0,17})$"), example: "1")
    private static let name = DescribedParameter.path(
        "name", "The cache.", .oneOf(["spotify", "session", "user", "temp"]), example: "temp")
    private static let key = DescribedParameter.path(
        "key", "The key; keys that begin with `catalog:` are the catalog's own and can only be read and deleted.",
        .text(least: 1, most: 512), example: "shelf:one")
    private static let lifetime = DescribedParameter.query(
        "ttl", "How long it lives, from now on; the cache's own time when left out.", .text(pattern: "^[1-9][0-9]{0,5}(ms|s|m|h|d)$"),
        example: "90s")
}

/// `/dragonfly/` as the document describes it.
enum DashboardPaths {
    static let described = DescribedFamily(
        prefix: "/dragonfly/", tag: "dragonfly",
        about: "The web client's dashboard of DragonflyDB and the caches.",
        paths: [
            show(
                "health", "storeHealth", "Whether DragonflyDB answers. 200 also when it does not.",
                .object([
                    "status": .oneOf(["healthy", "unhealthy", "disabled"]), "connected": .boolean, "latency_ms": .number, "message": .text,
                ])),
            show(
                "stats", "storeStatistics", "DragonflyDB's own figures; what it does not tell is nothing.",
                .object([
                    "memory": .object(["used_memory_human": .text, "used_memory_peak_human": .text]),
                    "clients": .object(["connected_clients": .integer(0)]), "keyspace": .object(["db0": .object(["keys": .integer(0)])]),
                    "server": .object(["uptime_in_seconds": .integer(0)]),
                ])),
            show(
                "services", "cacheStatistics", "The four caches.",
                .object([
                    "services": .list(
                        of: .object([
                            "name": .oneOf(["spotify", "session", "user", "temp"]), "key_count": .integer(0), "hit_rate": .number,
                            "last_updated": .text,
                        ]))
                ])),
            show(
                "keys", "cacheNamespaces", "Namespaces and how many entries they have.",
                .object([
                    "keys": .list(of: .object(["namespace": .text, "count": .integer(0)]))
                ])),
            DescribedPath(
                "clear/{namespace}",
                clear(
                    "clearNamespace", "Clear a namespace of temp or spotify.",
                    ["success": .boolean, "message": .text, "cleared_count": .integer(0)], [namespace], [400, 404])),
            DescribedPath(
                "clear-all",
                clear(
                    "clearAll", "Clear temp and DragonflyDB's copies; records of spotify become due.",
                    ["success": .boolean, "message": .text], [], [])),
        ],
        schemas: [:])

    private static let namespace = DescribedParameter.path(
        "namespace", "As /dragonfly/keys names it.", .text(pattern: "^(temp|spotify)(:[0-9A-Za-z_-]{1,50})?$"), example: "temp")

    private static func show(_ template: String, _ id: String, _ summary: String, _ schema: Schema) -> DescribedPath {
        DescribedPath(
            template,
            DescribedOperation(
                method: .get, id: id, summary: summary, access: DashboardRoutes.access,
                answers: [.json(200, "The figures.", schema)] + Refusals.all([401, 403, 503])))
    }

    private static func clear(
        _ id: String, _ summary: String, _ members: KeyValuePairs<String, Schema>, _ parameters: [DescribedParameter], _ more: [Int]
    ) -> DescribedOperation {
        DescribedOperation(
            method: .post, id: id, summary: summary, access: DashboardRoutes.access, parameters: parameters,
            answers: [.json(200, "Cleared.", .object(members))] + Refusals.all((more + [401, 403, 503]).sorted()))
    }
}

/// `/swingmusic-fcgi/` as the document describes it.
enum HealthPaths {
    static let described = DescribedFamily(
        prefix: "/swingmusic-fcgi/", tag: "status",
        about: "How the program is doing. Its figures are for the administrator alone. Instants are milliseconds since 1970.",
        paths: [
            show(
                "healthz", "healthz", "Does a worker answer?", HealthRoute.healthz.access,
                [.json(200, "It does.", .object(["status": .oneOf(["ok"])]))]),
            show(
                "readyz", "readyz", "Can it serve?", HealthRoute.readyz.access,
                [
                    .json(
                        200, "It can; warnings name what keeps it from serving everything. Details are for the administrator.",
                        .named("Readiness")),
                    .json(503, "It cannot, for these reasons; or the server is busy.", .either(.named("Readiness"), .named("Error"))),
                ]),
            show("openapi.json", "openapi", "This document.", HealthRoute.openapi.access, [.json(200, "OpenAPI 3.1.", .anyObject)]),
            show(
                "status.json", "statusJSON", "All figures.", HealthRoute.statusJSON.access,
                [.json(200, "As of now.", .named("Status"))] + Refusals.all([401, 403, 503])),
            show(
                "status", "statusPage", "All figures, as a page for people.", HealthRoute.status.access,
                [
                    DescribedAnswer(200, "HTML that loads nothing from elsewhere.", content: [("text/html", .text)])
                ] + Refusals.all([401, 403, 503])),
            show(
                "metrics", "metrics", "For Prometheus, text format 0.0.4.", HealthRoute.metrics.access,
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

/// The refusals of the families that speak the plain dialect and are the administrator's.
enum Refusals {
    static func all(_ statuses: [Int]) -> [DescribedAnswer] {
        statuses.map { .json($0, words[$0] ?? "Refused.", .named("Error"), headers: DescribedHeader.always(with: $0)) }
    }

    private static let words = [
        400: "A malformed key or parameter, or a namespace that is not cleared here.", 401: "An admin's session or token is needed.",
        403: "Only admins can do that, or nobody can, or a page of another site used an admin's cookie.",
        404: "There is nothing of that name.",
        409: "What is to be added to is no whole number, or the sum has more than 64 bits.", 413: "A body over 1 MiB.",
        503: "The database or the sessions cannot be used, or the server is busy.",
    ]
}

/// What the status routes answer.
enum StatusSchemas {
    static let all: KeyValuePairs<String, Schema> = [
        "Readiness": .object(
            ["status": .oneOf(["ok", "degraded", "unavailable"]), "reasons": words, "warnings": words],
            optional: ["details": .list(of: .object(["word": word, "text": .text, "remedy": .text]))]),
        "Status": .object(
            [
                "now": instant, "version": .text, "readiness": .named("Readiness"),
                "answers": .map(of: .object(["2xx": count, "3xx": count, "4xx": count, "5xx": count])),
                "sources": .object(
                    [
                        "memory": count, "dragonfly": count, "sqlite": count, "stored": count, "collapsed": count, "unanswered": count,
                        "stale": count,
                    ]),
                "answersByMinute": .list(of: count, least: 60, most: 60), "parked": count, "workers": .list(of: .named("Worker")),
                "files": .list(of: .object(["name": .text, "bytes": count])), "records": .list(of: .named("RecordFigures")),
                "ages": .list(of: .object(["age": .text, "records": count])), "latestErrors": .list(of: .named("LogLine"), most: 64),
            ], optional: ["limiter": .named("Limiter"), "limiterFault": .text, "storeUsed": .boolean]),
        "Worker": .object(["pid": .integer(1), "uptimeSeconds": count, "parked": count, "residentBytes": count]),
        "RecordFigures": .object(["kind": .text, "entries": count, "bytes": count], optional: ["lastUpdated": instant]),
        "LogLine": .object(["time": instant, "pid": .integer(1), "level": .oneOf(["warning", "error"]), "text": .text]),
        "Limiter": .object(
            [
                "lastHour": .object(["calls": count, "budget": count]), "nextSlotAt": instant,
                "queue": .object(["caller": count, "unattended": count, "renewal": count, "warming": count]), "leased": count,
                "failed": count,
            ],
            optional: [
                "cooldown": .named("Pause"), "upstreamOutage": .named("Pause"), "tokenOutage": .named("Pause"),
                "accountRefusal": .named("Pause"),
            ]),
        "Pause": .object(["endsAt": instant, "reason": .text]),
    ]

    private static let count = Schema.integer(0)
    private static let word = Schema.oneOf(Trouble.allCases.map(\.rawValue))
    private static let words = Schema.list(of: word)
    /// Milliseconds since 1970.
    private static let instant = Schema.integer(0)
}
