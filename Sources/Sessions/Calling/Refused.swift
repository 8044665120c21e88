/// A refusal in swingmusic's words.
public struct Refused: Sendable, Equatable, Error {
    public var status: Int
    public var message: String

    public init(status: Int, message: String) {
        self.status = status
        self.message = message
    }

    init(_ fault: TokenFault) { self.init(status: fault.status, message: fault.message) }

    static let revoked = Refused(status: 401, message: "Token has been revoked")
    static let duplicateCookies = Refused(status: 401, message: "More than one access_token_cookie")
    static let badAuthorization = Refused(
        status: 422, message: "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'")
    static let foreignSite = Refused(status: 403, message: "Cross-site request refused")
    static let unavailable = Refused(status: 503, message: "Sessions cannot be checked at the moment")
    static let adminsOnly = Refused(status: 403, message: "Only admins can do that!")

    /// The user of the token does not exist (any more).
    static func noUser(_ subject: JSONValue) -> Refused {
        Refused(status: 401, message: "Error loading the user \(PythonText.representation(subject))")
    }
}
