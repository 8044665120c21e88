/// Who may call an operation, as the document's security schemes say it.
enum Access: Sendable {
    /// Anybody.
    case open
    /// Anybody, or with `SWINGMUSIC_FCGI_METADATA_AUTH=session` users with a session.
    case metadata
    /// A token is not needed; a bad one is refused.
    case optional
    /// A user with a session.
    case session
    /// Who has a refresh token.
    case refresh
    /// The administrator.
    case admin

    /// Alternatives, any of which will do; an empty one asks for nothing (OpenAPI 3.1, Security Requirement Object).
    var tree: JSONTree {
        switch self {
        case .open: []
        case .metadata, .optional: [.object([]), ["cookie": []], ["session": []]]
        case .session: [["cookie": []], ["session": []]]
        case .refresh: [["refreshCookie": []], ["refresh": []]]
        case .admin: [["adminToken": []], ["cookie": []], ["session": []]]
        }
    }

    static let schemes: JSONTree = [
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
    ]
}
