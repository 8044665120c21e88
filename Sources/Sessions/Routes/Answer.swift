import JSON

/// What a session route answers with.
public protocol SessionAnswer: Sendable {
    static func refused(_ refused: Refused) -> Self
    /// Whether it has a cookie of its own.
    var setsCookie: Bool { get }
    /// - Parameter cookie: the value of a `Set-Cookie`; nil: there is none.
    func adding(_ cookie: String?) -> Self
}

/// An answer of a session route, for whoever speaks HTTP to send.
public struct Answer: SessionAnswer, Equatable {
    public var status: Int
    /// JSON.
    public var body: [UInt8]
    /// Values of `Set-Cookie`.
    public var cookies: [String]
    /// Seconds, for `Retry-After`.
    public var retryAfter: Int?
    /// Why there is no answer at present, for the log.
    public var cause: Cause?

    public enum Cause: Sendable {
        /// Too many were wrong.
        case guesses
        /// The session has as many tokens as it may.
        case tokens
        /// Too many passwords wait to be hashed.
        case logins
        /// Ours or swingmusic's cannot be read, or ours not be written.
        case files
    }

    init(status: Int, body: [UInt8], cookies: [String] = [], retryAfter: Int? = nil, cause: Cause? = nil) {
        self.status = status
        self.body = body
        self.cookies = cookies
        self.retryAfter = retryAfter
        self.cause = cause
    }

    static func json(_ value: JSONValue, status: Int = 200, cookies: [String] = []) -> Answer {
        Answer(status: status, body: JSONWriter.body(value), cookies: cookies)
    }

    /// `{"msg": text}`.
    public static func message(_ text: String, status: Int, retryAfter: Int? = nil, cause: Cause? = nil) -> Answer {
        Answer(status: status, body: JSONWriter.body(.object([JSONMember("msg", .string(text))])), retryAfter: retryAfter, cause: cause)
    }

    public static func refused(_ refused: Refused) -> Answer {
        message(refused.message, status: refused.status, retryAfter: refused.retryAfter, cause: refused.status >= 500 ? .files : nil)
    }

    static let unavailable = refused(.unavailable)

    public var setsCookie: Bool { !cookies.isEmpty }

    public func adding(_ cookie: String?) -> Answer {
        guard let cookie else { return self }
        var answer = self
        answer.cookies.append(cookie)
        return answer
    }
}

/// A refusal in swingmusic's words.
public struct Refused: Sendable, Equatable, Error {
    public var status: Int
    public var message: String
    /// Seconds, for `Retry-After`.
    public var retryAfter: Int?

    public init(status: Int, message: String, retryAfter: Int? = nil) {
        self.status = status
        self.message = message
        self.retryAfter = retryAfter
    }

    init(_ fault: TokenFault) { self.init(status: fault.status, message: fault.message) }

    static let revoked = Refused(status: 401, message: "Token has been revoked")
    static let duplicateCookies = Refused(status: 401, message: "More than one access_token_cookie")
    static let unclearCookie = Refused(status: 401, message: "The access_token_cookie can be read in two ways")
    static let badAuthorization = Refused(
        status: 422, message: "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'")
    /// Where a user is wanted. It is the token that is no good, whatever else swingmusic would say of its form.
    static let misplacedClientToken = Refused(status: 401, message: "A client key's token is for reading below /spotify/v1 alone")
    static let endedClientToken = Refused(status: 401, message: "The access token expired, or its key was revoked")
    static let foreignSite = Refused(status: 403, message: "Cross-site request refused")
    static let outdatedForm = Refused(status: 403, message: "The page is out of date: load it again")
    static let unknownChange = Refused(status: 400, message: "There is no such change")
    public static let unavailable = Refused(status: 503, message: "Sessions cannot be checked at the moment", retryAfter: 5)
    static let adminsOnly = Refused(status: 403, message: "Only admins can do that!")

    /// The user of the token does not exist (any more).
    static func noUser(_ subject: JSONValue) -> Refused {
        Refused(status: 401, message: "Error loading the user \(PythonText.representation(subject))")
    }
}
