import ArgumentParser
import Caching
import JSON
import Platform

/// `cache list`: keys in their order.
struct CacheList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Print the keys of a cache in the order of their bytes, with when their time is over.",
        discussion: """
            EXAMPLES
              sudo swingmusic-fcgi cache list user
              sudo swingmusic-fcgi cache list temp --prefix queue/ --limit 20
            """)

    @Argument(help: "The cache: spotify, session, user or temp.")
    var cache: CacheName

    @Option(help: "Only keys that begin so.")
    var prefix: String = ""

    @Option(help: "Only keys after this one.")
    var after: String?

    @Option(help: "How many; left out: all of them.")
    var limit: Int?

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var environment: EnvironmentOptions

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit is at least 1") }
    }

    func run() throws {
        let caches = try DataFolder(environment).openCaches()
        defer { caches.close() }
        var list = CacheKeyList(json: json)
        try caches.forEachPage(of: cache, prefix: Array(prefix.utf8), after: after.map { Array($0.utf8) }) { keys in
            let left = limit.map { $0 - list.count } ?? keys.count
            list.add(keys.prefix(left))
            return list.count != limit
        }
        list.end()
    }
}

/// `cache search`: entries by what they hold.
struct CacheSearch: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search",
        abstract: "Print the keys of the entries that have all of these words in their key or their value, in capitals or not.",
        discussion: """
            Reads the whole cache, a piece at a time, and keeps nobody waiting. Exits 3 when nothing is found.

            EXAMPLES
              sudo swingmusic-fcgi cache search spotify karma police
            """)

    @Argument(help: "The cache: spotify, session, user or temp.")
    var cache: CacheName

    @Argument(help: "The words.")
    var words: [String]

    @Option(help: "Only keys that begin so.")
    var prefix: String = ""

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var environment: EnvironmentOptions

    func run() throws {
        let caches = try DataFolder(environment).openCaches()
        defer { caches.close() }
        let wanted = words.map { $0.lowercased() }
        var list = CacheKeyList(json: json)
        try caches.forEachPage(of: cache, prefix: Array(prefix.utf8)) { keys in
            let values = try caches.get(cache, keys.map(\.key))
            list.add(
                zip(keys, values).compactMap { key, found in
                    let text = String(decoding: key.key + [0x0A] + (found?.entry.value ?? []), as: UTF8.self).lowercased()
                    return wanted.allSatisfy(text.contains) ? key : nil
                })
            return true
        }
        list.end()
        if list.count == 0 { throw ExitStatus.nothingThere }
    }
}

/// Keys as `list` and `search` print them, page by page.
private struct CacheKeyList {
    let json: Bool
    private(set) var count = 0
    private var kept: [JSONValue] = []

    init(json: Bool) { self.json = json }

    mutating func add(_ keys: some Collection<KeyPage.Key>) {
        count += keys.count
        if json {
            kept += keys.map { key in
                let isText = String(validating: key.key, as: UTF8.self) != nil
                return .object([
                    "key": .string(isText ? String(decoding: key.key, as: UTF8.self) : PercentEncoding.encode(key.key)),
                    "percentEncoded": isText ? nil : true,
                    // Left out when the entry never expires.
                    "expiresAt": key.expiresAt == .max ? nil : .string(Output.time(key.expiresAt)),
                ])
            }
        } else {
            let rows = keys.map { [$0.expiresAt == .max ? "never" : Output.time($0.expiresAt), String(decoding: $0.key, as: UTF8.self)] }
            TextColumns.lines(rows).forEach { print($0) }
        }
    }

    func end() {
        if json { Output.json(["keys": .array(kept)]) }
    }
}

extension Caches {
    /// Goes along the keys, a few hundred at a time, until `each` says that it is enough.
    fileprivate func forEachPage(
        of cache: CacheName, prefix: [UInt8], after: [UInt8]? = nil, _ each: ([KeyPage.Key]) throws -> Bool
    ) throws {
        var after = after
        repeat {
            let page = try keys(cache, prefix: prefix, after: after, limit: 500)
            guard try each(page.keys) else { return }
            after = page.next
        } while after != nil
    }
}
