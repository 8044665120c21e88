import JSON

extension Access {
    var words: String {
        switch self {
        case .open: "Open to anybody."
        case .metadata: "Open to anybody; with SWINGMUSIC_FCGI_METADATA_AUTH=session or nginx for users with a session."
        case .mirror:
            """
            Open to anybody; with SWINGMUSIC_FCGI_METADATA_AUTH=session for users with a session and for who has a client key's token, with nginx \
            for users with a session.
            """
        case .optional: "Needs no token; a bad one is refused."
        case .permissive: "Needs no token; a bad one is as none."
        case .session: "For users with a session."
        case .refresh: "For who has a refresh token."
        case .admin: "For the administrator: the admin token, or the session of a user with the role admin."
        case .caches: "For the administrator, and for who has the token for the caches."
        case .page: "For the administrator, and for who has signed in to the status page with the admin token."
        }
    }

    /// Alternatives, any of which will do; an empty one asks for nothing (OpenAPI 3.1, Security Requirement Object).
    var tree: JSONValue {
        switch self {
        case .open: []
        case .metadata, .optional, .permissive: [.object([]), ["cookie": []], ["session": []]]
        case .mirror: [.object([]), ["cookie": []], ["session": []], ["clientKey": []]]
        case .session: [["cookie": []], ["session": []]]
        case .refresh: [["refreshCookie": []], ["refresh": []]]
        case .admin: [["adminToken": []], ["cookie": []], ["session": []]]
        case .page: [["statusPage": []], ["adminToken": []], ["cookie": []], ["session": []]]
        case .caches: [["cacheToken": []], ["adminToken": []], ["cookie": []], ["session": []]]
        }
    }

    static let schemes: JSONValue = [
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

extension Access {
    /// How a request is answered that is not let in, in its family's shape: what `AccessControl` answers, below `/auth/` the sessions.
    fileprivate func refusals(of route: Route, in family: any RouteFamily) -> [DescribedAnswer] {
        guard let refusals = refusals(ofChanges: route.method != .get) else { return [] }
        // nginx knows these two alone, and people a page.
        if route.isSubrequest {
            return [
                refusal(401, refusals.token, family),
                refusal(403, "\(Self.foreignPage) \(Self.unchecked)", family),
            ]
        }
        var all: [(status: Int, about: String)] = [(401, refusals.token), (503, Self.unchecked)]
        if let forbidden = refusals.forbidden { all.append((403, forbidden)) }
        if isAdministrators { all.append((429, "Too many wrong tokens came from this address in this minute.")) }
        if family.seesToAccess, !route.isPage { all.append((422, "The token cannot be read.")) }
        return all.map { route.isPage ? .page($0.status, $0.about) : refusal($0.status, $0.about, family) }
    }

    /// What a 401 and a 403 mean; nil where nobody is refused.
    private func refusals(ofChanges changes: Bool) -> (token: String, forbidden: String?)? {
        let foreign = changes ? Self.foreignPage : nil
        switch self {
        case .open, .permissive: return nil
        case .optional: return ("The token is no good.", foreign)
        case .metadata, .mirror: return ("A session is needed and there is none, or its token is no good.", foreign)
        case .session, .refresh: return ("There is no token, or it is no good.", foreign)
        case .admin, .caches, .page:
            let words = "Only admins can do that"
            return (
                "An admin's session or token is needed.",
                changes ? "\(words), or a page of another site used an admin's cookie." : "\(words)."
            )
        }
    }

    static let foreignPage = "A page of another site used the user's cookie."
    private static let unchecked = "The session cannot be checked."

    /// Wrong tokens for it are counted.
    private var isAdministrators: Bool {
        switch self {
        case .admin, .caches, .page: true
        case .open, .metadata, .mirror, .optional, .permissive, .session, .refresh: false
        }
    }

    private func refusal(_ status: Int, _ about: String, _ family: any RouteFamily) -> DescribedAnswer {
        .json(status, about, family.errorFormat.schema, headers: DescribedHeader.always(with: status))
    }
}

extension Route {
    /// What the route says of its answers, and what the router answers before it comes to the route: by its access, and to a body that is
    /// too long.
    func allAnswers(in family: any RouteFamily) -> [DescribedAnswer] {
        var all = answers
        for answer in access.refusals(of: self, in: family) + tooLong(for: family) {
            if let place = all.firstIndex(where: { $0.status == answer.status }) {
                all[place] = all[place].or(answer)
            } else {
                all.append(answer)
            }
        }
        return all.sorted { $0.status < $1.status }
    }

    private func tooLong(for family: any RouteFamily) -> [DescribedAnswer] {
        guard body != nil || method == .post || method == .put, !isSubrequest else { return [] }
        let size = family.longestBody >= 1 << 20 ? "\(family.longestBody >> 20) MiB" : "\(family.longestBody >> 10) KiB"
        return [.json(413, "A body over \(size).", family.errorFormat.schema)]
    }
}

extension ErrorFormat {
    /// Of the errors in this shape.
    var schema: Schema {
        switch self {
        case .spotify: .named("SpotifyError")
        case .plain: .named("Error")
        case .swingmusic: .named("Message")
        case .accounts: .named("TokenError")
        }
    }
}

extension DescribedAnswer {
    /// An answer for people.
    static func page(_ status: Int, _ about: String, _ headers: [DescribedHeader] = []) -> DescribedAnswer {
        DescribedAnswer(status, about, content: [("text/html", .text)], headers: headers + DescribedHeader.always(with: status))
    }

    /// This one or another of its status.
    fileprivate func or(_ other: DescribedAnswer) -> DescribedAnswer {
        var both = self
        if let first = other.about.first { both.about = "\(about.dropLast()); or \(first.lowercased())\(other.about.dropFirst())" }
        for (type, schema) in other.content {
            if let place = content.firstIndex(where: { $0.type == type }) {
                both.content[place].schema = content[place].schema.or(schema)
            } else {
                both.content.append((type, schema))
            }
        }
        both.headers += other.headers.filter { !headers.contains($0) }
        return both
    }
}
