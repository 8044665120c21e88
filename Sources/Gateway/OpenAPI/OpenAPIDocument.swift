import JSON

/// `/swingmusic-fcgi/openapi.json`: what all routes take and answer, in OpenAPI 3.1, made from what they are served from.
enum OpenAPIDocument {
    static func bytes(of families: [any RouteFamily]) -> [UInt8] { JSONWriter.bytes(of: tree(families)) }

    private static func tree(_ families: [any RouteFamily]) -> JSONValue {
        [
            "openapi": "3.1.0",
            "info": [
                "title": "swingmusic-fcgi", "version": "1", "license": ["name": "MIT", "identifier": "MIT"],
                "description": .string(about),
            ],
            "servers": [["url": "/"]],
            "tags": .array(families.map { ["name": .string($0.tag), "description": .string($0.about)] }),
            "paths": .object(families.flatMap(paths)),
            "components": [
                "schemas": .object(families.flatMap { $0.schemas.map { JSONMember($0.key, $0.value.described(as: $0.key)) } }),
                "headers": .object(DescribedHeader.allCases.map { JSONMember($0.rawValue, $0.tree) }),
                "securitySchemes": Access.schemes,
            ],
        ]
    }

    /// A family's paths in the order in which they were declared, each with its methods.
    private static func paths(_ family: any RouteFamily) -> [JSONMember] {
        var paths: [(template: String, methods: [JSONMember])] = []
        for route in family.routes {
            let method = JSONMember(route.method.rawValue, route.tree(of: family.tag))
            if let place = paths.firstIndex(where: { $0.template == route.template }) {
                paths[place].methods.append(method)
            } else {
                paths.append((route.template, [method]))
            }
        }
        return paths.map { JSONMember(family.prefix + $0.template, .object($0.methods)) }
    }

    private static let about = """
        A FastCGI responder that stands behind nginx in front of the music server swingmusic.

        What holds for every route: HEAD is answered wherever GET is. A path that is none is 404, a method that a path does not have is 405 \
        with Allow, a body over 64 KiB (1 MiB below /cache) is 413, all in the family's own shape of errors. For pages of origins that SWINGMUSIC_FCGI_CORS_ORIGINS allows every answer has the headers of \
        the CORS protocol, and their preflights are 200. Members may be added to answers \
        of Spotify's objects at any time, as Spotify does.
        """
}

extension Route {
    fileprivate func tree(of tag: String) -> JSONValue {
        .object([
            "operationId": .string(id), "summary": .string(summary),
            "description": .string([about, access.words].compactMap(\.self).joined(separator: " ")),
            "tags": [.string(tag)],
            "parameters": parameters.isEmpty ? nil : .array(parameters.map(\.tree)), "requestBody": body?.tree,
            "responses": .object(answers.map { JSONMember("\($0.status)", $0.tree) }), "security": access.tree,
        ])
    }
}

extension Schema {
    /// With what it is, and one of it.
    fileprivate func described(as name: String) -> JSONValue {
        var members = tree.members ?? []
        if let about = SchemaExamples.about(name) { members.insert(JSONMember("description", .string(about)), at: 0) }
        if let example = SchemaExamples.example(name) { members.append(JSONMember("examples", [example])) }
        return .object(members)
    }
}

extension Access {
    fileprivate var words: String {
        switch self {
        case .open: "Open to anybody."
        case .metadata: "Open to anybody; with SWINGMUSIC_FCGI_METADATA_AUTH=session for users with a session."
        case .mirror:
            "Open to anybody; with SWINGMUSIC_FCGI_METADATA_AUTH=session for users with a session, and for clients with the token of a client key."
        case .optional: "Needs no token; a bad one is refused."
        case .session: "For users with a session."
        case .refresh: "For who has a refresh token."
        case .admin: "For the administrator: the admin token, or the session of a user with the role admin."
        case .caches: "For the administrator, and for who has the token for the caches."
        case .page: "For the administrator, and for who has signed in to the status page with the admin token."
        }
    }

    /// Alternatives, any of which will do; an empty one asks for nothing (OpenAPI 3.1, Security Requirement Object).
    fileprivate var tree: JSONValue {
        switch self {
        case .open: []
        case .metadata, .optional: [.object([]), ["cookie": []], ["session": []]]
        case .mirror: [.object([]), ["cookie": []], ["session": []], ["clientKey": []]]
        case .session: [["cookie": []], ["session": []]]
        case .refresh: [["refreshCookie": []], ["refresh": []]]
        case .admin: [["adminToken": []], ["cookie": []], ["session": []]]
        case .page: [["statusPage": []], ["adminToken": []], ["cookie": []], ["session": []]]
        case .caches: [["cacheToken": []], ["adminToken": []], ["cookie": []], ["session": []]]
        }
    }

    fileprivate static let schemes: JSONValue = [
        "cookie": [
            "type": "apiKey", "in": "cookie", "name": "access_token_cookie",
            "description": "A user's session. The cookie goes before an Authorization header.",
        ],
        "session": [
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A user's session: the accesstoken of a login.",
        ],
        "refreshCookie": ["type": "apiKey", "in": "cookie", "name": "refresh_token_cookie", "description": "The refreshtoken of a login."],
        "refresh": ["type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "The refreshtoken of a login."],
        "adminToken": [
            "type": "http", "scheme": "bearer",
            "description": "SWINGMUSIC_FCGI_ADMIN_TOKEN. A session with the role admin does as well.",
        ],
        "statusPage": [
            "type": "apiKey", "in": "cookie", "name": .string(AdminSessions.cookie),
            "description": "Who has signed in to the status page with the admin token; `__Host-` before the name where that was by TLS.",
        ],
        "clientKey": [
            "type": "oauth2",
            "description": "A client key's token: for reading the mirror alone. An administrator makes keys.",
            "flows": ["clientCredentials": ["tokenUrl": "/spotify/api/token", "scopes": .object([])]],
        ],
        "cacheToken": ["type": "http", "scheme": "bearer", "description": "SWINGMUSIC_FCGI_CACHE_TOKEN: for the caches alone."],
    ]
}
