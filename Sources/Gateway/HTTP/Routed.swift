import FastCGI

/// A request on its way through the router: the path without its family's prefix, cut at the slashes.
struct Routed {
    let request: Request
    /// Decoded by nginx; what follows the family's prefix.
    let rest: Substring
    /// `rest` cut at `/`; a trailing slash leaves nothing behind.
    let segments: [Substring]

    init(request: Request, rest: Substring) {
        self.request = request
        self.rest = rest
        // Over bytes: cutting at characters costs ten times as much, on every hit.
        segments = rest.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: true).map(Substring.init)
    }

    /// Who a lookup is charged to when there is no session.
    var address: String { request.parameter("REMOTE_ADDR") ?? "" }
    var query: Query { Query(request.parameter("QUERY_STRING") ?? "") }
}

/// One family of routes: what stands below one prefix and speaks one dialect.
protocol RouteFamily: Sendable {
    var dialect: Dialect { get }
    func bodyPolicy(_ routed: Routed) -> BodyPolicy
    func answer(_ routed: Routed) -> Outcome
}

extension RouteFamily {
    func bodyPolicy(_ routed: Routed) -> BodyPolicy { .read(limit: 65_536) }
}
