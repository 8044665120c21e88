import JSON
import RateLimiting
import Spotify

/// What is asked for in one call: one resource, or in extended mode several objects of a kind and a market.
struct CallTarget: Equatable {
    /// In the order in which they are asked for.
    var resources: [Resource]
    /// A search may ask for 50.
    var isExtended = false

    /// The request target for the Web API: a path, starting with `/v1/`, and a query.
    /// - Parameter own: the account's market (`SPOTIFY_MARKET`).
    func path(market own: Market?) -> String {
        guard resources.count > 1, case .object(let kind, _, let market) = resources[0] else {
            return resources.first?.target(market: own, isExtended: isExtended) ?? "/v1/"
        }
        let ids = resources.compactMap { if case .object(_, let id, _) = $0 { id.text } else { nil } }.joined(separator: ",")
        let named = kind == .artist ? nil : market ?? own
        return "/v1/\(kind.plural)?ids=\(ids)" + (named.map { "&market=\($0.code)" } ?? "")
    }
}

/// A lookup that this worker has leased.
struct LeasedLookup {
    let lease: Lease
    let resource: Resource
    /// Spotify has answered it before, and not refused it since.
    var isKnown = false
}

/// What a call taught of a lookup.
enum Lesson {
    case answer(ParsedAnswer)
    /// `briefly`: it spoke of the account, which is served, or was no refusal but an answer without a form.
    case refusal(NegativeEntry, briefly: Bool = false)

    /// 200, or with what Spotify refused.
    var status: Int { if case .refusal(let refusal, _) = self { refusal.status } else { 200 } }
}

/// A call that was sent: the lookups that it is for, under one lease number, and records that fall due in the places that were free.
struct LookupCall {
    /// The first is the one whose turn it was.
    let lookups: [LeasedLookup]
    /// Nobody has queued them.
    var extra: [Resource] = []
    var isExtended = false

    var first: LeasedLookup { lookups[0] }
    var resources: [Resource] { lookups.map(\.resource) + extra }
    var target: CallTarget { CallTarget(resources: resources, isExtended: isExtended) }
    /// Several things are asked for.
    var isBatch: Bool { lookups.count + extra.count > 1 }

    /// What the end of a batch means.
    enum End {
        case answered(BatchAnswer)
        /// Objects are not to be had together for so long; each lookup goes back to where it stood.
        case closed(Duration, Obstacle)
        /// One of them is refused in a way that refuses all; so many may be asked for together next time.
        case spoiled(together: Int, Obstacle)
        /// As of a call for one.
        case usual(CallOutcome)
    }

    private static let closedFor = Duration.seconds(86_400)
    /// What speaks of the account is found out by a call for one.
    private static let doubtfulFor = Duration.seconds(300)
    /// Of what was spoiled a quarter is tried at a time.
    private static let parts = 4

    func end(_ result: CallResult) -> End {
        switch result {
        case .failure(let error):
            let obstacle = Obstacle(.spotify, error.description)
            switch error {
            case .forbidden, .notFound, .unexpected(status: 404), .unexpected(status: 410): return .closed(Self.closedFor, obstacle)
            case .accountRefused: return .closed(Self.doubtfulFor, obstacle)
            case .badRequest: return .spoiled(together: max(1, (lookups.count + extra.count) / Self.parts), obstacle)
            default: return .usual(CallOutcome(result, sent: true))
            }
        case .answer(let answer):
            return BatchAnswer(self, answer.body).map { .answered($0) }
                ?? .usual(.retry(Obstacle(.spotify, "Spotify's answer has an unknown form")))
        case .held: return .usual(.nothing)
        }
    }
}

/// What the answer to a batch says of each thing that was asked for.
///
/// An object is taken for the one that it says it is, wherever it stands. That there is none of a thing is believed only of an answer that has
/// everything in its place. What is not answered so is to be asked for alone.
struct BatchAnswer {
    private(set) var lessons: [(lookup: LeasedLookup, lesson: Lesson)] = []
    private(set) var unanswered: [LeasedLookup] = []
    /// Of what nobody has queued.
    private(set) var extra: [ParsedAnswer] = []
    private(set) var mode: AccountMode?

    /// nil for a body that is no list of such things.
    init?(_ call: LookupCall, _ body: [UInt8]) {
        guard case .object(let kind, _, _)? = call.resources.first, let list = (try? JSONDocument(body))?.root[kind.plural],
            list.kind == .array
        else { return nil }
        let nodes = list.elements
        let isInPlace = nodes.count == call.resources.count && zip(nodes, call.resources).allSatisfy { $0.isNull || $0.claim == $1.id }
        let claims = Dictionary(nodes.compactMap { node in node.claim.map { ($0, node) } }, uniquingKeysWith: { first, _ in first })
        func answer(_ resource: Resource) -> ParsedAnswer? {
            resource.id.flatMap { claims[$0] }.flatMap { ParsedAnswer(resource, Array($0.raw)) }
        }
        for lookup in call.lookups {
            if let parsed = answer(lookup.resource) {
                lessons.append((lookup, .answer(parsed)))
                mode = mode ?? parsed.mode
            } else if isInPlace, lookup.resource.id.flatMap({ claims[$0] }) == nil {
                lessons.append((lookup, .refusal(NegativeEntry(status: 404, message: "Resource not found"))))
            } else {
                unanswered.append(lookup)
            }
        }
        extra = call.extra.compactMap(answer)
    }

    /// How each lease ends.
    /// - Parameter known: what a lookup's answer says may be asked for again to see whether Spotify serves this account.
    func endings(known: (LeasedLookup, Lesson) -> LeaseResult) -> [(lease: Lease, result: LeaseResult)] {
        lessons.map { ($0.lookup.lease, known($0.lookup, $0.lesson)) } + unanswered.map { ($0.lease, .givenBack(together: 1)) }
    }
}

extension Resource {
    /// Of an object.
    fileprivate var id: String? { if case .object(_, let id, _) = self { id.text } else { nil } }
}

extension JSONNode {
    /// Which object it is the answer to: one that stands in for another says for which (Web API reference, track relinking).
    fileprivate var claim: String? { self["linked_from"]?["id"]?.string ?? self["id"]?.string }
}

extension Resource {
    /// What extended mode gives in one call (Web API reference: get-several-tracks, get-multiple-albums, get-multiple-artists).
    public static let batches = Batches(
        sizes: [ObjectKind.track.rawValue: 50, ObjectKind.album.rawValue: 20, ObjectKind.artist.rawValue: 50],
        where: (AccountMode.fact, AccountMode.extended.rawValue))
}
