import Catalog
import Caching
import Glibc
import JSON
import Platform
import RateLimiting
import Sessions

/// What is going on, for the status page: what waits and why, what was looked up last, what falls due, the account, backups, who is signed in.
/// Blocks on files; not for an event thread.
struct Activity: Sendable {
    let collector: StatusCollector
    let catalog: Catalog
    let caches: Caches
    let sessions: Sessions?
    /// Whether the page may show pictures from Spotify's image host.
    let showsCovers: Bool

    private static let mostShown = 50
    private static let day: Int64 = 86_400_000

    func json(
        _ visitor: Visitor, proof: String, now: Int64 = SystemClock().wall.milliseconds, _ context: borrowing BlockingContext
    ) -> JSONValue {
        .object([
            "now": .integer(now), "visitor": .string(visitor.name), "proof": .string(proof), "covers": .bool(showsCovers),
            "waiting": .array(queued(failed: false)), "failed": .array(queued(failed: true)),
            "latest": .array(collector.scoreboard.latestLookups.prefix(20).map(latest)), "due": due(now: now),
            "account": account(now: now), "backups": .array(backups), "sessions": people(context),
            "keys": keys(context),
        ])
    }

    // MARK: Lookups

    private func queued(failed: Bool) -> [JSONValue] {
        let lookups = (try? collector.rateLimiter.queued(atMost: Self.mostShown, failed: failed)) ?? []
        return lookups.map { lookup in
            merged(
                json(catalog.summary(of: lookup.key)),
                [
                    "why": .string("\(lookup.priority)"), "queuedAt": lookup.queuedAt.map { .integer($0) },
                    "isUnderWay": .bool(lookup.isLeased),
                    "seconds": lookup.isLeased || lookup.isFailed ? nil : .integer(lookup.wait.wholeSeconds),
                    // What Spotify says of a search may repeat what was typed.
                    "failure": lookup.failure.map { .string(lookup.key.hasPrefix("search") ? String($0.prefix { $0 != ":" }) : $0) },
                    "retryAt": lookup.retryAt.map { .integer($0) },
                ])
        }
    }

    private func latest(_ lookup: EndedLookup) -> JSONValue {
        merged(json(catalog.summary(of: lookup.name)), ["at": .integer(lookup.time), "status": .integer(lookup.status)])
    }

    /// A record, as the page has it.
    func json(_ summary: RecordSummary) -> JSONValue {
        .object([
            "kind": .string(summary.kind), "name": summary.name.map(JSONValue.string), "id": summary.id.map(JSONValue.string),
            "title": summary.title.map(JSONValue.string), "storedAt": summary.storedAt.map { .integer($0) },
            "dueAt": summary.dueAt.map { .integer($0) }, "refusedWith": summary.refusedWith.map { .integer($0) },
            "cover": showsCovers ? summary.picture.flatMap { $0.hasPrefix(StatusPage.coverHost + "/") ? .string($0) : nil } : nil,
        ])
    }

    private func merged(_ object: JSONValue, _ more: KeyValuePairs<String, JSONValue?>) -> JSONValue {
        .object((object.members ?? []) + (JSONValue.object(more).members ?? []))
    }

    // MARK: What else

    private func due(now: Int64) -> JSONValue {
        func count(_ end: Int64) -> JSONValue { .integer((try? caches.count(.spotify, expiringBefore: end)) ?? 0) }
        let inUse = try? caches.due(
            before: now + Self.day, usedSince: now - 7 * Self.day, prefix: Array(Resource.cachePrefix.utf8), limit: 10)
        return [
            "now": count(now), "inADay": count(now + Self.day), "inAWeek": count(now + 7 * Self.day),
            "next": .array(
                (inUse ?? []).map { key, _, _ in
                    json(catalog.summary(of: String(decoding: key.dropFirst(Resource.cachePrefix.utf8.count), as: UTF8.self)))
                }),
        ]
    }

    private func account(now: Int64) -> JSONValue {
        .object([
            "connected": collector.connected.map { StatusJSON.account($0.standing, owner: $0.owner, now: now) },
            "mode": (try? catalog.accountMode()).map { .string($0.rawValue) }, "hasCredentials": .bool(collector.hasCredentials),
            "closed": .array(((try? catalog.closedEndpoints()) ?? []).map(JSONValue.string)),
        ])
    }

    /// Those of `swingmusic-fcgi backup --keep` in the folder `backup` of the data folder, the newest first.
    private var backups: [JSONValue] {
        let folder = collector.dataDirectory + "/backup"
        return Files.names(in: folder).filter { $0.hasSuffix("Z") }.sorted(by: >).prefix(5).map { name in
            let files = Files.names(in: "\(folder)/\(name)").compactMap { FileStamp(path: "\(folder)/\(name)/\($0)") }
            return [
                "name": .string(name), "files": .integer(files.count), "bytes": .integer(files.reduce(0) { $0 + $1.size }),
            ]
        }
    }

    /// Of clients of the mirror; null without sessions.
    private func keys(_ context: borrowing BlockingContext) -> JSONValue {
        guard let sessions else { return .null }
        guard let all = try? sessions.clientKeys(context) else { return [] }
        return .array(
            all.map { key in
                .object([
                    "name": .string(key.name), "createdAt": .integer(key.createdAt), "usedAt": key.usedAt.map { .integer($0) },
                ])
            })
    }

    /// null without sessions.
    private func people(_ context: borrowing BlockingContext) -> JSONValue {
        guard let sessions else { return .null }
        guard let all = try? sessions.all(context) else { return [] }
        return .array(
            all.prefix(200).map { session in
                [
                    "id": .string(session.id), "user": .string(session.userName), "device": .string(session.device),
                    "userAgent": .string(session.userAgent), "address": .string(session.address), "seenAt": .integer(session.seenAt),
                    "createdAt": .integer(session.createdAt),
                ]
            })
    }
}

/// Who looks at the status page.
enum Visitor: Sendable {
    /// By swingmusic's session.
    case user(Int)
    /// Signed in with the admin token.
    case signedIn(String)
    /// A program that sends the admin token with each request.
    case token

    init(_ routed: RoutedRequest, _ adminSessions: AdminSessions) {
        if let user = routed.user {
            self = .user(user)
        } else {
            self = adminSessions.session(of: routed.request).map(Visitor.signedIn) ?? .token
        }
    }

    /// What a page's proof is bound to.
    var credential: String {
        switch self {
        case .user(let id): "user \(id)"
        case .signedIn(let id): "session \(id)"
        case .token: "token"
        }
    }

    /// For the log.
    var words: String {
        switch self {
        case .user(let id): "user \(id)"
        case .signedIn, .token: "the admin token"
        }
    }

    var name: String { if case .signedIn = self { "session" } else { words } }
}
