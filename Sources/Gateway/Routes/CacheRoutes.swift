import Caching
import Catalog
import FastCGI
import JSON
import Platform

/// `/cache/{name}/{key}` and `/cache/{name}`: the four caches for swingmusic's own code and for scripts. For the administrator, and who has the
/// token for the caches.
struct CacheRoutes: RouteFamily {
    let caches: Caches
    let accessControl: AccessControl
    let blockingWorker: BlockingWorker
    let includes: IncludeWatch
    let errorFormat = ErrorFormat.plain
    static let access = Access.caches

    private static let mostValueBytes = 1 << 20

    func bodyPolicy(_ routed: RoutedRequest) -> BodyPolicy { .read(limit: Self.mostValueBytes) }

    func answer(_ routed: RoutedRequest) -> Outcome {
        if let refusal = accessControl.refusal(of: routed.request, at: Self.access, errorFormat) { return .now(refusal) }
        let raw = RawPath(routed.request)
        includes.saw(rawPath: raw != nil)
        do throws(BadRequest) {
            let target = try CacheTarget(routed, raw)
            let query = CacheQuery(routed.request)
            return try target.key.isEmpty
                ? whole(target.cache, query, routed.request.method) : entry(target.cache, target.key, query, routed.request)
        } catch {
            return .now(errorFormat.error(error.status, error.message))
        }
    }

    private func whole(_ cache: CacheName, _ query: CacheQuery, _ method: FastCGI.Method) throws(BadRequest) -> Outcome {
        switch method {
        case .get, .head: return try list(cache, query, isHead: method == .head)
        case .delete: return try clear(cache, query)
        default: return .now(errorFormat.methodNotAllowed("GET, HEAD, DELETE"))
        }
    }

    private func entry(_ cache: CacheName, _ key: [UInt8], _ query: CacheQuery, _ request: Request) throws(BadRequest) -> Outcome {
        let isCatalogs = key.starts(with: Resource.cachePrefix.utf8)
        switch request.method {
        case .get, .head: return .now(answering { try read(cache, key, isCatalogs, isHead: request.method == .head) })
        case .put, .post:
            if isCatalogs { throw BadRequest(403, "The catalog's own entries cannot be written") }
            return try request.method == .put ? write(cache, key, query, request) : change(cache, key, query)
        case .delete:
            try query.allow([])
            return writing(cache) { try caches.delete(cache, key, waits: false) ? Self.done() : errorFormat.error(404, "Not found") }
        default: return .now(errorFormat.methodNotAllowed("GET, HEAD, PUT, POST, DELETE"))
        }
    }

    // MARK: A whole cache

    private func list(_ cache: CacheName, _ query: CacheQuery, isHead: Bool) throws(BadRequest) -> Outcome {
        let list = try KeyList(cache: cache, query)
        // A page is many rows, that may have to come from a disk; never on an event thread.
        return blockingWorker.run(errorFormat) {
            var response = answering { list.response(try caches.keys(cache, prefix: list.prefix, after: list.after, limit: list.limit)) }
            response.omitsBody = isHead
            return response
        }
    }

    private func clear(_ cache: CacheName, _ query: CacheQuery) throws(BadRequest) -> Outcome {
        try query.allow(["prefix"])
        let prefix = try query["prefix"]
        if let prefix, prefix.isEmpty { throw BadRequest(400, "prefix is empty: leave it out to clear the whole cache") }
        return writing(cache) {
            let count = try caches.clear(cache, prefix: prefix ?? [], waits: false)
            return Response(status: 200, contentType: ErrorFormat.json, body: Array("{\"cleared\":\(count)}".utf8))
        }
    }

    // MARK: An entry

    private func read(_ cache: CacheName, _ key: [UInt8], _ isCatalogs: Bool, isHead: Bool) throws -> Response {
        guard let found = try caches.get(cache, key) else {
            var response = errorFormat.error(404, "Not found")
            response.omitsBody = isHead
            return response
        }
        let record = isCatalogs ? Record(encoded: found.entry.value) : nil
        var response = Response(
            status: 200, contentType: record == nil ? "application/octet-stream" : MetadataResponse.json,
            body: record?.body ?? found.entry.value[...])
        response.omitsBody = isHead
        response.add("Cache-Control", "no-store")
        response.add("X-Content-Type-Options", "nosniff")
        response.add(CacheStatus(found))
        return response
    }

    private func write(_ cache: CacheName, _ key: [UInt8], _ query: CacheQuery, _ request: Request) throws(BadRequest) -> Outcome {
        try query.allow(["ttl"])
        let ttl = try query.duration("ttl")
        var value: [UInt8] = []
        if case .bytes(let bytes) = request.body { value = bytes }
        return writing(cache) { [value] in
            try caches.put(cache, key, value, ttl: ttl, waits: false)
            return Self.done()
        }
    }

    /// Adds to a number, or gives an entry another end.
    private func change(_ cache: CacheName, _ key: [UInt8], _ query: CacheQuery) throws(BadRequest) -> Outcome {
        try query.allow(["incr", "ttl"])
        let ttl = try query.duration("ttl")
        if let amount = try query.integer("incr") {
            return writing(cache) {
                let sum = try caches.increment(cache, key, by: amount, ttl: ttl, waits: false)
                var response = Response(status: 200, contentType: ErrorFormat.json, body: Array("{\"value\":\(sum)}".utf8))
                response.add("Cache-Control", "no-store")
                return response
            }
        }
        return writing(cache) {
            try caches.expire(cache, key, in: ttl, waits: false) ? Self.done() : errorFormat.error(404, "Not found")
        }
    }

    /// SQLite may keep a writer waiting, and the disk one whose write is to outlive a power cut; never an event thread.
    private func writing(_ cache: CacheName, _ write: @escaping @Sendable () throws -> Response) -> Outcome {
        blockingWorker.begin(errorFormat) { reply in
            let response = answering(write)
            caches.whenSettled(cache) { fault in reply(fault.map { errorFormat.unavailable("\($0)", retryAfter: .seconds(10)) } ?? response)
            }
        }
    }

    private func answering(_ make: () throws -> Response) -> Response {
        do {
            return try make()
        } catch CacheError.notAWholeNumber {
            return errorFormat.error(409, "\(CacheError.notAWholeNumber)")
        } catch {
            return errorFormat.unavailable("\(error)", retryAfter: .seconds(10))
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

    private static let usualLimit: Int64 = 100
    private static let mostLimit: Int64 = 1000

    init(cache: CacheName, _ query: CacheQuery) throws(BadRequest) {
        self.cache = cache
        prefix = try query["prefix"] ?? []
        after = try query["after"]
        let limit = try query.integer("limit") ?? Self.usualLimit
        guard (1...Self.mostLimit).contains(limit) else { throw BadRequest(400, "limit is a whole number from 1 to \(Self.mostLimit)") }
        self.limit = Int(limit)
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
struct CacheQuery {
    private let items: [(name: String, value: [UInt8]?)]

    init(_ request: Request) {
        items = (request.parameter("QUERY_STRING") ?? "").split(separator: "&").map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count == 2 ? parts[1] : ""
            return (PercentEncoding.decode(parts[0], plusIsSpace: true) ?? "", PercentEncoding.bytes(value.utf8, plusIsSpace: true))
        }
    }

    /// Whoever writes means what it says: what is not known, of a newer program perhaps, is not passed over.
    /// - Throws: 400 for any parameter but these, and for one that is there twice.
    func allow(_ known: Set<String>) throws(BadRequest) {
        for item in items where !known.contains(item.name) {
            throw BadRequest(
                400,
                known.isEmpty ? "No parameter is known here" : "No parameter is known here but \(known.sorted().joined(separator: ", "))")
        }
        guard Set(items.map(\.name)).count == items.count else { throw BadRequest(400, "A parameter is there twice") }
    }

    /// The first value of that name.
    /// - Throws: 400 for a percent sign without two hexadecimal digits.
    subscript(_ name: String) -> [UInt8]? {
        get throws(BadRequest) {
            guard let item = items.first(where: { $0.name == name }) else { return nil }
            guard let value = item.value else { throw BadRequest(400, "\(name) is malformed") }
            return value
        }
    }

    func duration(_ name: String) throws(BadRequest) -> Duration? {
        guard let value = try self[name] else { return nil }
        guard let duration = Duration(setting: String(decoding: value, as: UTF8.self)), duration > .zero else {
            throw BadRequest(400, "\(name) is a duration such as 90s")
        }
        return duration
    }

    func integer(_ name: String) throws(BadRequest) -> Int64? {
        guard let value = try self[name] else { return nil }
        let text = String(decoding: value, as: UTF8.self)
        guard let number = Int64(text), String(number) == text else {
            throw BadRequest(400, "\(name) is a whole number of at most 64 bits")
        }
        return number
    }
}

/// What a path below `/cache/` names: a cache, and in it a key of any bytes.
struct CacheTarget {
    let cache: CacheName
    /// Empty for the cache itself.
    let key: [UInt8]

    private static let mostKeyBytes = 512

    /// - Parameter raw: nil with an nginx that does not hand it on; the key is then what nginx has made of the path.
    /// - Throws: 404 for a cache that is none; 400 for a key that is too long or malformed, and for a path that names its cache only after
    ///   nginx has resolved it.
    init(_ routed: RoutedRequest, _ raw: RawPath?) throws(BadRequest) {
        let parts = routed.rest.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let name = parts.first ?? ""
        let isKey = parts.count == 2
        var key = isKey ? Array(parts[1].utf8) : []
        if let raw {
            key = try raw.rest(after: Array("/cache/\(name)\(isKey ? "/" : "")".utf8))
            guard isKey || key.isEmpty else { throw BadRequest(400, "The path has escapes, dots or slashes that change what it names") }
        }
        guard let cache = CacheName(rawValue: String(name)) else { throw BadRequest(404, "There is no such cache") }
        guard key.count <= Self.mostKeyBytes else { throw BadRequest(400, "A key has at most \(Self.mostKeyBytes) bytes") }
        self.cache = cache
        self.key = key
    }
}
