/// `/dragonfly/` as the document describes it.
enum DashboardFamily {
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
                method: .get, id: id, summary: summary, access: .admin,
                answers: [.json(200, "The figures.", schema)] + Refusals.all([401, 403, 503])))
    }

    private static func clear(
        _ id: String, _ summary: String, _ members: KeyValuePairs<String, Schema>, _ parameters: [DescribedParameter], _ more: [Int]
    ) -> DescribedOperation {
        DescribedOperation(
            method: .post, id: id, summary: summary, access: .admin, parameters: parameters,
            answers: [.json(200, "Cleared.", .object(members))] + Refusals.all((more + [401, 403, 503]).sorted()))
    }
}
