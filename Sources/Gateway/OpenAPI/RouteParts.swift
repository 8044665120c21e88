import FastCGI
import JSON

/// A parameter of a route: in the path, the query or a header. There is one of each, by which handlers ask for its value.
final class Parameter: Sendable {
    enum Place: String, Sendable { case path, query, header }

    let place: Place
    /// The described name first, then those that do as well.
    let names: [String]
    let about: String
    let schema: Schema
    let isRequired: Bool
    /// A list of values, by comma.
    let isList: Bool
    /// All values that there are, of a parameter in the path; nil: any.
    let words: [String]?
    /// The FastCGI parameter that a header comes as.
    let variable: StaticString?
    let example: JSONValue?

    private init(
        _ place: Place, _ names: [String], _ about: String, _ schema: Schema, isRequired: Bool, isList: Bool = false,
        words: [String]? = nil, variable: StaticString? = nil, example: JSONValue? = nil
    ) {
        self.place = place
        self.names = names
        self.about = about
        self.schema = schema
        self.isRequired = isRequired
        self.isList = isList
        self.words = words
        self.variable = variable
        self.example = example
    }

    static func path(_ name: String, _ about: String, _ schema: Schema, example: JSONValue? = nil) -> Parameter {
        Parameter(.path, [name], about, schema, isRequired: true, example: example)
    }

    /// - Parameter words: a path with another one is none.
    static func path(_ name: String, _ about: String, oneOf words: [String], example: JSONValue? = nil) -> Parameter {
        Parameter(.path, [name], about, .oneOf(words), isRequired: true, words: words, example: example)
    }

    /// - Parameter others: names by which it is known besides; the first that is there counts.
    static func query(
        _ name: String, _ about: String, _ schema: Schema, isRequired: Bool = false, isList: Bool = false, others: [String] = [],
        example: JSONValue? = nil
    ) -> Parameter {
        Parameter(.query, [name] + others, about, schema, isRequired: isRequired, isList: isList, example: example)
    }

    static func header(
        _ name: String, as variable: StaticString, _ about: String, _ schema: Schema, example: JSONValue? = nil
    ) -> Parameter {
        Parameter(.header, [name], about, schema, isRequired: false, variable: variable, example: example)
    }

    var name: String { names[0] }

    var tree: JSONValue {
        .object([
            "name": .string(name), "in": .string(place.rawValue), "description": .string(about), "required": isRequired ? true : nil,
            "style": isList ? "form" : nil, "explode": isList ? false : nil, "schema": schema.tree, "example": example,
        ])
    }
}

/// What a route wants in a request's body.
struct DescribedBody: Sendable {
    var type: String
    var schema: Schema
    var example: JSONValue?
    /// A route that takes no body for an empty one.
    var isOptional = false
    /// Of an object that is read here.
    var members: [BodyMember] = []

    static func json(_ schema: Schema, example: JSONValue? = nil) -> DescribedBody {
        DescribedBody(type: "application/json", schema: schema, example: example)
    }

    /// An object that is read member by member; others in it are nothing to us.
    static func object(_ required: [BodyMember] = [], optional: [BodyMember], example: JSONValue) -> DescribedBody {
        DescribedBody(
            type: "application/json", schema: schema(required, optional), example: example, members: required + optional)
    }

    /// What browsers make of a form, read likewise.
    static func form(_ required: [BodyMember], optional: [BodyMember]) -> DescribedBody {
        DescribedBody(type: formType, schema: schema(required, optional), members: required + optional)
    }

    static let formType = "application/x-www-form-urlencoded"

    private static func schema(_ required: [BodyMember], _ optional: [BodyMember]) -> Schema {
        .object(members: required.map { ($0.name, $0.schema) }, optional: optional.map { ($0.name, $0.schema) }, isOpen: true)
    }

    var tree: JSONValue {
        let content = JSONMember(type, .object(["schema": schema.tree, "example": example]))
        return .object(["required": isOptional ? nil : true, "content": .object([content])])
    }
}

/// A member of a JSON object in a body, by which handlers ask for its value.
struct BodyMember: Sendable {
    let name: String
    let schema: Schema

    init(_ name: String, _ schema: Schema) {
        self.name = name
        self.schema = schema
    }
}

/// One of the answers that a route may give.
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
        case 429, 502, 503, 504: [.retryAfter]
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
