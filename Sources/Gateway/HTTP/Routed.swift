import FastCGI

/// A request on its way through the router: the path without its family's prefix, cut at the slashes.
struct Routed {
    let request: Request
    /// Decoded by nginx; what follows the family's prefix.
    let rest: Substring

    /// `rest` cut at `/`; a trailing slash leaves nothing behind. Made anew each time it is asked for.
    var segments: [String] {
        // Over bytes: cutting at characters costs ten times as much, on every hit.
        var rest = rest
        return rest.withUTF8 { bytes in
            var segments: [String] = []
            segments.reserveCapacity(4)
            var start = 0
            for end in 0...bytes.count where end == bytes.count || bytes[end] == UInt8(ascii: "/") {
                if end > start { segments.append(String(decoding: bytes[start..<end], as: UTF8.self)) }
                start = end + 1
            }
            return segments
        }
    }

    /// Who a lookup is charged to when there is no session.
    var address: String { request.parameter("REMOTE_ADDR") ?? "" }
    var query: Query { Query(request.parameter("QUERY_STRING") ?? "") }
}

/// One family of routes: what stands below one prefix and speaks one dialect.
protocol RouteFamily: Sendable {
    var dialect: Dialect { get }
    func bodyPolicy(_ routed: Routed) -> BodyPolicy
    func readers(_ routed: Routed) -> CrossOrigin.Readers
    func answer(_ routed: Routed) -> Outcome
}

extension RouteFamily {
    func bodyPolicy(_ routed: Routed) -> BodyPolicy { .read(limit: 65_536) }
    func readers(_ routed: Routed) -> CrossOrigin.Readers { .named }
}
