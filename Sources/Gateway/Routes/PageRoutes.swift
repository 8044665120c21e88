import Catalog
import FastCGI
import JSON
import Logging
import Platform
import RateLimiting
import Sessions

/// `/swingmusic-fcgi/page/...`: what the status page asks beside the figures, and what its buttons do. For that page alone: what changes something
/// takes a browser's `Origin` that is this server's own, scheme, host and port, and the proof that the page was given.
struct PageRoutes: RouteFamily {
    let activity: Activity
    let accessControl: AccessControl
    let adminSessions: AdminSessions
    let worker: BlockingWorker
    let publicURL: BaseURL?
    let log: Logger

    private var catalog: Catalog { activity.catalog }

    let prefix = "/swingmusic-fcgi/page/"
    let tag = "page"
    let label = Counter.Family.own
    let about = """
        What the status page asks beside the figures, and what its buttons do. What changes something takes a browser's `Origin` that is this \
        server's own, scheme, host and port, and the `proof` that the page was given. Made for that page: it may change with it.
        """
    let errorFormat = ErrorFormat.plain
    let readers = CrossOrigin.Readers.nobody
    let accessToNothing = Access.page
    let tellsMethods = false
    let schemas: KeyValuePairs<String, Schema> = [:]

    private static let proof = BodyMember("proof", .text(most: 100))
    private static let token = BodyMember("token", .text(least: 1, most: 4096))
    private static let name = BodyMember("name", .text(least: 1, most: 200))
    private static let session = BodyMember("session", .text(least: 1, most: 100))
    private static let words = BodyMember("words", .text(least: 1, most: 200))
    private static let after = BodyMember("after", .text(most: 1536))

    var routes: [Route] {
        [
            Route(
                .get, "now.json", id: "pageNow", access: .page, summary: "What is going on, and the page's proof.",
                answers: [.json(200, "As of now.", .anyObject)] + Refusals.all([503])
            ) { routed in
                let visitor = Visitor(routed, adminSessions)
                return worker.run(errorFormat) { context in
                    Self.answer(activity.json(visitor, proof: adminSessions.proof(for: visitor.credential), context))
                }
            },
            change(
                "sign-in", .open, "Sign in with the admin token.", [Self.token],
                DescribedAnswer(204, "Signed in.", headers: [.setCookie]), [401, 404, 429], signIn),
            change(
                "sign-out", .page, "Sign out.", [Self.proof], DescribedAnswer(204, "Signed out.", headers: [.setCookie]), []
            ) { routed, _ in
                if let id = adminSessions.session(of: routed.request) {
                    accessControl.security?.note(.administratorSignedOut, from: routed.request.parameter("REMOTE_ADDR") ?? "")
                    adminSessions.end(id)
                }
                return .now(Self.done(AdminSessions.cookie("", isSecure: isSecure(routed.request))))
            },
            change(
                "end-session", .page, "End anybody's session.", [Self.session, Self.proof], DescribedAnswer(204, "Ended."), [404],
                endSession),
            change(
                "revoke-key", .page, "End a client key, and every token of it.", [Self.name, Self.proof], DescribedAnswer(204, "Ended."),
                [404], revokeKey),
            change(
                "renew", .page, "Fetch a record anew.", [Self.name, Self.proof],
                .json(200, "It is queued.", .object(["seconds": .integer(0)])), [404], renew),
            change("evict", .page, "Remove a record for good.", [Self.name, Self.proof], DescribedAnswer(204, "Removed."), [404], evict),
            change(
                "search", .page, "Search in the records.", [Self.words, Self.proof], more: [Self.after],
                .json(200, "What was found, and where the search goes on.", .anyObject), [], search),
            change(
                "searches", .page, "What was typed into the searches that wait.", [Self.proof],
                .json(200, "The words.", .object(["searches": .list(of: .object(["kinds": .text, "words": .text]))])), [], searches),
        ]
    }

    // MARK: Declaring

    private typealias Change = @Sendable (RoutedRequest, JSONObject) throws(BadRequest) -> Outcome

    private func change(
        _ template: String, _ access: Access, _ summary: String, _ members: [BodyMember], more: [BodyMember] = [],
        _ success: DescribedAnswer, _ refusals: [Int], _ work: @escaping Change
    ) -> Route {
        let example = JSONValue.object(members.map { JSONMember($0.name, .string("...")) })
        return Route(
            .post, template, id: "page" + template.split(separator: "-").map(\.capitalized).joined(), access: access, summary: summary,
            body: .object(members, optional: more, example: example), answers: [success] + Refusals.all([400, 403, 503] + refusals)
        ) { routed throws(BadRequest) in
            guard Caller(routed.request, publicURL: publicURL, letsForeignOrigins: false).isOfOwnPage(scheme: routed.request.scheme) else {
                throw BadRequest(403, "Only the status page itself does that")
            }
            let object = try routed.object()
            for member in members where (object.string(member) ?? "").isEmpty { throw BadRequest(400, "\(member.name) is missing") }
            for member in members + more {
                guard let text = object.string(member), let longest = member.schema.mostScalars, text.unicodeScalars.count > longest else {
                    continue
                }
                throw BadRequest(400, "\(member.name) is too long")
            }
            if members.contains(where: { $0.name == Self.proof.name }) {
                let credential = Visitor(routed, adminSessions).credential
                guard adminSessions.isProof(object.string(Self.proof) ?? "", for: credential) else {
                    throw BadRequest(400, "The page is an older one: load it anew")
                }
            }
            return try work(routed, object)
        }
    }

    private static func answer(_ value: JSONValue) -> Response { DashboardReport.response(value) }

    private static func done(_ cookie: String? = nil) -> Response {
        var response = Response(status: 204)
        response.add("Cache-Control", "no-store")
        if let cookie { response.add("Set-Cookie", cookie) }
        return response
    }

    /// The browser came by TLS.
    private func isSecure(_ request: Request) -> Bool { publicURL?.text.hasPrefix("https:") ?? (request.scheme == "https") }

    private func say(_ what: String, _ more: Logger.Metadata = [:], by actor: Actor) {
        let who: Logger.Metadata = ["by": "\(actor.words)", "address": "\(actor.address)"]
        log.notice("status page: \(what)", metadata: who.merging(more) { $1 })
    }

    // MARK: Changes

    @Sendable private func signIn(_ routed: RoutedRequest, _ object: JSONObject) throws(BadRequest) -> Outcome {
        guard accessControl.adminToken != nil else { throw BadRequest(404, "No admin token is set (SWINGMUSIC_FCGI_ADMIN_TOKEN)") }
        let (token, address) = (object.string(Self.token) ?? "", routed.request.parameter("REMOTE_ADDR") ?? "")
        if let refused = accessControl.refusal(ofToken: token, from: address) { return .now(AccessControl.refusal(refused, errorFormat)) }
        let secure = isSecure(routed.request)
        return worker.run(errorFormat) { context in
            guard let id = adminSessions.begin(context) else {
                return errorFormat.unavailable("Nobody can be signed in: admins.shared cannot be used", .server, retryAfter: .seconds(5))
            }
            accessControl.security?.note(.administratorSignedIn, from: address)
            return Self.done(AdminSessions.cookie(id, isSecure: secure))
        }
    }

    @Sendable private func endSession(_ routed: RoutedRequest, _ object: JSONObject) throws(BadRequest) -> Outcome {
        guard let sessions = activity.sessions else { throw BadRequest(404, "There are no sessions here") }
        let id = object.string(Self.session) ?? ""
        return blocking(routed) { actor, context in
            guard try sessions.end(session: id, by: actor.words, from: actor.address, context) else {
                return errorFormat.error(404, "There is no such session")
            }
            return Self.done()
        }
    }

    @Sendable private func revokeKey(_ routed: RoutedRequest, _ object: JSONObject) throws(BadRequest) -> Outcome {
        guard let sessions = activity.sessions else { throw BadRequest(404, "There are no sessions here") }
        let name = object.string(Self.name) ?? ""
        return blocking(routed) { actor, context in
            guard try sessions.revokeClientKey(named: name, context) else { return errorFormat.error(404, "There is no key of that name") }
            accessControl.security?.note(.keyRevoked, from: actor.address, by: actor.words, key: name)
            return Self.done()
        }
    }

    @Sendable private func renew(_ routed: RoutedRequest, _ object: JSONObject) throws(BadRequest) -> Outcome {
        let name = object.string(Self.name) ?? ""
        return blocking(routed) { actor, _ in
            switch try catalog.renew(name) {
            case nil: return errorFormat.error(404, "There is no such record")
            case .refused(_, let pause): return errorFormat.unavailable("The queue is full", .queueFull, retryAfter: pause)
            case .queued(_, let wait, _):
                say("a record is fetched anew", ["record": "\(name)"], by: actor)
                return Self.answer(["seconds": .integer(max(0, wait.secondsRoundedUp))])
            }
        }
    }

    @Sendable private func evict(_ routed: RoutedRequest, _ object: JSONObject) throws(BadRequest) -> Outcome {
        let name = object.string(Self.name) ?? ""
        return blocking(routed) { actor, _ in
            guard try catalog.evict(name) else { return errorFormat.error(404, "There is no such record") }
            say("a record was removed", ["record": "\(name)"], by: actor)
            return Self.done()
        }
    }

    /// What was typed here goes nowhere but into the answer.
    @Sendable private func search(_ routed: RoutedRequest, _ object: JSONObject) throws(BadRequest) -> Outcome {
        let words = (object.string(Self.words) ?? "").lowercased().split(separator: " ").map(String.init)
        guard !words.isEmpty else { throw BadRequest(400, "words is missing") }
        let after = object.string(Self.after).flatMap { PercentEncoding.bytes($0.utf8) }
        return blocking(routed) { actor, _ in
            say("the records were searched", by: actor)
            let end = SystemClock().monotonic + .seconds(2)
            let (found, next) = try catalog.search(words, after: after, most: 20, until: end)
            return Self.answer(
                .object([
                    "records": .array(found.map { activity.json($0) }), "next": next.map { .string(PercentEncoding.encode($0)) },
                ]))
        }
    }

    @Sendable private func searches(_ routed: RoutedRequest, _ object: JSONObject) throws(BadRequest) -> Outcome {
        blocking(routed) { actor, _ in
            let searches = try catalog.waitingSearches(most: 1000)
            say("the words of waiting searches were shown", by: actor)
            return Self.answer(
                ["searches": .array(searches.map { ["kinds": .string($0.kinds), "words": .string($0.words)] })])
        }
    }

    /// Does what may wait for a file, for somebody.
    private func blocking(
        _ routed: RoutedRequest, _ work: @escaping @Sendable (_ actor: Actor, borrowing BlockingContext) throws -> Response
    ) -> Outcome {
        let actor = Actor(routed, adminSessions)
        return worker.run(errorFormat) { context in
            do { return try work(actor, context) } catch { return errorFormat.unavailable("\(error)", .server, retryAfter: .seconds(5)) }
        }
    }

    /// Who does something, for the log.
    private struct Actor: Sendable {
        let words: String
        let address: String

        init(_ routed: RoutedRequest, _ adminSessions: AdminSessions) {
            words = Visitor(routed, adminSessions).words
            address = routed.request.parameter("REMOTE_ADDR") ?? "-"
        }
    }
}
