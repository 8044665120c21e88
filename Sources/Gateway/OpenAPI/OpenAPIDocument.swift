import JSON

/// `/swingmusic-fcgi/openapi.json`: what all routes take and answer, in OpenAPI 3.1.
enum OpenAPIDocument {
    static let families: [DescribedFamily] = [
        SpotifyPaths.described, CatalogPaths.described, AuthPaths.described, CachePaths.described, DashboardPaths.described,
        HealthPaths.described,
    ]

    static let bytes: [UInt8] = JSONWriter.bytes(of: tree)

    private static let tree: JSONValue = [
        "openapi": "3.1.0",
        "info": [
            "title": "swingmusic-fcgi", "version": "1", "license": ["name": "MIT", "identifier": "MIT"],
            "description": .string(about),
        ],
        "servers": [["url": "/"]],
        "tags": .array(families.map { ["name": .string($0.tag), "description": .string($0.about)] }),
        "paths": .object(
            families.flatMap { family in
                family.paths.map { JSONMember(family.prefix + $0.template, $0.tree(of: family.tag)) }
            }),
        "components": [
            "schemas": .object(families.flatMap { $0.schemas.map { JSONMember($0.key, $0.value.tree) } }),
            "headers": .object(DescribedHeader.allCases.map { JSONMember($0.rawValue, $0.tree) }),
            "securitySchemes": Access.schemes,
        ],
    ]

    private static let about = """
        A FastCGI responder that stands behind nginx in front of the music server swingmusic.

        What holds for every route: HEAD is answered wherever GET is. A path that is none is 404, a method that a path does not have is 405 \
        with Allow, a body over 64 KiB (1 MiB below /cache) is 413, all in the family's own shape of errors. For pages of origins that SWINGMUSIC_FCGI_CORS_ORIGINS allows every answer has the headers of \
        the CORS protocol, and their preflights are 200. Members may be added to answers \
        of Spotify's objects at any time, as Spotify does.
        """
}
