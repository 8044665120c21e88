import Caching
import Catalog
import FastCGI
import Platform
import Spotify
import Synchronization

/// Answers questions for all metadata routes: at once from what is known, else by parking the caller until it is.
struct MetadataResponder: Sendable {
    let catalog: Catalog
    let missWait: Duration
    /// `SWINGMUSIC_FCGI_PUBLIC_URL`.
    let publicURL: BaseURL?

    /// - Parameter isBare: asked as `/v1/...`; links say so.
    func answer(
        _ question: some Question, _ request: Request, client: String, _ errorFormat: ErrorFormat, notFound: String? = nil,
        isBare: Bool = false
    ) -> Outcome {
        let inquiry = Inquiry(
            catalog: catalog, question: question, base: LinkBase(question.mayLinkBack ? origin(of: request) : "", isBare: isBare),
            conditional: Conditional(request, errorFormat, notFound: notFound), client: client)
        switch catalog.approach(to: question) {
        case .asItComes: return inquiry.outcome(nil, patience(of: request))
        case .here(let ahead): return inquiry.outcome(ahead, patience(of: request))
        case .ahead(let resource, let key):
            let patience = patience(of: request)
            return .pending(
                PendingResponse { [catalog] promise in
                    switch catalog.readAhead(resource, key: key, then: { promise.keep(inquiry.outcome($0, patience)) }) {
                    case .begun: nil
                    case .ended(let ahead): inquiry.outcome(ahead, patience)
                    }
                })
        }
    }

    private func patience(of request: Request) -> WaitPreference { WaitPreference(request.parameter("HTTP_PREFER"), most: missWait) }

    /// Scheme and host for links: the setting's, else the request's when they are a plain host and port.
    private func origin(of request: Request) -> String {
        if let publicURL { return publicURL.text }
        let scheme = request.parameter("REQUEST_SCHEME") == "https" || request.parameter("HTTPS") == "on" ? "https" : "http"
        return BaseURL(scheme: scheme, host: request.parameter("HTTP_HOST") ?? "")?.text ?? ""
    }
}

/// One caller's question on its way: what is known answers it at once, what is missing parks the caller.
private struct Inquiry: Sendable {
    let catalog: Catalog
    let question: any Question
    let base: LinkBase
    let conditional: Conditional
    let client: String

    func outcome(_ ahead: ReadAhead?, _ patience: @autoclosure () -> WaitPreference) -> Outcome {
        do {
            switch try catalog.answer(question, base: base, ahead: ahead) {
            case .complete(let composed): return .now(MetadataResponse.complete(composed, conditional))
            case .denied(let denial): return .now(MetadataResponse.denied(denial, conditional))
            case .missing(let resources):
                let parked = PendingRequest(
                    catalog: catalog, question: question, base: base, conditional: conditional, client: client, patience: patience())
                return .parked(parked.parkedRequest(for: resources))
            }
        } catch {
            var response = conditional.errorFormat.unavailable("The database cannot be read: \(error)", retryAfter: .seconds(5))
            response.omitsBody = conditional.isHead
            return .now(response)
        }
    }
}

/// A caller whose question misses something: parked until its parts have come, or until its patience ends.
private final class PendingRequest: Sendable {
    private let catalog: Catalog
    private let question: any Question
    private let base: LinkBase
    private let conditional: Conditional
    private let client: String
    private let patience: WaitPreference
    private let deadline: MonotonicTime
    /// The caller's number at the desk while it waits there; the lock is held for a load or a store.
    private let place = Mutex<UInt64?>(nil)

    /// How long somebody who does not want to wait is kept until the queue has said how long it is.
    private static let shortWait = Duration.seconds(2)

    init(catalog: Catalog, question: any Question, base: LinkBase, conditional: Conditional, client: String, patience: WaitPreference) {
        self.catalog = catalog
        self.question = question
        self.base = base
        self.conditional = conditional
        self.client = client
        self.patience = patience
        deadline = SystemClock().monotonic + (patience.isNone ? Self.shortWait : patience.wait)
    }

    func parkedRequest(for resources: [Resource]) -> ParkedRequest {
        ParkedRequest(
            deadline: deadline,
            parked: { reply in self.wait(for: resources, reply, joined: true) },
            ended: { ending in self.end(ending) })
    }

    /// - Parameter joined: all calls so far were other requests'.
    private func wait(for resources: [Resource], _ reply: ResponseHandle, joined: Bool) {
        let until = patience.isNone ? SystemClock().monotonic : deadline
        let number = catalog.inbox.wait(for: resources, client: client, until: until) { settlement in
            self.settle(settlement, reply, joined)
        }
        // It may have been settled, and have begun the next wait, before this line: numbers only grow.
        place.withLock { $0 = max($0 ?? 0, number) }
    }

    /// On the lookup thread: more is known, or it is known that no more will come.
    private func settle(_ settlement: WaitOutcome, _ reply: ResponseHandle, _ joined: Bool) {
        switch settlement {
        case .finished(let collapsed):
            let joined = joined && collapsed
            switch try? catalog.answer(question, base: base) {
            case .complete(let composed):
                reply.send(MetadataResponse.complete(composed, conditional, status: .stored(joined: joined)))
            case .denied(let denial): reply.send(MetadataResponse.denied(denial, conditional, status: .stored(joined: joined)))
            case .missing(let resources) where !resources.isEmpty: wait(for: resources, reply, joined: joined)
            case .missing, nil: reply.send(rest("The lookup ended without an answer", after: .seconds(5)))
            }
        case .later(let after, let reason):
            reply.send(patience.isAsync ? MetadataResponse.queued(after: after, conditional) : rest(reason, after: after))
        case .failed(let reason, let after): reply.send(rest(reason, after: after))
        case .refused(.queueFull, let after): reply.send(rest("Too many lookups are waiting", after: after))
        case .refused(.clientShare, let after): reply.send(rest("Too many lookups of yours are waiting", after: after))
        }
    }

    /// On an event thread: the wait is over without us.
    private func end(_ ending: ParkedRequest.Ending) -> Response {
        if let number = place.withLock({ $0 }) { catalog.inbox.leave(number) }
        switch ending {
        case .deadline where patience.isAsync: return MetadataResponse.queued(after: .seconds(5), conditional)
        case .deadline: return rest("No answer from Spotify came in time; the lookup stays queued", after: .seconds(5))
        case .stopping: return rest("The server is restarting", after: .seconds(2))
        case .refused: return rest("Too many requests are waiting", after: .seconds(5))
        case .clientLeft: return MetadataResponse.missing("The caller left", after: .seconds(5), conditional)
        }
    }

    /// What there is, where the question may be patchy or an old answer will do; else 503.
    private func rest(_ message: String, after: Duration) -> Response {
        if case .complete(let composed)? = try? catalog.answer(question, base: base, isLast: true) {
            return MetadataResponse.complete(composed, conditional, status: composed.pending.isEmpty ? nil : .miss)
        }
        return MetadataResponse.missing(message, after: after, conditional)
    }
}

/// How long a caller of a metadata route is willing to wait (RFC 7240).
struct WaitPreference: Equatable {
    var wait: Duration
    /// `respond-async`: does not want to wait at all; is told to come back with 202.
    var isAsync = false
    /// Only wants to know how long it would take.
    var isNone: Bool { isAsync || wait == .zero }

    /// - Parameters:
    ///   - preferences: the request's `Prefer`.
    ///   - most: `SWINGMUSIC_FCGI_MISS_WAIT`.
    init(_ preferences: String?, most: Duration) {
        wait = most
        guard let preferences else { return }
        for preference in preferences.split(whereSeparator: { $0 == "," || $0 == ";" }) {
            let parts = preference.split(separator: "=", maxSplits: 1).map { $0.filter { $0 != " " && $0 != "\"" }.lowercased() }
            if parts == ["respond-async"] { isAsync = true }
            if parts.count == 2, parts[0] == "wait", let seconds = Int64(parts[1]), (0...86_400).contains(seconds) {
                wait = min(most, .seconds(seconds))
            }
        }
    }
}

/// Known things as HTTP answers: stored bytes, a tag, and where they came from.
enum MetadataResponse {
    static let json = "application/json; charset=utf-8"

    /// - Parameter status: what `Cache-Status` says; nil for a hit.
    static func complete(_ composed: Composed, _ conditional: Conditional, status: CacheStatus? = nil) -> Response {
        let isPatchy = !composed.pending.isEmpty
        let matches = !isPatchy && (conditional.condition.map { EntityTag.matches($0, composed.tag) } ?? false)
        var response = matches ? Response(status: 304) : Response(status: 200, body: composed.body)
        if !matches { response.add(lines: "Content-Type: application/json; charset=utf-8\r\n") }
        response.omitsBody = matches || conditional.isHead
        if isPatchy {
            response.add(lines: "Cache-Control: no-store\r\n")
        } else {
            response.add("ETag") { EntityTag.write(composed.tag, to: &$0) }
            response.add(lines: "Cache-Control: private, max-age=0\r\n")
        }
        response.add(status ?? .hit(composed.tier, ttl: composed.ttl, composed.freshness, refusedWith: composed.refusedWith))
        return response
    }

    /// Spotify's refusal in the family's words.
    /// - Parameter status: what `Cache-Status` says; nil for a hit.
    static func denied(_ composed: DeniedQuery, _ conditional: Conditional, status: CacheStatus? = nil) -> Response {
        let denial = composed.denial
        var response = conditional.errorFormat.error(denial.status, (denial.status == 404 ? conditional.notFound : nil) ?? denial.message)
        response.add(status ?? .hit(composed.tier, ttl: composed.ttl, .fresh, refusedWith: nil))
        response.omitsBody = conditional.isHead
        return response
    }

    /// 503: not here, and not to be had within the caller's patience.
    static func missing(_ message: String, after: Duration, _ conditional: Conditional) -> Response {
        var response = conditional.errorFormat.unavailable(message, retryAfter: after)
        response.add(CacheStatus.miss)
        response.omitsBody = conditional.isHead
        return response
    }

    /// 202 (RFC 7240, `respond-async`): it is queued, come back.
    static func queued(after: Duration, _ conditional: Conditional) -> Response {
        var response = Response(status: 202, contentType: json, body: Array(#"{"status":"queued"}"#.utf8))
        response.add(retryAfter: after)
        response.add("Preference-Applied", "respond-async")
        response.add("Cache-Control", "no-store")
        response.add(CacheStatus.miss)
        response.omitsBody = conditional.isHead
        return response
    }
}

/// Links that were pasted where an ID belongs arrive cut at their slashes; this puts them together again.
enum LinkFolding {
    /// `["tracks", "https:", "open.spotify.com", "intl-de", "track", "ID"]` becomes `["tracks", "https:/open.spotify.com/intl-de/track/ID"]`.
    /// The scheme may be missing. What follows the link stays a segment of its own.
    static func fold(_ path: [String]) -> [String] {
        guard path.count > 2, let length = SpotifyID.linkLength(path.dropFirst()) else { return path }
        return [path[0], path[1...length].joined(separator: "/")] + path[(length + 1)...]
    }
}
