import FastCGI
import Platform
import Sessions

/// Finds the family of routes for a request.
///
/// The route is `PATH_INFO` when set, else `DOCUMENT_URI`, else `SCRIPT_NAME`; nginx has decoded and normalised it.
public struct Router: Handler {
    /// Prefixes with a slash at the end, and who answers below them; the first that fits.
    let families: [(prefix: String, family: any RouteFamily)]
    /// The families' own prefixes and then their others, with the families' places.
    private let prefixes: [(bytes: [UInt8], place: Int)]
    private let observer: ResponseObserver
    private let crossOrigin: CrossOrigin
    /// What each of the families is counted as.
    private let labels: [Counter.Family]

    init(
        families: [(prefix: String, family: any RouteFamily)], crossOrigin: CrossOrigin = CrossOrigin(), scoreboard: Scoreboard? = nil,
        log: AccessLog? = nil
    ) {
        self.families = families
        self.crossOrigin = crossOrigin
        observer = ResponseObserver(scoreboard: scoreboard, log: log)
        let others = families.enumerated().compactMap { place, entry in entry.family.otherPrefix.map { (Array($0.utf8), place) } }
        prefixes = families.enumerated().map { (Array($1.prefix.utf8), $0) } + others
        labels = families.map { Counter.Family(prefix: $0.prefix) }
    }

    public func bodyPolicy(for request: borrowing Request) -> BodyPolicy {
        // Most requests have no body; the route matters only when one is announced.
        guard let length = request.parameter("CONTENT_LENGTH"), !length.isEmpty, length != "0" else { return .read(limit: 65_536) }
        guard let (place, routed) = find(copy request) else { return .read(limit: 65_536) }
        return families[place].family.bodyPolicy(routed)
    }

    public func handle(_ request: Request) -> Outcome {
        guard let (place, routed) = find(request) else {
            return observed(.now(ErrorFormat.plain.error(404, "Not found")), of: .none, request, CrossOrigin.Grant())
        }
        let family = families[place].family
        let readers = family.readers(routed)
        let grant = crossOrigin.grant(to: request, readers)
        return observed(answer(routed, family, grant, readers), of: labels[place], request, grant)
    }

    private func answer(
        _ routed: RoutedRequest, _ family: any RouteFamily, _ grant: CrossOrigin.Grant, _ readers: CrossOrigin.Readers
    ) -> Outcome {
        if let preflight = grant.preflight(routed.request, readers) { return .now(preflight) }
        if case .tooLarge = routed.request.body { return .now(family.errorFormat.error(413, "The body is too large")) }
        return family.answer(routed)
    }

    private func observed(_ outcome: Outcome, of label: Counter.Family, _ request: Request, _ grant: CrossOrigin.Grant) -> Outcome {
        let observed = observer.observe(outcome, of: label, request, grant)
        guard case .head = request.method, case .now(var response) = observed else { return observed }
        response.omitsBody = true
        return .now(response)
    }

    /// The family's place, and the request as it sees it.
    private func find(_ request: Request) -> (place: Int, routed: RoutedRequest)? {
        request.withPath { path in
            // Over bytes, as in `RoutedRequest`: strings compare by characters.
            guard let found = prefixes.firstIndex(where: { path.starts(with: $0.bytes) }) else { return nil }
            let rest = Substring(decoding: path[prefixes[found].bytes.count...], as: UTF8.self)
            let routed = RoutedRequest(request: request, rest: rest, isAtOtherPrefix: found >= families.count)
            return (prefixes[found].place, routed)
        }
    }
}

extension Request {
    /// The route's bytes; nil without one, or when `read` answers nil.
    func withPath<R>(_ read: (UnsafeBufferPointer<UInt8>) -> R?) -> R? {
        for name: StaticString in ["PATH_INFO", "DOCUMENT_URI", "SCRIPT_NAME"] {
            var isSet = false
            let answer = withParameter(name) { bytes -> R? in
                isSet = !bytes.isEmpty
                return isSet ? read(bytes) : nil
            }
            if isSet { return answer ?? nil }
        }
        return nil
    }
}

/// A request on its way through the router: the path without its family's prefix, cut at the slashes.
struct RoutedRequest {
    let request: Request
    /// Decoded by nginx; what follows the family's prefix.
    let rest: Substring
    /// Found by the family's `otherPrefix`.
    var isAtOtherPrefix = false
    /// Who it comes from, where that was not known at once and the request comes again.
    var authentication: Authentication?

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
    var errorFormat: ErrorFormat { get }
    /// Where the family is found, too; with a slash at the end.
    var otherPrefix: String? { get }
    func bodyPolicy(_ routed: RoutedRequest) -> BodyPolicy
    func readers(_ routed: RoutedRequest) -> CrossOrigin.Readers
    func answer(_ routed: RoutedRequest) -> Outcome
}

extension RouteFamily {
    var otherPrefix: String? { nil }
    func bodyPolicy(_ routed: RoutedRequest) -> BodyPolicy { .read(limit: 65_536) }
    func readers(_ routed: RoutedRequest) -> CrossOrigin.Readers { .named }
}

/// A request's path as its client sent it (nginx's `$request_uri`), for routes that take a text of the user's from it.
///
/// nginx has decoded the path by which routes are found, and has taken `//`, `.` and `..` out of it, those of `%2F` and `%2E` too: two
/// texts may have become one there, or a text another route.
struct RawPath {
    /// Up to the query.
    private let bytes: [UInt8]

    /// nil where nginx does not hand it on: its include file `pass.conf` is older than this program.
    init?(_ request: Request) {
        let bytes = request.withParameter("REQUEST_URI") { uri in Array(uri.prefix { $0 != UInt8(ascii: "?") }) }
        guard let bytes, !bytes.isEmpty else { return nil }
        self.bytes = bytes
    }

    /// What follows `prefix`, decoded once; empty where the path is the prefix alone.
    /// - Parameter prefix: of the path by which the route was found.
    /// - Throws: 400 where the path begins otherwise, byte for byte, or holds what is no path (RFC 3986, section 3.3).
    func rest(after prefix: some Collection<UInt8>) throws(BadRequest) -> [UInt8] {
        guard bytes.starts(with: prefix) else {
            throw BadRequest(400, "The path has escapes, dots or slashes that change what it names")
        }
        let rest = bytes.dropFirst(prefix.count)
        // For nginx the path ends before a number sign; no client sends one.
        guard !rest.contains(UInt8(ascii: "#")), let decoded = PercentEncoding.bytes(rest) else {
            throw BadRequest(400, "The path is malformed")
        }
        return decoded
    }

    /// Whether the path by which the route was found is this one, decoded, and nothing else was done to it.
    func isAs(compared request: Request) -> Bool {
        guard let decoded = PercentEncoding.bytes(bytes) else { return false }
        return request.withPath { $0.elementsEqual(decoded) } ?? false
    }
}
