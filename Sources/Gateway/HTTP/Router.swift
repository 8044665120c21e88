import FastCGI
import Glibc
import Platform
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
        guard let found = find(copy request) else { return .read(limit: usual) }
        let isSubrequest = found.paths?.routes.contains(where: \.isSubrequest) ?? false
        let family = found.prefix.family
        let isRead = isSubrequest ? false : found.paths != nil || family.readsBody(ofUnserved: found.routed, found.prefix.paths)
        return isRead ? .read(limit: family.longestBody) : .ignore
    }

    public func handle(_ request: Request) -> Outcome {
        let began = SystemClock().monotonic
        // The path, and the method.
        guard var found = find(request) else {
            let outcome = withoutBody(.now(ErrorFormat.plain.error(404, "Not found")), request)
            return observer.observe(outcome, of: .none, request, since: began)
        }
        let prefix = found.prefix
        // Pages of other origins (CORS): what they may read.
        let readers = found.paths?.readers ?? prefix.readers
        let grant = crossOrigin.grant(to: request, readers)
        let outcome = answer(&found, grant, readers)
        // HEAD, then the headers of CORS and 401, the line in the log, the count.
        return observer.observe(
            withoutBody(outcome, request), of: prefix.label, request, since: began, user: found.routed.user, grant)
    }

    private func answer(_ found: inout RouteMatch, _ grant: CrossOrigin.Grant, _ readers: CrossOrigin.Readers) -> Outcome {
        // The question that a browser asks before it sends a page's request.
        if let preflight = grant.preflight(found.routed.request, readers) { return .now(preflight) }
        // A body that was too long to be read.
        if case .tooLarge = found.routed.request.body { return .now(found.prefix.errorFormat.error(413, "The body is too large")) }
        // Access, the route, and the cookie that is due to be renewed.
        guard found.prefix.seesToAccess else { return admitted(&found) }
        return found.prefix.family.answerFirst(found.routed) ?? served(found)
    }

    /// - Parameter known: who it comes from, where that was found out meanwhile.
    private func admitted(_ found: inout RouteMatch, known: Authentication? = nil) -> Outcome {
        let authentication = accessControl.admit(found.routed.request, to: access(found), known: known)
        switch authentication {
        case .authenticated, .anonymous:
            found.routed.client = authentication.client(found.routed.request)
            found.routed.user = authentication.userID.map { Int($0) }
            found.routed.seesPrivate = accessControl.showsPrivate(to: authentication)
            return served(found).renewing(authentication.user?.renewal)
        case .refused(let refused):
            let wanted = found.prefix.family.wantedToken(found.routed)
            return .now(AccessControl.refusal(refused, found.prefix.errorFormat, wanted: wanted))
        case .needsWrite(let pending):
            return waiting(pending, found.routed.request, AccessControl.refusal(.unavailable, found.prefix.errorFormat))
        }
    }

    /// Parks a request until it is known who it comes from, and comes here again with it then.
    private func waiting(_ pending: PendingAuthentication, _ request: Request, _ otherwise: Response) -> Outcome {
        let (kept, body) = (request.kept, request.body)
        return pending.parked(otherwise: otherwise) { authentication in
            kept.read(with: body) { request in
                guard var found = find(request) else { return .now(otherwise) }
                return admitted(&found, known: authentication)
            }
        }
    }

    /// What is asked of who asks: what the route declares; of who asks for none, what its family does.
    private func access(_ found: RouteMatch) -> Access {
        if let route = found.routed.route { return route.access }
        let family = found.prefix.family
        guard !family.tellsMethods, let path = found.paths?.routes.first else { return family.accessToNothing }
        return path.access
    }

    private func served(_ found: RouteMatch) -> Outcome {
        do throws(BadRequest) {
            if let fault = found.fault { throw fault }
            guard let route = found.routed.route else { return unserved(found.routed, found.prefix) }
            return try route.handler(found.routed)
        } catch {
            return .now(found.prefix.errorFormat.error(error.status, error.message))
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

    /// What is known of a request by its path and its method.
    private struct RouteMatch {
        let prefix: Prefix
        var routed: RoutedRequest
        /// The routes of its path; nil: none has it.
        let paths: PathTree?
        let fault: BadRequest?
    }

    private func find(_ request: Request) -> RouteMatch? {
        // Not handed out of the closure: what is as large as this would be copied on its way.
        var found: RouteMatch?
        _ = request.withPath { path -> Void? in
            guard let prefix = prefixes.first(where: { $0.leads(to: path) }) else { return nil }
            let start = prefix.bytes.count
            var match = prefix.paths.find(path, from: start, RawPath(request))
            if match.paths == nil, let newer = prefix.family.newerPath(Substring(decoding: path[start...], as: UTF8.self)) {
                match = prefix.paths.find(newer)
            }
            let route = match.paths?.route(request.method)
            let routed = RoutedRequest(
                request: request, route: route, allowed: route == nil ? match.paths?.allowed : nil, path: match.values,
                prefixLength: start, isAtOtherPrefix: prefix.isOther)
            found = RouteMatch(prefix: prefix, routed: routed, paths: match.paths, fault: match.fault)
            return ()
        }
        return found
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
