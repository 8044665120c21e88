import Caching
import CSystem
import Glibc
import Spotify
import Synchronization

/// The records whose use was noted a short while ago: what is in steady use then costs a look at one word and not a note each time.
///
/// One word a record, told by its key's hash: one of the eight in the row, a cache line, that the hash chooses. A key that was pushed out of its
/// row only costs a note more.
///
/// `@unchecked Sendable`: the words are touched with atomic operations only.
final class UsageFilter: @unchecked Sendable {
    /// Zeroed memory of which only what is touched takes room.
    private let memory: UnsafeMutableRawPointer?
    private let rows: UnsafeMutableRawPointer?
    private let span: UInt64

    private static let rowBytes = 64
    private static let rowCount: UInt64 = 1 << 13
    private static let spanBits: UInt64 = 0xFF_FFFF

    /// - Parameter ttl: `SPOTIFY_CACHE_TTL`. A use is noted again after a 24th of it: `RenewalPlan` looks back over two of it.
    init(ttl: Duration) {
        span = max(1, UInt64(clamping: ttl.wholeMilliseconds) / 24)
        memory = calloc(Int(Self.rowCount) + 1, Self.rowBytes)
        rows = memory?.alignedUp(toMultipleOf: Self.rowBytes)
    }

    deinit { free(memory) }

    /// Whether the use of a record has to be noted, which counts as done then.
    /// - Parameter now: CLOCK_MONOTONIC, nanoseconds.
    func isNews(_ key: [UInt8], now: UInt64) -> Bool {
        guard let rows else { return true }
        let hash = FNV.hash(key)
        let word = hash & ~Self.spanBits | (now / 1_000_000 / span + 1) & Self.spanBits
        let row = rows + Int(hash & (Self.rowCount - 1)) * Self.rowBytes
        // Where the record stood, or else what was noted longest ago goes.
        var place = row
        var oldest = UInt64.max
        for next in stride(from: row, to: row + Self.rowBytes, by: 8) {
            let held = csys_load64(next)
            if held == word { return false }
            let age = (held ^ word) & ~Self.spanBits == 0 ? 0 : held & Self.spanBits
            if age < oldest { (place, oldest) = (next, age) }
        }
        if oldest == word & Self.spanBits { place = row + Int(hash >> 61) * 8 }
        csys_store64(place, word)
        return true
    }
}

/// The objects that callers asked for in the last days; looked up in the database at most once a minute for each kind.
final class RecentlyUsed: Sendable {
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

/// The 64-bit FNV-1a hash (draft-eastlake-fnv): for tags, where nobody gains by a collision.
enum FNV {
    static func hash(_ bytes: some Sequence<UInt8>, from basis: UInt64 = 0xCBF2_9CE4_8422_2325) -> UInt64 {
        var hash = basis
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return hash
    }
}
