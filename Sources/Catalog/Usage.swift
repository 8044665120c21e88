import CSystem
import Caching
import Glibc
import Platform
import Spotify
import Synchronization

// Which records are in use: whether a use is news, what is to be noted, the notes on their way into the database, and what it says of them.

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
    func isNews(_ key: [UInt8], now: MonotonicTime) -> Bool {
        guard let rows else { return true }
        let hash = FNV.hash(key)
        let word = hash & ~Self.spanBits | (now.nanoseconds / 1_000_000 / span + 1) & Self.spanBits
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

/// Keys of records that were served and whose use is not noted in the database yet: each once, and no more than there is room for. What is
/// left out is forgotten: whoever asks for so much asks again.
struct PendingUses: Sendable {
    private var keys: Set<[UInt8]> = []

    static let most = 20_000

    var isEmpty: Bool { keys.isEmpty }
    var count: Int { keys.count }

    mutating func add(_ key: [UInt8]) { if keys.count < Self.most { keys.insert(key) } }
    mutating func add(_ others: PendingUses) {
        if keys.isEmpty { keys = others.keys } else { for key in others.keys { add(key) } }
    }

    /// Takes some of them away.
    mutating func take(_ most: Int) -> [[UInt8]] {
        var taken: [[UInt8]] = []
        while taken.count < most, let key = keys.popFirst() { taken.append(key) }
        return taken
    }
}

/// What was served, on its way into the database, where it only decides what is renewed before it falls due.
///
/// Records are looked up little by little, which takes no lock, and written seldom: after each write every reading connection, in every worker,
/// reads its pages anew. Confined to the lookup thread.
struct UsageLog {
    private let caches: Caches
    private let clock: any HostClock
    private let tolerance: Duration
    private let apart: Duration
    private var pending = PendingUses()
    private var found: [RecordNumber] = []
    private var nextStep = MonotonicTime(nanoseconds: 0)
    private var nextWrite = MonotonicTime(nanoseconds: 0)

    /// Of one transaction: a few milliseconds.
    private static let writtenAtOnce = 500
    static let writePause = Duration.seconds(5)
    private static let soughtAtOnce = 10
    static let pause = Duration.milliseconds(250)

    /// - Parameters:
    ///   - tolerance: `RenewalPlan.tolerance`.
    ///   - apart: `RenewalPlan.apart`.
    init(caches: Caches, tolerance: Duration, apart: Duration, clock: any HostClock) {
        self.caches = caches
        self.tolerance = tolerance
        self.apart = apart
        self.clock = clock
    }

    mutating func add(_ uses: PendingUses) { pending.add(uses) }

    /// When `step` has something to do; nil: nothing is to be noted.
    var next: MonotonicTime? {
        if isToBeWritten { return max(nextStep, nextWrite) }
        return pending.isEmpty ? nil : nextStep
    }

    private var isToBeWritten: Bool { found.count >= Self.writtenAtOnce || pending.isEmpty && !found.isEmpty }

    /// One small piece of it, when it is time. What cannot be written is forgotten.
    mutating func step() {
        let now = clock.monotonic
        guard let next, now >= next else { return }
        if isToBeWritten {
            try? caches.touch(
                found.sorted(), at: clock.wall.milliseconds, tolerance: tolerance.wholeMilliseconds, apart: apart.wholeMilliseconds)
            found = []
            nextWrite = now + Self.writePause
        } else {
            found += (try? caches.numbers(of: pending.take(Self.soughtAtOnce))) ?? []
        }
        nextStep = now + Self.pause
    }
}

/// The objects that callers asked for in the last days; looked up in the database at most once a minute for each kind.
final class RecentlyUsed: Sendable {
    private struct List {
        var resources: [Resource]
        var readAt: MonotonicTime
    }

    private let caches: Caches
    private let clock: any HostClock
    /// The lists of the last minute; the lock is held for a load or a store.
    private let lists = Mutex<[ObjectKind: List]>([:])

    private static let mostObjects = 300
    private static let interest = Duration.seconds(7 * 86_400)
    private static let lifetime = Duration.seconds(60)

    init(caches: Caches, clock: any HostClock) {
        self.caches = caches
        self.clock = clock
    }

    func resources(of kind: ObjectKind) throws(CacheError) -> [Resource] {
        let now = clock.monotonic
        if let list = lists.withLock({ $0[kind] }), now < list.readAt + Self.lifetime { return list.resources }
        let prefix = "\(Resource.cachePrefix)\(kind.rawValue)/"
        let used = try caches.due(
            before: .max, usedSince: (clock.wall - Self.interest).milliseconds, prefix: Array(prefix.utf8), limit: Self.mostObjects)
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
