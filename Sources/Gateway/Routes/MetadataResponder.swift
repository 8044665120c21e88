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
    /// `SWINGMUSIC_FCGI_MIRROR_WAIT`: for clients of the Web API, which give up after some seconds.
    let mirrorWait: Duration
    /// `SWINGMUSIC_FCGI_PUBLIC_URL`.
    let publicURL: BaseURL?
    /// Metadata is for anybody, and so the same for all.
    var isOpen = false
    let followUps = FollowUps()

    /// - Parameters:
    ///   - filled: with the fields that development mode removed.
    ///   - isBare: asked as `/v1/...`; links say so.
    ///   - seesPrivate: whether who asks may see what the connected account's owner keeps from others.
    func answer(
        _ question: any Question, _ request: Request, client: String, _ errorFormat: ErrorFormat, notFound: String? = nil,
        filled: Bool = false, isBare: Bool = false, seesPrivate: Bool = false
    ) -> Outcome {
        let inquiry = Inquiry(
            catalog: catalog, question: question, base: LinkBase(question.mayLinkBack ? origin(of: request) : "", isBare: isBare),
            isFilled: filled, seesPrivate: seesPrivate,
            conditional: Conditional(request, errorFormat, notFound: notFound, mayBeKept: isOpen && question.isOfRecords), client: client,
            followUps: followUps)
        switch catalog.approach(to: question) {
        case .asItComes: return inquiry.outcome(nil, patience(of: request, errorFormat))
        case .here(let ahead): return inquiry.outcome(ahead, patience(of: request, errorFormat))
        case .ahead(let resource, let key):
            let patience = patience(of: request, errorFormat)
            return .pending(
                PendingResponse { [catalog] promise in
                    switch catalog.readAhead(resource, key: key, then: { promise.keep(inquiry.outcome($0, patience)) }) {
                    case .begun: nil
                    case .ended(let ahead): inquiry.outcome(ahead, patience)
                    }
                })
        }
    }

    private func patience(of request: Request, _ errorFormat: ErrorFormat) -> WaitPreference {
        WaitPreference(request.header(MetadataAnswers.preference), usual: errorFormat == .spotify ? mirrorWait : missWait, most: missWait)
    }

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
    let isFilled: Bool
    let seesPrivate: Bool
    let conditional: Conditional
    let client: String
    let followUps: FollowUps

    func outcome(_ ahead: ReadAhead?, _ patience: @autoclosure () -> WaitPreference) -> Outcome {
        do {
            switch try catalog.answer(question, base: base, filled: isFilled, seesPrivate: seesPrivate, ahead: ahead) {
            case .complete(let composed): return .now(MetadataResponse.complete(composed, conditional))
            case .denied(let denial): return .now(MetadataResponse.denied(denial, conditional))
            case .missing(let resources):
                let parked = PendingRequest(
                    catalog: catalog, question: question, base: base, isFilled: isFilled, seesPrivate: seesPrivate,
                    conditional: conditional,
                    client: client, patience: patience(), followUps: followUps)
                return .parked(parked.parkedRequest(for: resources))
            }
        } catch {
            return .now(
                conditional.errorFormat.notYet(Obstacle(.server, "The database cannot be read: \(error)"), after: .seconds(5), .database))
        }
    }
}

/// A caller whose question misses something: parked until its parts have come, or until its patience ends.
private final class PendingRequest: Sendable {
    private let catalog: Catalog
    private let question: any Question
    private let base: LinkBase
    private let isFilled: Bool
    private let seesPrivate: Bool
    private let conditional: Conditional
    private let client: String
    private let patience: WaitPreference
    private let followUps: FollowUps
    private let deadline: MonotonicTime
    /// The caller's number at the desk while it waits there, and for what; the lock is held for a load or a store.
    private let place = Mutex<(number: UInt64, resources: [Resource])?>(nil)

    /// How long somebody who does not want to wait is kept until the queue has said how long it is.
    private static let shortWait = Duration.seconds(2)

    init(
        catalog: Catalog, question: any Question, base: LinkBase, isFilled: Bool, seesPrivate: Bool, conditional: Conditional,
        client: String, patience: WaitPreference, followUps: FollowUps
    ) {
        self.catalog = catalog
        self.question = question
        self.base = base
        self.isFilled = isFilled
        self.seesPrivate = seesPrivate
        self.conditional = conditional
        self.client = client
        self.patience = patience
        self.followUps = followUps
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
            self.settle(settlement, resources, reply, joined)
        }
        // It may have been settled, and have begun the next wait, before this line: numbers only grow.
        place.withLock { place in if number > place?.number ?? 0 { place = (number, resources) } }
    }

    /// On the lookup thread: more is known, or it is known that no more will come.
    private func settle(_ settlement: WaitOutcome, _ awaited: [Resource], _ reply: ResponseHandle, _ joined: Bool) {
        switch settlement {
        case .finished(let collapsed):
            let joined = joined && collapsed
            switch try? catalog.answer(question, base: base, filled: isFilled, seesPrivate: seesPrivate) {
            case .complete(let composed):
                reply.send(MetadataResponse.complete(composed, conditional, status: .stored(joined: joined)))
            case .denied(let denial): reply.send(MetadataResponse.denied(denial, conditional, status: .stored(joined: joined)))
            case .missing(let resources) where !resources.isEmpty: wait(for: resources, reply, joined: joined)
            case .missing, nil: reply.send(rest(.server, "The lookup ended without an answer", after: .seconds(5)))
            }
        case .later(let after, let obstacle):
            reply.send(patience.isAsync ? MetadataResponse.queued(after: after, conditional) : rest(obstacle, after: after))
            if obstacle.kind == .turn { goOn(awaited, within: after) }
        case .failed(let obstacle, let after): reply.send(rest(obstacle, after: after))
        case .refused(.queueFull, let after): reply.send(rest(.turn, "Too many lookups are waiting", after: after, .queueFull))
        case .refused(.clientShare, let after): reply.send(rest(.turn, "Too many lookups of yours are waiting", after: after, .clientShare))
        }
    }

    /// A client of the Web API comes back when it was told to: what it asked for is gone on with until then.
    private func goOn(_ resources: [Resource], within time: Duration) {
        guard conditional.errorFormat == .spotify, !patience.isNone else { return }
        followUps.begin(catalog, question, for: resources, client: client, seesPrivate: seesPrivate, within: time)
    }

    /// On an event thread: the wait is over without us.
    private func end(_ ending: ParkedRequest.Ending) -> Response {
        let place = place.withLock { $0 }
        if let place { catalog.inbox.leave(place.number) }
        switch ending {
        case .deadline where patience.isAsync: return MetadataResponse.queued(after: .seconds(5), conditional)
        case .deadline:
            if let place { goOn(place.resources, within: Self.overdue) }
            // The call was expected by now: it is under way, or next.
            let after = conditional.errorFormat == .spotify ? Duration.seconds(2) : .seconds(5)
            let obstacle = Obstacle(.turn, "No answer from Spotify came in time; the lookup stays queued")
            return rest(catalog.inbox.obstacle(now: SystemClock().monotonic) ?? obstacle, after: after)
        case .stopping: return rest(.server, "The server is restarting", after: .seconds(2), .restarting)
        case .refused: return rest(.server, "Too many requests are waiting", after: .seconds(5), .busy)
        case .clientLeft: return MetadataResponse.missing(Obstacle(.server, "The caller left"), after: .seconds(5), conditional)
        }
    }

    /// How long a lookup that was expected before is gone on with.
    private static let overdue = Duration.seconds(20)

    private func rest(_ kind: Obstacle.Kind, _ words: String, after: Duration, _ reason: Reason? = nil) -> Response {
        rest(Obstacle(kind, words), after: after, reason)
    }

    /// What there is, where the question may be patchy or an old answer will do; else an error that says when to come back.
    private func rest(_ obstacle: Obstacle, after: Duration, _ reason: Reason? = nil) -> Response {
        if case .complete(let composed)? = try? catalog.answer(
            question, base: base, filled: isFilled, seesPrivate: seesPrivate, isLast: true)
        {
            return MetadataResponse.complete(composed, conditional, status: composed.pending.isEmpty ? nil : .miss)
        }
        return MetadataResponse.missing(obstacle, after: after, conditional, reason)
    }
}

/// Goes on for callers who were told to come back: waits in their place, so that their lookups keep their rank in the queue, and when
/// these have come, asks for what the question misses then. Without it a search of five pages would be one page at each return.
final class FollowUps: Sendable {
    /// What is waited for; one wait is enough for all who wait for the same. The lock is held for a look.
    private let underWay = Mutex<Set<[Resource]>>([])
    private static let most = 1000
    /// So often a question may find something new to ask for.
    private static let rounds = 8
    /// Past the time at which the answer is expected: a caller is on its way back.
    private static let margin = Duration.seconds(15)
    /// What is expected later than this is not gone on with: the caller will have given up.
    private static let longest = Duration.seconds(300)

    /// - Parameter time: when the answer is expected.
    func begin(
        _ catalog: Catalog, _ question: any Question, for resources: [Resource], client: String, seesPrivate: Bool, within time: Duration
    ) {
        guard time <= Self.longest else { return }
        wait(catalog, question, resources, client, seesPrivate, until: time + Self.margin, rounds: Self.rounds)
    }

    private func wait(
        _ catalog: Catalog, _ question: any Question, _ resources: [Resource], _ client: String, _ seesPrivate: Bool, until time: Duration,
        rounds: Int
    ) {
        let isNew = underWay.withLock { $0.count < Self.most && $0.insert(resources).inserted }
        guard isNew else { return }
        _ = catalog.inbox.wait(for: resources, client: client, until: SystemClock().monotonic + time) { [self] outcome in
            underWay.withLock { _ = $0.remove(resources) }
            guard case .finished = outcome, rounds > 1,
                case .missing(let more)? = try? catalog.answer(question, base: LinkBase(""), seesPrivate: seesPrivate), !more.isEmpty
            else { return }
            wait(catalog, question, more, client, seesPrivate, until: Self.longest, rounds: rounds - 1)
        }
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
    ///   - usual: how long it waits without one.
    ///   - most: `SWINGMUSIC_FCGI_MISS_WAIT`.
    init(_ preferences: String?, usual: Duration, most: Duration) {
        wait = usual
        guard let preferences else { return }
        var hasWait = false
        for preference in preferences.split(whereSeparator: { $0 == "," || $0 == ";" }) {
            let parts = preference.split(separator: "=", maxSplits: 1).map { $0.filter { $0 != " " && $0 != "\"" }.lowercased() }
            if parts == ["respond-async"] { isAsync = true }
            // Of several the first counts (RFC 7240, section 2).
            guard parts.count == 2, parts[0] == "wait", !hasWait, let asked = Self.seconds(parts[1]) else { continue }
            hasWait = true
            wait = min(most, asked)
        }
    }

    /// Digits alone; more than a day is as good as a day.
    private static func seconds(_ text: String) -> Duration? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return .seconds(min(Int64(text) ?? .max, 86_400))
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
        response.omitsBody = matches
        if isPatchy {
            response.add(lines: "Cache-Control: no-store\r\n")
        } else {
            let ttl = composed.freshness == .fresh && composed.refusedWith == nil ? composed.ttl : 0
            response.add { lines in
                lines.append("ETag: ")
                EntityTag.write(composed.tag, to: &lines)
                if let usual = Freshening.usual(conditional.keeping, ttl: ttl) { return lines.append(usual) }
                Freshening.write(conditional.keeping, ttl: ttl, isHit: status == nil && !matches, to: &lines)
            }
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
        return response
    }

    /// Not here, and not to be had within the caller's patience.
    static func missing(_ obstacle: Obstacle, after: Duration, _ conditional: Conditional, _ reason: Reason? = nil) -> Response {
        var response = conditional.errorFormat.notYet(obstacle, after: after, reason)
        response.add(CacheStatus.miss)
        return response
    }

    /// 202 (RFC 7240, `respond-async`): it is queued, come back.
    static func queued(after: Duration, _ conditional: Conditional) -> Response {
        var response = Response(status: 202, contentType: json, body: Array(#"{"status":"queued"}"#.utf8))
        response.add(retryAfter: after)
        response.add("Preference-Applied", "respond-async")
        response.add("Cache-Control", "no-store")
        response.add(CacheStatus.miss)
        return response
    }
}
