import CSystem
import Caching
import Spotify
import Synchronization

/// The objects that callers asked for in the last days; looked up in the database at most once a minute for each kind.
final class LatelyUsed: Sendable {
    private struct List {
        var resources: [Resource]
        /// CLOCK_MONOTONIC, nanoseconds.
        var readAt: UInt64
    }

    private let caches: Caches
    /// The lists of the last minute; the lock is held for a load or a store.
    private let lists = Mutex<[ObjectKind: List]>([:])

    static let mostObjects = 300
    static let days: Int64 = 7
    private static let lifetime: UInt64 = 60_000_000_000

    init(caches: Caches) { self.caches = caches }

    func resources(of kind: ObjectKind) throws(CacheError) -> [Resource] {
        let now = csys_monotonic_ns()
        if let list = lists.withLock({ $0[kind] }), now < list.readAt + Self.lifetime { return list.resources }
        let prefix = "\(Resource.cachePrefix)\(kind.rawValue)/"
        let used = try caches.due(
            before: .max, usedSince: csys_wall_ms() - Self.days * 86_400_000, prefix: Array(prefix.utf8), limit: Self.mostObjects)
        let resources = used.compactMap { Resource(cacheKey: $0.key) }
        // An empty house fills quickly: nothing is worth remembering then.
        if !resources.isEmpty { lists.withLock { $0[kind] = List(resources: resources, readAt: now) } }
        return resources
    }
}
