import Caching
import Catalog
import FastCGI
import JSON
import Platform

/// `/cache/{name}/{key}` and `/cache/{name}`: the four caches for swingmusic's own code and for scripts. For the administrator, and who has the
/// token for the caches.
struct CacheRoutes: RouteFamily {
    let caches: Caches
    let blockingWorker: BlockingWorker
    let includes: IncludeWatch
    let security: SecurityLog

    let prefix = "/cache/"
    let tag = "cache"
    let label = Counter.Family.cache
    let about = """
        The four caches, for swingmusic's own code and for scripts: keys of at most 512 bytes, which may have slashes, and values of any \
        bytes up to 1 MiB. A key is what stands in the path as it is sent, decoded once: `a//b`, `a/./b` and `a/b` are three keys. A \
        path that names its cache otherwise than plainly is 400, and so is a write with a parameter that is not known.
        """
    let errorFormat = ErrorFormat.plain
    let pathForm = PathTree.Form.asSent
    let longestBody = 1 << 20
    let notFound = "There is no such cache"
    let accessToNothing = Access.caches

    private static let mostKeyBytes = 512
    private static let name = Parameter.path("name", "The cache.", oneOf: CacheName.allCases.map(\.rawValue), example: "temp")
    private static let key = Parameter.path(
        "key", "The key; keys that begin with `catalog:` are the catalog's own and can only be read and deleted.",
        .text(least: 1, most: mostKeyBytes), example: "shelf:one")
    private static let lifetime = Parameter.query(
        "ttl", "How long it lives, from now on; the cache's own time when left out.", .text(pattern: "^[1-9][0-9]{0,11}(ms|s|m|h|d)$"),
        example: "90s")

    private static let increment = Parameter.query(
        "incr", "What is added to a number.", WholeNumber.plain, example: "1")
    private static let cleared = Parameter.query(
        "prefix", "Only keys that begin so; all when left out.", .text(least: 1, most: mostKeyBytes), example: "shelf:")

    let schemas: KeyValuePairs<String, Schema> = ["KeyPage": KeyList.schema]

    var routes: [Route] {
        [
            Route(
                .get, "{name}", id: "listKeys", access: .caches, summary: "List the keys of a cache.",
                about: "In the order of their bytes. A page may have fewer keys than were asked for, and a next one all the same.",
                parameters: [Self.name] + KeyList.parameters,
                answers: [.json(200, "A page.", .named("KeyPage"))] + Refusals.all([400, 404, 503]), handler: list),
            Route(
                .delete, "{name}", id: "clearCache", access: .caches, summary: "Clear a cache, or the keys of it that begin with a prefix.",
                about: "The records of spotify become due and are served stale until they are fetched again.",
                parameters: [Self.name, Self.cleared],
                answers: [.json(200, "How many entries.", .object(["cleared": .integer(0)]))] + Refusals.all([400, 404, 503]),
                handler: clear),
            entry(
                .get, id: "readEntry", summary: "Read an entry.",
                answers: [
                    DescribedAnswer(
                        200, "The value, byte for byte; a record of the catalog as its JSON.",
                        content: [("application/octet-stream", .anything), ("application/json", .anyObject)], headers: [.cacheStatus])
                ] + Refusals.all([400, 404, 503])
            ) { cache, key, _ in .now(answering { try read(cache, key) }) },
            entry(
                .put, id: "writeEntry", summary: "Write an entry.", more: [Self.lifetime],
                body: DescribedBody(type: "application/octet-stream", schema: .anything, example: "value", isOptional: true),
                answers: [DescribedAnswer(204, "Written.")] + Refusals.all([400, 403, 404, 503]), write),
            entry(
                .post, id: "changeEntry", summary: "Add to a number, or give an entry another end.",
                about: """
                    With `incr` the entry is a whole number in digits, and keeps its end; where there is none, or of spotify a stale one, it begins \
                    at 0 with `ttl`. Many who add at once lose nothing. Without `incr` an entry that is there gets `ttl` from now on.
                    """,
                more: [Self.increment, Self.lifetime],
                answers: [.json(200, "With `incr`: the sum.", .object(["value": .integer()])), DescribedAnswer(204, "It has another end.")]
                    + Refusals.all([400, 403, 404, 409, 503]), change),
            entry(
                .delete, id: "deleteEntry", summary: "Delete an entry.",
                answers: [DescribedAnswer(204, "Deleted.")] + Refusals.all([400, 404, 503])
            ) { cache, key, routed throws(BadRequest) in
                _ = try CacheQuery(writing: routed)
                return writing(cache) { try caches.delete(cache, key, waits: false) ? Self.done() : errorFormat.error(404, "Not found") }
            },
        ]
    }

    private func entry(
        _ method: Route.Method, id: String, summary: String, about: String? = nil, more: [Parameter] = [], body: DescribedBody? = nil,
        answers: [DescribedAnswer],
        _ handler: @escaping @Sendable (CacheName, _ key: [UInt8], RoutedRequest) throws(BadRequest) -> Outcome
    ) -> Route {
        Route(
            method, "{name}/{key}", id: id, access: .caches, summary: summary, about: about, parameters: [Self.name, Self.key] + more,
            body: body,
            answers: answers
        ) { routed throws(BadRequest) in
            let cache = try cache(routed)
            let key = routed.given.rest(Self.key)
            guard key.count <= Self.mostKeyBytes else { throw BadRequest(400, "A key has at most \(Self.mostKeyBytes) bytes") }
            return try handler(cache, key, routed)
        }
    }

    private func cache(_ routed: RoutedRequest) throws(BadRequest) -> CacheName {
        includes.saw(rawPath: RawPath(routed.request) != nil)
        guard let cache = routed.given[Self.name].flatMap(CacheName.init) else { throw BadRequest(404, notFound) }
        return cache
    }

    @Sendable private func list(_ routed: RoutedRequest) throws(BadRequest) -> Outcome {
        let cache = try cache(routed)
        let list = try KeyList(of: cache, routed)
        // A page is many rows, that may have to come from a disk; never on an event thread.
        return blockingWorker.run(errorFormat) {
            answering { list.response(try caches.keys(cache, prefix: list.prefix, after: list.after, limit: list.limit)) }
        }
    }

    @Sendable private func clear(_ routed: RoutedRequest) throws(BadRequest) -> Outcome {
        let cache = try cache(routed)
        let prefix = try CacheQuery(writing: routed).bytes(Self.cleared)
        if let prefix, prefix.count > Self.mostKeyBytes { throw BadRequest(400, "A key has at most \(Self.mostKeyBytes) bytes") }
        if let prefix, prefix.isEmpty { throw BadRequest(400, "prefix is empty: leave it out to clear the whole cache") }
        let (address, actor) = (routed.request.parameter("REMOTE_ADDR") ?? "", routed.actor)
        return writing(cache) {
            let count = try caches.clear(cache, prefix: prefix ?? [], waits: false)
            security.note(.cleared, from: address, by: actor, cache: cache.rawValue)
            return Response(status: 200, contentType: ErrorFormat.json, body: Array("{\"cleared\":\(count)}".utf8))
        }
    }

    /// SQLite may keep a writer waiting, and the disk one whose write is to outlive a power cut; never an event thread.
    private func writing(_ cache: CacheName, _ write: @escaping @Sendable () throws -> Response) -> Outcome {
        blockingWorker.begin(errorFormat) { reply in
            let response = answering(write)
            caches.whenSettled(cache) { fault in
                reply(fault.map { errorFormat.unavailable("\($0)", .database, retryAfter: .seconds(10)) } ?? response)
            }
        }
    }

    private func answering(_ make: () throws -> Response) -> Response {
        do {
            return try make()
        } catch CacheError.notAWholeNumber {
            return errorFormat.error(409, "\(CacheError.notAWholeNumber)")
        } catch {
            return errorFormat.unavailable("\(error)", .database, retryAfter: .seconds(10))
        }
    }

    private static func isCatalogs(_ key: [UInt8]) -> Bool { key.starts(with: Resource.cachePrefix.utf8) }

    private func read(_ cache: CacheName, _ key: [UInt8]) throws -> Response {
        guard let found = try caches.get(cache, key) else { return errorFormat.error(404, "Not found") }
        let record = Self.isCatalogs(key) ? Record(encoded: found.entry.value) : nil
        var response = Response(
            status: 200, contentType: record == nil ? "application/octet-stream" : MetadataResponse.json,
            body: record?.body ?? found.entry.value[...])
        response.add("Cache-Control", "no-store")
        response.add("X-Content-Type-Options", "nosniff")
        response.add(CacheStatus(found))
        return response
    }

    @Sendable private func write(_ cache: CacheName, _ key: [UInt8], _ routed: RoutedRequest) throws(BadRequest) -> Outcome {
        if Self.isCatalogs(key) { throw BadRequest(403, "The catalog's own entries cannot be written") }
        let ttl = try CacheQuery(writing: routed).duration(Self.lifetime)
        let value = routed.body
        return writing(cache) {
            try caches.put(cache, key, value, ttl: ttl, waits: false)
            return Self.done()
        }
    }

    /// Adds to a number, or gives an entry another end.
    @Sendable private func change(_ cache: CacheName, _ key: [UInt8], _ routed: RoutedRequest) throws(BadRequest) -> Outcome {
        if Self.isCatalogs(key) { throw BadRequest(403, "The catalog's own entries cannot be written") }
        let query = try CacheQuery(writing: routed)
        let ttl = try query.duration(Self.lifetime)
        guard let amount = try query.integer(Self.increment) else {
            return writing(cache) {
                try caches.expire(cache, key, in: ttl, waits: false) ? Self.done() : errorFormat.error(404, "Not found")
            }
        }
        return writing(cache) {
            let sum = try caches.increment(cache, key, by: Int64(amount), ttl: ttl, waits: false)
            var response = Response(status: 200, contentType: ErrorFormat.json, body: Array("{\"value\":\(sum)}".utf8))
            response.add("Cache-Control", "no-store")
            return response
        }
    }

    private static func done() -> Response {
        var response = Response(status: 204)
        response.add("Cache-Control", "no-store")
        return response
    }
}

/// A page of the keys of a cache, as it is asked for and answered.
private struct KeyList {
    let cache: CacheName
    let prefix: [UInt8]
    let after: [UInt8]?
    let limit: Int

    private static let usualLimit = 100
    private static let mostLimit = 1000
    private static let begin = Parameter.query("prefix", "Only keys that begin so.", .text, example: "shelf:")
    private static let last = Parameter.query("after", "Only keys after this one.", .text, example: "shelf:1")
    private static let count = Parameter.query("limit", "How many; 100 when left out.", .integer(1, mostLimit), example: 10)
    static let parameters = [begin, last, count]

    static let schema = Schema.object([
        "keys": .list(
            // The last two only where it is so.
            of: .object(["key": .text, "expires": .integer().orNull], optional: ["stale": .boolean, "percent_encoded": .boolean])),
        "next": .text.orNull,
    ])

    init(of cache: CacheName, _ routed: RoutedRequest) throws(BadRequest) {
        self.cache = cache
        let query = CacheQuery(routed)
        prefix = try query.bytes(Self.begin) ?? []
        after = try query.bytes(Self.last)
        let limit = try query.integer(Self.count) ?? Self.usualLimit
        guard (1...Self.mostLimit).contains(limit) else {
            throw BadRequest(400, "limit is a whole number from 1 to \(Self.mostLimit)")
        }
        self.limit = limit
    }

    func response(_ page: KeyPage) -> Response {
        let now = SystemClock().wall.milliseconds
        var writer = JSONWriter()
        writer.object { writer in
            writer.key("keys")
            writer.array { writer in
                for key in page.keys { writer.object { Self.write(key, to: &$0, now: now) } }
            }
            writer.member("next", page.next.map(link))
        }
        var response = Response(status: 200, contentType: ErrorFormat.json, body: writer.bytes)
        response.add("Cache-Control", "no-store")
        return response
    }

    private static func write(_ key: KeyPage.Key, to writer: inout JSONWriter, now: Int64) {
        if let text = String(validating: key.key, as: UTF8.self) {
            writer.member("key", text)
        } else {
            writer.member("key", PercentEncoding.encode(key.key))
            writer.member("percent_encoded", true)
        }
        // Rounded up: what is there has time left.
        writer.member("expires", key.expiresAt == .max ? nil : Int((key.expiresAt + 999) / 1000))
        if key.expiresAt <= now { writer.member("stale", true) }
    }

    /// Of the next page, to be asked for as it stands.
    private func link(after key: [UInt8]) -> String {
        "/cache/\(cache.rawValue)?prefix=\(PercentEncoding.encode(prefix))&after=\(PercentEncoding.encode(key))&limit=\(limit)"
    }
}

/// The parameters of a request below `/cache/`, byte for byte: keys need be no text.
private struct CacheQuery {
    private let declared: [Parameter]
    private let items: [(name: String, value: [UInt8]?)]

    init(_ routed: RoutedRequest) {
        declared = routed.route?.parameters ?? []
        items = (routed.request.parameter("QUERY_STRING") ?? "").split(separator: "&").map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count == 2 ? parts[1] : ""
            return (PercentEncoding.decode(parts[0], plusIsSpace: true) ?? "", PercentEncoding.bytes(value.utf8, plusIsSpace: true))
        }
    }

    /// Whoever writes means what it says: what is not known, of a newer program perhaps, is not passed over.
    /// - Throws: 400 for any parameter that the route does not declare, and for one that is there twice.
    init(writing routed: RoutedRequest) throws(BadRequest) {
        self.init(routed)
        let known = declared.filter { $0.place == .query }.map(\.name)
        for item in items where !known.contains(item.name) {
            let words = known.isEmpty ? "No parameter is known here" : "No parameter is known here but \(known.joined(separator: ", "))"
            throw BadRequest(400, words)
        }
        guard Set(items.map(\.name)).count == items.count else { throw BadRequest(400, "A parameter is there twice") }
    }

    /// The first value of that name.
    /// - Throws: 400 for a percent sign without two hexadecimal digits.
    func bytes(_ parameter: Parameter) throws(BadRequest) -> [UInt8]? {
        guard declared.contains(where: { $0 === parameter }), let item = items.first(where: { $0.name == parameter.name }) else {
            return nil
        }
        guard let value = item.value else { throw BadRequest(400, "\(parameter.name) is malformed") }
        return value
    }

    func duration(_ parameter: Parameter) throws(BadRequest) -> Duration? {
        guard let value = try bytes(parameter) else { return nil }
        // No zeros before it, as of any number here.
        guard value.first != UInt8(ascii: "0"), let duration = Duration(setting: String(decoding: value, as: UTF8.self)) else {
            throw BadRequest(400, "\(parameter.name) is a duration such as 90s")
        }
        return duration
    }

    func integer(_ parameter: Parameter) throws(BadRequest) -> Int? {
        guard let value = try bytes(parameter) else { return nil }
        guard let number = WholeNumber.readPlain(String(decoding: value, as: UTF8.self)) else {
            throw BadRequest(400, "\(parameter.name) is a whole number of at most 18 digits")
        }
        return number
    }
}
