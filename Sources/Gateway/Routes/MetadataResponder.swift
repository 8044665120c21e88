import Catalog
import FastCGI
import Platform
import Synchronization

/// Answers questions for all metadata routes: at once from what is known, else by parking the caller until it is.
struct MetadataResponder: Sendable {
    let catalog: Catalog
    let missWait: Duration
    /// `SWINGMUSIC_FCGI_PUBLIC_URL`.
    let publicURL: BaseURL?

    func answer(_ question: some Question, _ request: Request, client: String, _ errorFormat: ErrorFormat, notFound: String? = nil)
        -> Outcome
    {
        let inquiry = Inquiry(
            catalog: catalog, question: question, base: question.mayLinkBack ? base(of: request) : "",
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
    private func base(of request: Request) -> String {
        if let publicURL { return publicURL.text }
        let scheme = request.parameter("REQUEST_SCHEME") == "https" || request.parameter("HTTPS") == "on" ? "https" : "http"
        return BaseURL(scheme: scheme, host: request.parameter("HTTP_HOST") ?? "")?.text ?? ""
    }
}

/// One caller's question on its way: what is known answers it at once, what is missing parks the caller.
private struct Inquiry: Sendable {
    let catalog: Catalog
    let question: any Question
    let base: String
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
final class PendingRequest: Sendable {
    private let catalog: Catalog
    private let question: any Question
    private let base: String
    private let conditional: Conditional
    private let client: String
    private let patience: WaitPreference
    private let deadline: MonotonicTime
    /// The caller's number at the desk while it waits there; the lock is held for a load or a store.
    private let place = Mutex<UInt64?>(nil)

    /// How long somebody who does not want to wait is kept until the queue has said how long it is.
    private static let shortWait = Duration.seconds(2)

    init(catalog: Catalog, question: any Question, base: String, conditional: Conditional, client: String, patience: WaitPreference) {
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
        let number = catalog.inbox.wait(for: resources, client: client, until: until.nanoseconds) { settlement in
            self.settle(settlement, reply, joined)
        }
        // It may have been settled, and have begun the next wait, before this line: numbers only grow.
        place.withLock { $0 = max($0 ?? 0, number) }
    }

    /// On the lookup thread: more is known, or it is known that no more will come.
    private func settle(_ settlement: WaitOutcome, _ reply: ResponseHandle, _ joined: Bool) {
        switch settlement {
        case .settled(let collapsed):
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
