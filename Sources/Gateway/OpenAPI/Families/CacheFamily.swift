/// `/cache/` as the document describes it.
enum CacheFamily {
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
                    method: .delete, id: "clearCache", summary: "Clear a cache.",
                    about: "The records of spotify become due and are served stale until they are fetched again.", access: .admin,
                    parameters: [name],
                    answers: [.json(200, "How many entries.", .object(["cleared": .integer(0)]))] + Refusals.all([400, 401, 403, 404, 503]))
            ),
            DescribedPath(
                "{name}/{key}",
                DescribedOperation(
                    method: .get, id: "readEntry", summary: "Read an entry.", access: .admin, parameters: [name, key],
                    answers: [
                        DescribedAnswer(
                            200, "The value, byte for byte; a record of the catalog as its JSON.",
                            content: [("application/octet-stream", .anything), ("application/json", .anyObject)],
                            headers: [.cacheStatus])
                    ] + Refusals.all([400, 401, 403, 404, 503])),
                DescribedOperation(
                    method: .put, id: "writeEntry", summary: "Write an entry.", access: .admin, parameters: [name, key, lifetime],
                    body: DescribedBody(type: "application/octet-stream", schema: .anything, example: "value", isOptional: true),
                    answers: [DescribedAnswer(204, "Written.")] + Refusals.all([400, 401, 403, 404, 413, 503])),
                DescribedOperation(
                    method: .delete, id: "deleteEntry", summary: "Delete an entry.", access: .admin, parameters: [name, key],
                    answers: [DescribedAnswer(204, "Deleted.")] + Refusals.all([400, 401, 403, 404, 503]))),
        ],
        schemas: [:])

    private static let name = DescribedParameter.path(
        "name", "The cache.", .oneOf(["spotify", "session", "user", "temp"]), example: "temp")
    private static let key = DescribedParameter.path(
        "key", "The key; keys that begin with `catalog:` are the catalog's own and can only be read and deleted.",
        .text(least: 1, most: 512), example: "shelf:one")
    private static let lifetime = DescribedParameter.query(
        "ttl", "How long it lives; the cache's own time when left out.", .text(pattern: "^[1-9][0-9]{0,5}(ms|s|m|h|d)$"),
        example: "90s")
}
