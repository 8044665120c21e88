import FastCGI

/// A route, declared once: it is served, held to its access, and described from this.
final class Route: Sendable {
    enum Method: String, Sendable { case get, post, put, delete }

    /// Answers a request that has been let in. What it throws is answered in the family's shape of errors.
    typealias Handler = @Sendable (RoutedRequest) throws(BadRequest) -> Outcome

    let method: Method
    /// Below its family's prefix: `tracks/{id}`. A parameter stands for one part of a path; in a family of `.asSent` paths, a last one
    /// that is not the first, for the rest.
    let template: String
    let access: Access
    /// Who may read the answer beside those that `SWINGMUSIC_FCGI_CORS_ORIGINS` names; as for all of the family when nil.
    let readers: CrossOrigin.Readers?
    /// nginx asks it about other requests (`auth_request`): with any method, and with a length that is the other one's.
    let isSubrequest: Bool
    /// For people: who is not let in gets a page, too.
    let isPage: Bool
    /// Names it to programs that are made from the description.
    let id: String
    let summary: String
    let about: String?
    /// All that its handler can read of the path, the query, and the headers that are described.
    let parameters: [Parameter]
    let body: DescribedBody?
    /// Its own: what access brings, and a body that is too long, is described for all routes in one place.
    let answers: [DescribedAnswer]
    let handler: Handler

    init(
        _ method: Method, _ template: String, id: String, access: Access, readers: CrossOrigin.Readers? = nil, isSubrequest: Bool = false,
        isPage: Bool = false, summary: String, about: String? = nil, parameters: [Parameter] = [], body: DescribedBody? = nil,
        answers: [DescribedAnswer],
        handler: @escaping Handler
    ) {
        self.method = method
        self.template = template
        self.access = access
        self.readers = readers
        self.isSubrequest = isSubrequest
        self.isPage = isPage
        self.id = id
        self.summary = summary
        self.about = about
        self.parameters = parameters
        self.body = body
        self.answers = answers
        self.handler = handler
    }

    /// HEAD is answered wherever GET is.
    func takes(_ asked: FastCGI.Method) -> Bool {
        switch (method, asked) {
        case (.get, .get), (.get, .head), (.post, .post), (.put, .put), (.delete, .delete): true
        default: isSubrequest
        }
    }

    /// For `Allow`.
    var allowed: String { method == .get ? "GET, HEAD" : method.rawValue.uppercased() }
}

/// A request on its way through the router: which route it has come to, and with what.
struct RoutedRequest {
    let request: Request
    /// nil: none of the family's has this path, or this method.
    let route: Route?
    /// Where there is no route, the methods of the path, for `Allow`; nil for a path that is none.
    let allowed: String?
    let path: PathValues
    /// Bytes of the prefix by which the family was found.
    let prefixLength: Int
    /// Found by the family's `otherPrefix`.
    let isAtOtherPrefix: Bool
    /// Who a lookup is charged to; known where the request was let in.
    var client = ""
    /// The session's user; nil where the route needs none.
    var user: Int?
    /// Whether who asks may see what the connected account's owner keeps from others.
    var seesPrivate = false

    /// Who asks for what is the administrator's, for the log.
    var actor: String { user.map { "id \($0)" } ?? "a token" }

    /// What follows the family's prefix, as nginx has decoded it. Made anew each time it is asked for.
    var rest: Substring {
        request.withPath { path in Substring(decoding: path[min(prefixLength, path.count)...], as: UTF8.self) } ?? ""
    }

    /// What is given for the route's parameters. Made anew each time it is asked for.
    var given: GivenParameters {
        GivenParameters(declared: route?.parameters ?? [], query: Query(request.parameter("QUERY_STRING") ?? ""), path: path)
    }

    /// The members of the body that the route declares.
    /// - Throws: 400 for a body that is no JSON object.
    func object() throws(BadRequest) -> JSONObject {
        guard case .bytes(let bytes) = request.body, let object = JSONObject(bytes, route?.body?.members ?? []) else {
            throw BadRequest(400, "The body must be a JSON object")
        }
        return object
    }

    /// The bytes of the body; none where none came.
    var body: [UInt8] { if case .bytes(let bytes) = request.body { bytes } else { [] } }
}

/// A route's parameters as a request gives them: what the route does not declare is not to be had.
struct GivenParameters {
    fileprivate let declared: [Parameter]
    fileprivate let query: Query
    fileprivate let path: PathValues

    /// The query had a percent sign without two hexadecimal digits, or bytes that are no UTF-8.
    var isMalformed: Bool { query.isMalformed }

    /// The first value of that name in the query, or the part of the path, decoded; nil where there is none.
    subscript(_ parameter: Parameter) -> String? {
        switch parameter.place {
        case .query:
            guard !query.isEmpty, declared.contains(where: { $0 === parameter }) else { return nil }
            for name in parameter.names { if let value = query[name] { return value } }
            return nil
        case .path:
            var place = 0
            for each in declared where each.place == .path {
                if each === parameter { return path[place] }
                place += 1
            }
            return nil
        case .header: return nil
        }
    }

    /// The rest of a path, byte for byte, for the parameter that takes it.
    func rest(_ parameter: Parameter) -> [UInt8] { declared.last { $0.place == .path } === parameter ? path.rest : [] }
}

/// What a path says of its parameters, of which there are two at most.
struct PathValues {
    private var first = "", second = ""
    private var count = 0
    /// What the last one takes, where it takes the rest of the path; empty without it.
    var rest: [UInt8] = []

    mutating func add(_ value: String) {
        if count == 0 { first = value } else { second = value }
        count += 1
    }

    /// nil for a place that the path has not.
    subscript(_ place: Int) -> String? { place < count ? (place == 0 ? first : second) : nil }
}

extension Request {
    /// The value of a header that is declared.
    func header(_ parameter: Parameter) -> String? { parameter.variable.flatMap { self.parameter($0) } }
}
