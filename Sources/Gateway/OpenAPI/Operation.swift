/// The headers that answers carry beside the usual ones.
enum DescribedHeader: String, CaseIterable, Sendable {
    case cacheStatus = "Cache-Status"
    case entityTag = "ETag"
    case retryAfter = "Retry-After"
    case preferenceApplied = "Preference-Applied"
    case authenticate = "WWW-Authenticate"
    case setCookie = "Set-Cookie"
    case userID = "X-Swingmusic-User-Id"
    case userName = "X-Swingmusic-Username"
    case roles = "X-Swingmusic-Roles"

    var reference: JSONTree { ["$ref": "#/components/headers/\(rawValue)"] }

    var tree: JSONTree {
        .object(["description": .text(about), "required": isAlwaysThere ? true : nil, "schema": schema.tree])
    }

    /// Those of any refusal with that status.
    static func always(with status: Int) -> [DescribedHeader] {
        switch status {
        case 401: [.authenticate]
        case 429, 503: [.retryAfter]
        default: []
        }
    }

    private var isAlwaysThere: Bool { self != .setCookie }

    private var about: String {
        switch self {
        case .cacheStatus: "Where the answer came from (RFC 9211): a hit with its tier and remaining time, or a miss."
        case .entityTag: "Changes with the answer; for If-None-Match."
        case .retryAfter: "Whole seconds after which asking again makes sense, at least 1."
        case .preferenceApplied: "RFC 7240."
        case .authenticate: "How to sign in: with a bearer token (RFC 6750)."
        case .setCookie: "The session's cookie: new after a login, renewed in its last week, emptied by a logout."
        case .userID: "The user's number."
        case .userName: "Percent-encoded UTF-8."
        case .roles: "By comma, each percent-encoded."
        }
    }

    private var schema: Schema {
        switch self {
        case .cacheStatus: .text(pattern: "^swingmusic-fcgi; (hit|fwd=miss)")
        case .entityTag: .text(pattern: "^(W/)?\"[0-9a-f]{16}\"$")
        case .retryAfter: .integer(1)
        case .preferenceApplied: .constant("respond-async")
        case .authenticate: .constant("Bearer realm=\"swingmusic-fcgi\"")
        case .setCookie, .userName, .roles: .text
        case .userID: .integer()
        }
    }
}
