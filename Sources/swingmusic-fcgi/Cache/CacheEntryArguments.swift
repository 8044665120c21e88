import ArgumentParser
import Caching
import Catalog

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

extension CacheName: ExpressibleByArgument {}
