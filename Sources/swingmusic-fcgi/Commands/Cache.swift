import ArgumentParser
import Caching
import Catalog
import Foundation
import Gateway
import JSON
import Platform

/// `swingmusic-fcgi cache`: the four caches from the command line.
struct CacheCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cache",
        abstract: "Look into and change the four caches: spotify, session, user and temp.",
        discussion: """
            Works on cache.db in the data folder, beside a running 'serve' or without one; copies in DragonflyDB follow. \
            Started as root it acts as the owner of the data folder.

            Entries of 'spotify' are never lost by delete and clear: they become due, are served stale, and are fetched again. \
            Exits 3 when there is no such entry.

            EXAMPLES
              sudo swingmusic-fcgi cache get spotify catalog:track/11dFghVXANMlKmJXsNCbNl
            """,
        subcommands: [
            CacheGet.self, CacheSet.self, CacheIncrement.self, CacheDelete.self, CacheList.self, CacheSearch.self, CacheClear.self,
            CachePrune.self,
        ])
}

/// `cache get`: the value's bytes as they are, or with `--json` what is known of the entry.
struct CacheGet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Write an entry's value to standard output, byte for byte; a record of the catalog as its JSON.",
        discussion: """
            EXAMPLES
              sudo swingmusic-fcgi cache get spotify catalog:track/11dFghVXANMlKmJXsNCbNl
              sudo swingmusic-fcgi cache get user colour --json
            """)

    @OptionGroup var entry: CacheEntryArguments

    @Flag(help: "Print one JSON object: value, version, times. A value that is not UTF-8 stands in valueBase64.")
    var json = false

    @OptionGroup var environment: EnvironmentOptions

    func run() throws {
        let caches = try DataFolder(environment).openCaches()
        defer { caches.close() }
        guard let found = try caches.get(entry.cache, entry.bytes) else {
            Output.complain("there is no entry \(entry.key) in \(entry.cache.rawValue)")
            throw ExitStatus.nothingThere
        }
        let record = entry.isCatalogs ? Record(encoded: found.entry.value) : nil
        let value = record?.body ?? found.entry.value[...]
        guard json else { return FileHandle.standardOutput.write(Data(value)) }
        let text = String(validating: value, as: UTF8.self)
        Output.json(
            .object([
                "cache": .string(entry.cache.rawValue), "key": .string(entry.key), "version": .integer(found.entry.version),
                "storedAt": .string(Output.time(found.entry.storedAt)),
                // Left out when the entry never expires.
                "expiresAt": found.entry.expiresAt == .max ? nil : .string(Output.time(found.entry.expiresAt)),
                "tier": .string(found.tier.rawValue), "value": text.map(JSONValue.string),
                "valueBase64": text == nil ? .string(Data(value).base64EncodedString()) : nil,
            ]))
    }
}

/// `cache set`: writes an entry.
struct CacheSet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Write an entry; the value is the argument, or standard input when there is none.",
        discussion: """
            EXAMPLES
              sudo swingmusic-fcgi cache set temp greeting hello --ttl 1h
              sudo swingmusic-fcgi cache set user picture < picture.png
            """)

    @OptionGroup var entry: CacheEntryArguments

    @Argument(help: "The value, at most 1 MiB; left out: what comes on standard input.")
    var value: String?

    @Option(help: "How long it lives, as in 90s, 12h or 30d; left out: the cache's own time.")
    var ttl: String?

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var environment: EnvironmentOptions

    func validate() throws { try entry.validateWriting(ttl: ttl) }

    func run() throws {
        let bytes = value.map { Array($0.utf8) } ?? Array(FileHandle.standardInput.readDataToEndOfFile())
        guard bytes.count <= 1 << 20 else { throw ValidationError("a value has at most 1 MiB") }
        let caches = try DataFolder(environment).openCaches()
        defer { caches.close() }
        let written = try caches.put(entry.cache, entry.bytes, bytes, ttl: ttl.flatMap { Duration(setting: $0) })
        if json { Output.json(["version": .integer(written.version), "expiresAt": .string(Output.time(written.expiresAt))]) }
    }
}

/// `cache delete`: takes an entry away.
struct CacheDelete: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete an entry; one of spotify becomes due and is served stale until it is fetched again.",
        discussion: """
            EXAMPLES
              sudo swingmusic-fcgi cache delete spotify catalog:track/11dFghVXANMlKmJXsNCbNl
            """)

    @OptionGroup var entry: CacheEntryArguments

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var environment: EnvironmentOptions

    func run() throws {
        let caches = try DataFolder(environment).openCaches()
        defer { caches.close() }
        let wasThere = try caches.delete(entry.cache, entry.bytes)
        if json { Output.json(["deleted": .bool(wasThere)]) }
        guard wasThere else {
            if !json { Output.complain("there is no entry \(entry.key) in \(entry.cache.rawValue)") }
            throw ExitStatus.nothingThere
        }
    }
}

/// `cache incr`: adds to a number.
struct CacheIncrement: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "incr", abstract: "Add to an entry that is a whole number, and print the sum; where there is none it begins at 0.",
        discussion: """
            EXAMPLES
              sudo swingmusic-fcgi cache incr user plays
              sudo swingmusic-fcgi cache incr temp visits --by 5 --ttl 1h
            """)

    @OptionGroup var entry: CacheEntryArguments

    @Option(name: .customLong("by"), help: "What is added; may be negative.")
    var amount: Int64 = 1

    @Option(help: "How long a number lives that begins now, as in 90s or 12h; left out: the cache's own time.")
    var ttl: String?

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var environment: EnvironmentOptions

    func validate() throws { try entry.validateWriting(ttl: ttl) }

    func run() throws {
        let caches = try DataFolder(environment).openCaches()
        defer { caches.close() }
        let sum = try caches.increment(entry.cache, entry.bytes, by: amount, ttl: ttl.flatMap { Duration(setting: $0) })
        if json { return Output.json(["value": .integer(sum)]) }
        print(sum)
    }
}

/// `cache clear`: empties a cache, or one prefix of it.
struct CacheClear: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clear",
        abstract: "Delete all entries of a cache; those of spotify become due and are served stale until they are fetched again.",
        discussion: """
            What 'user' and 'session' hold (preferences, what is shown of sessions) cannot be fetched again: they need --yes.

            EXAMPLES
              sudo swingmusic-fcgi cache clear temp
              sudo swingmusic-fcgi cache clear spotify --prefix catalog:search
            """)

    @Argument(help: "The cache: spotify, session, user or temp.")
    var cache: CacheName

    @Option(help: "Only entries whose key begins so.")
    var prefix: String = ""

    @Flag(help: "Clear user or session without a way back.")
    var yes = false

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var environment: EnvironmentOptions

    func validate() throws {
        if cache == .user || cache == .session, !yes {
            throw ValidationError("what \(cache.rawValue) holds cannot be fetched again; add --yes to clear it all the same")
        }
    }

    func run() throws {
        let caches = try DataFolder(environment).openCaches()
        defer { caches.close() }
        let count = try caches.clear(cache, prefix: Array(prefix.utf8))
        if json { return Output.json(["cleared": .integer(count)]) }
        let verb = cache == .spotify ? "made due" : "deleted"
        print("\(count) entr\(count == 1 ? "y" : "ies") of \(cache.rawValue) \(verb)")
    }
}

/// `cache prune`: removes records for good.
struct CachePrune: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Remove Spotify's records that nobody has used for long.",
        discussion: """
            The program itself never removes a record. A use renews a record that is due, so one counts as unused when it was neither fetched nor \
            renewed within the time, and not asked for within the last week. What is removed has to be fetched again when it is asked for. What you have put \
            into the cache yourself stays.

            EXAMPLES
              sudo swingmusic-fcgi cache prune --unused-for 365d
            """)

    @Option(help: "For how long; a duration such as 365d, a week at least.")
    var unusedFor: String

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var environment: EnvironmentOptions

    private var length: Duration? { Duration(setting: unusedFor).flatMap { $0 >= .seconds(7 * 86_400) ? $0 : nil } }

    func validate() throws {
        if length == nil { throw ValidationError("--unused-for is a duration of a week at least, such as 365d") }
    }

    func run() throws {
        guard let length else { return }
        let caches = try DataFolder(environment).openCaches()
        defer { caches.close() }
        // What others have put into the cache nobody can fetch again, and its uses are not noted.
        let count = try caches.prune(
            Array(Resource.cachePrefix.utf8), unusedSince: SystemClock().wall.milliseconds - length.wholeMilliseconds)
        if json { return Output.json(["removed": .integer(count)]) }
        print("\(count) record\(count == 1 ? "" : "s") removed")
    }
}

/// What every subcommand of `cache` is told.
struct CacheEntryArguments: ParsableArguments {
    @Argument(help: "The cache: spotify, session, user or temp.")
    var cache: CacheName

    @Argument(help: "The key, at most 512 bytes. The catalog's records have keys such as catalog:track/<id>.")
    var key: String

    var bytes: [UInt8] { Array(key.utf8) }
    /// The catalog's own, which nobody else writes.
    var isCatalogs: Bool { bytes.starts(with: Resource.cachePrefix.utf8) }

    func validate() throws {
        guard (1...512).contains(key.utf8.count) else { throw ValidationError("a key has 1 to 512 bytes") }
    }

    /// For commands that write the entry.
    func validateWriting(ttl: String?) throws {
        if isCatalogs { throw ValidationError("the catalog's own entries (catalog:...) cannot be written") }
        if let ttl, (Duration(setting: ttl) ?? .zero) <= .zero { throw ValidationError("--ttl: '\(ttl)' is not a duration such as 90s") }
    }
}

extension CacheName: ExpressibleByArgument {}
