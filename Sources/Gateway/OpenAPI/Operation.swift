import JSON

/// A family of routes: what stands below one prefix of the router.
struct DescribedFamily: Sendable {
    /// As the router has it, with a slash at the end.
    var prefix: String
    var tag: String
    var about: String
    var paths: [DescribedPath]
    /// Components that the paths refer to.
    var schemas: KeyValuePairs<String, Schema>
}

/// A path below its family's prefix, `tracks/{id}`, and what can be done there.
struct DescribedPath: Sendable {
    var template: String
    var operations: [DescribedOperation]

    init(_ template: String, _ operations: DescribedOperation...) {
        self.template = template
        self.operations = operations
    }

    func tree(of tag: String) -> JSONValue { .object(operations.map { JSONMember($0.method.rawValue, $0.tree(of: tag)) }) }
}

/// One method of a path.
struct DescribedOperation: Sendable {
    enum Method: String, Sendable { case get, post, put, delete }

    var method: Method
    /// Names it to programs that are made from the document.
    var id: String
    var summary: String
    var about: String?
    var access: Access
    var parameters: [DescribedParameter] = []
    var body: DescribedBody?
    var answers: [DescribedAnswer]

    func tree(of tag: String) -> JSONValue {
        .object([
            "operationId": .string(id), "summary": .string(summary), "description": about.map(JSONValue.string), "tags": [.string(tag)],
            "parameters": parameters.isEmpty ? nil : .array(parameters.map(\.tree)), "requestBody": body?.tree,
            "responses": .object(answers.map { JSONMember("\($0.status)", $0.tree) }), "security": access.tree,
        ])
    }
}

/// A parameter of an operation: in the path, the query or a header.
struct DescribedParameter: Sendable {
    enum Place: String, Sendable { case path, query, header }

    var name: String
    var place: Place
    var about: String
    var schema: Schema
    var isRequired = false
    /// A list of values, by comma.
    var isList = false
    var example: JSONValue?

    static func path(_ name: String, _ about: String, _ schema: Schema, example: JSONValue? = nil) -> DescribedParameter {
        DescribedParameter(name: name, place: .path, about: about, schema: schema, isRequired: true, example: example)
    }

    static func query(
        _ name: String, _ about: String, _ schema: Schema, isRequired: Bool = false, isList: Bool = false, example: JSONValue? = nil
    ) -> DescribedParameter {
        DescribedParameter(
            name: name, place: .query, about: about, schema: schema, isRequired: isRequired, isList: isList, example: example)
    }

    static func header(_ name: String, _ about: String, _ schema: Schema) -> DescribedParameter {
        DescribedParameter(name: name, place: .header, about: about, schema: schema)
    }

    var tree: JSONValue {
        .object([
            "name": .string(name), "in": .string(place.rawValue), "description": .string(about), "required": isRequired ? true : nil,
            "style": isList ? "form" : nil, "explode": isList ? false : nil, "schema": schema.tree, "example": example,
        ])
    }
}

/// What an operation wants in a request's body.
struct DescribedBody: Sendable {
    var type: String
    var schema: Schema
    var example: JSONValue?
    /// An operation that takes no body for an empty one.
    var isOptional = false

    static func json(_ schema: Schema, example: JSONValue? = nil) -> DescribedBody {
        DescribedBody(type: "application/json", schema: schema, example: example)
    }

    var tree: JSONValue {
        let content = JSONMember(type, .object(["schema": schema.tree, "example": example]))
        return .object(["required": isOptional ? nil : true, "content": .object([content])])
    }
}

/// One of the answers that an operation may give.
struct DescribedAnswer: Sendable {
    var status: Int
    var about: String
    /// Media types and what is in them; none for an answer without a body.
    var content: [(type: String, schema: Schema)]
    var headers: [DescribedHeader]

    init(_ status: Int, _ about: String, content: [(type: String, schema: Schema)] = [], headers: [DescribedHeader] = []) {
        self.status = status
        self.about = about
        self.content = content
        self.headers = headers
    }

    static func json(_ status: Int, _ about: String, _ schema: Schema, headers: [DescribedHeader] = []) -> DescribedAnswer {
        DescribedAnswer(status, about, content: [("application/json", schema)], headers: headers)
    }

    var tree: JSONValue {
        .object([
            "description": .string(about),
            "headers": headers.isEmpty ? nil : .object(headers.map { JSONMember($0.rawValue, $0.reference) }),
            "content": content.isEmpty ? nil : .object(content.map { JSONMember($0.type, ["schema": $0.schema.tree]) }),
        ])
    }
}

/// The headers that answers carry beside the usual ones.
enum DescribedHeader: String, CaseIterable, Sendable {
    case cacheStatus = "Cache-Status"
    case entityTag = "ETag"
    case retryAfter = "Retry-After"
    case rateLimitReset = "RateLimit-Reset"
    case preferenceApplied = "Preference-Applied"
    case authenticate = "WWW-Authenticate"
    case setCookie = "Set-Cookie"
    case location = "Location"
    case userID = "X-Swingmusic-User-Id"
    case userName = "X-Swingmusic-Username"
    case roles = "X-Swingmusic-Roles"

    var reference: JSONValue { ["$ref": "#/components/headers/\(rawValue)"] }

    var tree: JSONValue {
        .object(["description": .string(about), "required": isAlwaysThere ? true : nil, "schema": schema.tree])
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
        case .rateLimitReset: "Whole seconds until what was asked for should be here, where Retry-After says less, too."
        case .preferenceApplied: "RFC 7240."
        case .authenticate: "How to sign in: with a bearer token (RFC 6750)."
        case .setCookie: "The session's cookie: new after a login, renewed in its last week, emptied by a logout."
        case .location: "Where to go on."
        case .userID: "The user's number."
        case .userName: "Percent-encoded UTF-8."
        case .roles: "By comma, each percent-encoded."
        }
    }

    private var schema: Schema {
        switch self {
        case .cacheStatus: .text(pattern: "^swingmusic-fcgi; (hit|fwd=miss)")
        case .entityTag: .text(pattern: "^(W/)?\"[0-9a-f]{16}\"$")
        case .retryAfter, .rateLimitReset: .integer(1)
        case .preferenceApplied: .constant("respond-async")
        case .authenticate: .constant("Bearer realm=\"swingmusic-fcgi\"")
        case .setCookie, .location, .userName, .roles: .text
        case .userID: .integer()
        }
    }
}

extension Access {
    /// Alternatives, any of which will do; an empty one asks for nothing (OpenAPI 3.1, Security Requirement Object).
    var tree: JSONValue {
        switch self {
        case .open: []
        case .metadata, .optional: [.object([]), ["cookie": []], ["session": []]]
        case .session: [["cookie": []], ["session": []]]
        case .refresh: [["refreshCookie": []], ["refresh": []]]
        case .admin: [["adminToken": []], ["cookie": []], ["session": []]]
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
        "cacheToken": ["type": "http", "scheme": "bearer", "description": "SWINGMUSIC_FCGI_CACHE_TOKEN: for the caches alone."],
    ]
}
