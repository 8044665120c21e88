import ArgumentParser
import Caching
import Catalog

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
            """,
        subcommands: [CacheGet.self, CacheSet.self, CacheDelete.self, CacheClear.self])
}

extension CacheName: ExpressibleByArgument {}

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
}
