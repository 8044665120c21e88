import FastCGI
import Glibc
import Sessions

/// Finds the route of a request, and leads it there and back: `handle` is the whole way, read from top to bottom.
///
/// The path is `PATH_INFO` when set, else `DOCUMENT_URI`, else `SCRIPT_NAME`; nginx has decoded and normalised it.
public struct Router: Handler {
    let families: [any RouteFamily]
    /// The families' own prefixes and then their others: the first that fits.
    private let prefixes: [Prefix]
    private let accessControl: AccessControl
    private let crossOrigin: CrossOrigin
    private let observer: ResponseObserver

    /// A family where it is found, with what is made of it once.
    private final class Prefix: Sendable {
        let bytes: [UInt8]
        let isOther: Bool
        let family: any RouteFamily
        let errorFormat: ErrorFormat
        let readers: CrossOrigin.Readers
        let seesToAccess: Bool
        let paths: PathTree
        /// What its answers are counted as.
        let label: Counter.Family

        init(_ prefix: String, isOther: Bool = false, _ family: any RouteFamily, _ paths: PathTree) {
            bytes = Array(prefix.utf8)
            self.isOther = isOther
            self.family = family
            self.paths = paths
            errorFormat = family.errorFormat
            readers = family.readers
            seesToAccess = family.seesToAccess
            label = family.label
        }

        /// Over bytes: strings compare by characters.
        func leads(to path: UnsafeBufferPointer<UInt8>) -> Bool {
            guard let start = path.baseAddress, path.count >= bytes.count else { return false }
            return memcmp(start, bytes, bytes.count) == 0
        }
    }

    init(
        families: [any RouteFamily], accessControl: AccessControl, crossOrigin: CrossOrigin = CrossOrigin(), scoreboard: Scoreboard? = nil,
        log: AccessLog? = nil
    ) {
        self.families = families
        self.accessControl = accessControl
        self.crossOrigin = crossOrigin
        observer = ResponseObserver(scoreboard: scoreboard, log: log)
        let trees = families.map { PathTree($0.routes, $0.pathForm) }
        prefixes =
            zip(families, trees).map { Prefix($0.prefix, $0, $1) }
            + zip(families, trees).compactMap { family, paths in
                family.otherPrefix.map { Prefix($0, isOther: true, family, paths) }
            }
    }

    public func bodyPolicy(for request: borrowing Request) -> BodyPolicy {
        let usual = 65_536
        // Most requests have no body; the route matters only when one is announced.
        guard let length = request.parameter("CONTENT_LENGTH"), !length.isEmpty, length != "0" else { return .read(limit: usual) }
        guard let (prefix, routed, match) = find(copy request) else { return .read(limit: usual) }
        let isSubrequest = match.paths?.routes.contains(where: \.isSubrequest) ?? false
        let isRead = isSubrequest ? false : match.paths != nil || prefix.family.readsBody(ofUnserved: routed, prefix.paths)
        return isRead ? .read(limit: prefix.family.longestBody) : .ignore
    }

    public func handle(_ request: Request) -> Outcome {
        // The path, and the method.
        guard let (prefix, routed, match) = find(request) else {
            return observer.observe(withoutBody(.now(ErrorFormat.plain.error(404, "Not found")), request), of: .none, request)
        }
        // Pages of other origins (CORS): what they may read, and the question that a browser asks before it sends their request.
        let readers = match.paths?.routes.first?.readers ?? prefix.readers
        let grant = crossOrigin.grant(to: request, readers)
        let outcome =
            grant.preflight(request, readers).map(Outcome.now)
            // A body that was too long to be read.
            ?? refusedBody(request, prefix)
            // What a family answers to whoever asks.
            ?? prefix.family.answerFirst(routed)
            // Access, the route, and the cookie that is due to be renewed.
            ?? admitted(routed, match, prefix)
        // HEAD, then the headers of CORS and 401, the line in the log, the count.
        return observer.observe(withoutBody(outcome, request), of: prefix.label, request, grant)
    }

    private func refusedBody(_ request: Request, _ prefix: Prefix) -> Outcome? {
        guard case .tooLarge = request.body else { return nil }
        return .now(prefix.errorFormat.error(413, "The body is too large"))
    }

    /// - Parameter known: who it comes from, where that was found out meanwhile.
    private func admitted(_ routed: RoutedRequest, _ match: PathMatch, _ prefix: Prefix, known: Authentication? = nil) -> Outcome {
        guard !prefix.seesToAccess else { return served(routed, match, prefix) }
        let authentication = accessControl.admit(routed.request, to: access(routed, match, prefix), known: known)
        switch authentication {
        case .authenticated, .anonymous:
            var admitted = routed
            admitted.client = authentication.client(routed.request)
            admitted.user = authentication.user.map { Int($0.user.id) }
            return served(admitted, match, prefix).renewing(authentication.user?.renewal)
        case .refused(let refused): return .now(AccessControl.refusal(refused, prefix.errorFormat))
        case .needsWrite(let pending): return waiting(pending, routed.request, AccessControl.refusal(.unavailable, prefix.errorFormat))
        }
    }

    /// Parks a request until it is known who it comes from, and comes here again with it then.
    private func waiting(_ pending: PendingAuthentication, _ request: Request, _ otherwise: Response) -> Outcome {
        let (kept, body) = (request.kept, request.body)
        return pending.parked(otherwise: otherwise) { authentication in
            kept.read(with: body) { request in
                guard let (prefix, routed, match) = find(request) else { return .now(otherwise) }
                return admitted(routed, match, prefix, known: authentication)
            }
        }
    }

    /// What is asked of who asks: what the route declares; of who asks for none, what its family does.
    private func access(_ routed: RoutedRequest, _ match: PathMatch, _ prefix: Prefix) -> Access {
        if let route = routed.route { return route.access }
        guard !prefix.family.tellsMethods, let path = match.paths?.routes.first else { return prefix.family.accessToNothing }
        return path.access
    }

    private func served(_ routed: RoutedRequest, _ match: PathMatch, _ prefix: Prefix) -> Outcome {
        do throws(BadRequest) {
            if let fault = match.fault { throw fault }
            guard let route = routed.route else { return unserved(routed, prefix) }
            return try route.handler(routed)
        } catch {
            return .now(prefix.errorFormat.error(error.status, error.message))
        }
    }

    private func unserved(_ routed: RoutedRequest, _ prefix: Prefix) -> Outcome {
        if let outcome = prefix.family.answerUnserved(routed, prefix.paths) { return outcome }
        guard let allowed = routed.allowed else { return .now(prefix.errorFormat.error(404, prefix.family.notFound)) }
        return .now(prefix.errorFormat.methodNotAllowed(allowed))
    }

    /// HEAD is answered as GET is, but for the body (RFC 9110, 9.3.2).
    private func withoutBody(_ outcome: Outcome, _ request: Request) -> Outcome {
        guard case .head = request.method else { return outcome }
        return outcome.changed { response in
            var response = response
            response.omitsBody = true
            return response
        }
    }

    /// The family of a request's path, the request as its route sees it, and what was found of the path.
    private func find(_ request: Request) -> (prefix: Prefix, routed: RoutedRequest, match: PathMatch)? {
        request.withPath { path in
            guard let prefix = prefixes.first(where: { $0.leads(to: path) }) else { return nil }
            let start = prefix.bytes.count
            var match = prefix.paths.find(path, from: start, RawPath(request))
            if match.paths == nil, let newer = prefix.family.newerPath(Substring(decoding: path[start...], as: UTF8.self)) {
                match = prefix.paths.find(newer)
            }
            let routed = RoutedRequest(
                request: request, route: match.paths?.route(request.method), allowed: match.paths?.allowed, path: match.values,
                prefixLength: start, isAtOtherPrefix: prefix.isOther)
            return (prefix, routed, match)
        }
    }
}

extension Outcome {
    /// The same with its answer changed, whenever it comes.
    fileprivate func changed(_ change: @escaping @Sendable (Response) -> Response) -> Outcome {
        switch self {
        case .now(let response): .now(change(response))
        case .pending(let soon): .pending(soon.observed { $0.changed(change) })
        case .parked(let parkedRequest): .parked(parkedRequest.changed(change))
        }
    }
}
