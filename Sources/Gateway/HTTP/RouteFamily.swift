import FastCGI

/// A family of routes: what stands below one prefix and speaks one dialect. What is said here holds for all of its routes.
protocol RouteFamily: Sendable {
    /// With a slash at the end.
    var prefix: String { get }
    /// Where the family is found, too; with a slash at the end.
    var otherPrefix: String? { get }
    /// Its name in the description, and what the description says of it.
    var tag: String { get }
    var about: String { get }
    /// What its answers are counted as.
    var label: Counter.Family { get }
    var errorFormat: ErrorFormat { get }
    var pathForm: PathTree.Form { get }
    /// Bytes of the longest body that is read.
    var longestBody: Int { get }
    /// Who may read the answers beside the origins that a setting names.
    var readers: CrossOrigin.Readers { get }
    /// The family's word for a path that is none.
    var notFound: String { get }
    /// What is asked of who asks for a path that is none.
    var accessToNothing: Access { get }
    /// Whether anybody is told which methods a path takes; else who may use it.
    var tellsMethods: Bool { get }
    /// Whether the routes' own work lets in who may use them, as they declare it (`AdmittedWork`): in swingmusic's order, and its words.
    var seesToAccess: Bool { get }
    /// All of its routes. Asked for once.
    var routes: [Route] { get }
    /// What the routes' descriptions name.
    var schemas: KeyValuePairs<String, Schema> { get }

    /// What is answered before any route, by a family that sees to access; nil: nothing.
    func answerFirst(_ routed: RoutedRequest) -> Outcome?
    /// What is answered where there is no route; nil: 404, or 405 with the path's methods.
    /// - Parameter paths: the family's own.
    func answerUnserved(_ routed: RoutedRequest, _ paths: PathTree) -> Outcome?
    /// Whether a body is read of what no route has.
    func readsBody(ofUnserved routed: RoutedRequest, _ paths: PathTree) -> Bool
    /// A path as it would be asked for now, where it is one that is asked for otherwise; nil: it is none.
    func newerPath(_ path: Substring) -> String?
    /// What a 401 says of the token that is wanted, and of where to get one; nil: what was wrong alone.
    func wantedToken(_ routed: RoutedRequest) -> String?
}

extension RouteFamily {
    var otherPrefix: String? { nil }
    var pathForm: PathTree.Form { .exact }
    var longestBody: Int { 65_536 }
    var readers: CrossOrigin.Readers { .named }
    var notFound: String { "Not found" }
    var accessToNothing: Access { .open }
    var tellsMethods: Bool { true }
    var seesToAccess: Bool { false }
    var schemas: KeyValuePairs<String, Schema> { [:] }
    func answerFirst(_ routed: RoutedRequest) -> Outcome? { nil }
    func answerUnserved(_ routed: RoutedRequest, _ paths: PathTree) -> Outcome? { nil }
    func readsBody(ofUnserved routed: RoutedRequest, _ paths: PathTree) -> Bool { true }
    func newerPath(_ path: Substring) -> String? { nil }
    func wantedToken(_ routed: RoutedRequest) -> String? { nil }
}
