import CSystem
import Glibc
import Platform
import Synchronization

/// The few megabytes of this worker's memory that hold `spotify`'s entries for a few seconds. Bounded by bytes; the
/// oldest go first. What is asked for once in those seconds stays out: it would only push out what is asked for often.
///
/// An entry is served while nobody, in any worker, has written a key that shares its mark since before it was read from
/// below (`SharedState`), and while its seconds last.
final class MemoryStore: Sendable {
    struct Key: Hashable {
        let bytes: [UInt8]
        let hash: UInt64

        static func == (one: Self, other: Self) -> Bool { one.hash == other.hash && one.bytes == other.bytes }
        func hash(into hasher: inout Hasher) { hasher.combine(hash) }
    }

    private struct Held {
        var entry: Entry
        var invalidations: UInt32
        var until: MonotonicTime
        var number: UInt64
    }

    private struct Shard {
        var held: [Key: Held] = [:]
        /// In the order they were put, so in the order in which their time ends; overwritten ones have an old number.
        var order: [(key: Key, number: UInt64)] = []
        var first = 0
        var bytes = 0
        var numbers: UInt64 = 0
    }

    private let shards: [ShardBox]
    private final class ShardBox: Sendable {
        /// Guards one sixteenth of the keys, for the length of a dictionary lookup.
        let shard = Mutex(Shard())
    }

    private let asked: AdmissionFilter
    private let bytesPerShard: Int
    private let lifetime: Duration
    private let shared: SharedState
    private static let overhead = 200

    init(bytes: Int, lifetime: Duration, shared: SharedState) {
        bytesPerShard = bytes / 16
        self.lifetime = lifetime
        asked = AdmissionFilter(span: lifetime)
        self.shared = shared
        shards = (0..<16).map { _ in ShardBox() }
    }

    private var isUsed: Bool { lifetime > .zero && bytesPerShard > 0 }

    func key(_ bytes: [UInt8]) -> Key { Key(bytes: bytes, hash: KeyHash.hash(bytes, seed: shared.seed)) }

    func find(_ key: Key, now: MonotonicTime) -> Entry? {
        let invalidations = shared.invalidations(key.hash)
        return box(key).shard.withLock { shard in
            guard let held = shard.held[key], held.invalidations == invalidations, now < held.until else { return nil }
            return held.entry
        }
    }

    /// Keeps the entry when its key was asked for twice lately.
    func offer(_ key: Key, _ entry: Entry, invalidations: UInt32, now: MonotonicTime) {
        if isUsed, asked.isRepeated(key.hash, now: now) { put(key, entry, invalidations: invalidations, now: now) }
    }

    /// `invalidations` as it stood before the entry was read from below: a write since then makes the entry worthless here.
    func put(_ key: Key, _ entry: Entry, invalidations: UInt32, now: MonotonicTime) {
        let cost = Self.cost(key, entry)
        guard isUsed, cost <= bytesPerShard / 4 else { return }
        box(key).shard.withLock { shard in
            if let old = shard.held[key], old.invalidations == invalidations, old.entry.version > entry.version { return }
            shard.numbers += 1
            let held = Held(entry: entry, invalidations: invalidations, until: now + lifetime, number: shard.numbers)
            if let old = shard.held.updateValue(held, forKey: key) { shard.bytes -= Self.cost(key, old.entry) }
            shard.order.append((key, shard.numbers))
            shard.bytes += cost
            Self.evict(&shard, over: bytesPerShard, now: now)
        }
    }

    func remove(_ key: Key) {
        box(key).shard.withLock { shard in
            if let old = shard.held.removeValue(forKey: key) { shard.bytes -= Self.cost(key, old.entry) }
        }
    }

    func clear(prefix: [UInt8]) {
        for box in shards {
            box.shard.withLock { shard in
                for (key, held) in shard.held where key.bytes.starts(with: prefix) {
                    shard.held[key] = nil
                    shard.bytes -= Self.cost(key, held.entry)
                }
            }
        }
    }

    func count(prefix: [UInt8]) -> Int {
        shards.reduce(0) { sum, box in
            sum + box.shard.withLock { shard in shard.held.keys.count { $0.bytes.starts(with: prefix) } }
        }
    }

    /// Lets go of what has had its time; about once a second, so that an idle worker holds nothing.
    func purge(now: MonotonicTime) {
        for box in shards { box.shard.withLock { Self.evict(&$0, over: bytesPerShard, now: now) } }
    }

    var bytes: Int { shards.reduce(0) { sum, box in sum + box.shard.withLock { $0.bytes } } }
    var count: Int { shards.reduce(0) { sum, box in sum + box.shard.withLock { $0.held.count } } }

    private func box(_ key: Key) -> ShardBox { shards[Int(key.hash >> 60)] }

    private static func cost(_ key: Key, _ entry: Entry) -> Int { key.bytes.count + entry.value.count + overhead }

    private static func evict(_ shard: inout Shard, over bound: Int, now: MonotonicTime) {
        while shard.first < shard.order.count {
            let (key, number) = shard.order[shard.first]
            if let held = shard.held[key], held.number == number {
                guard shard.bytes > bound || held.until <= now else { break }
                shard.held[key] = nil
                shard.bytes -= cost(key, held.entry)
            }
            shard.first += 1
        }
        if shard.first > 64, shard.first * 2 > shard.order.count {
            shard.order.removeFirst(shard.first)
            shard.first = 0
        }
    }
}

/// Which keys were asked for in the last seconds: the doorkeeper of TinyLFU (Einziger, Friedman, Manes 2017), one word a place.
/// Two keys at one place may hide each other; that costs a look into the tier below.
///
/// `@unchecked Sendable`: the words are touched with atomic operations only.
final class AdmissionFilter: @unchecked Sendable {
    /// Zeroed memory of which only what is touched takes room.
    private let words: UnsafeMutableRawPointer?
    /// Nanoseconds.
    private let span: UInt64

    private static let places: UInt64 = 1 << 14
    private static let spanBits: UInt64 = 0xFFFF

    /// - Parameter span: a key is remembered for one to two of it.
    init(span: Duration) {
        self.span = UInt64(max(1, span.wholeNanoseconds))
        words = calloc(Int(Self.places), 8)
    }

    deinit { free(words) }

    /// Notes a key, and says whether it had been noted lately.
    func isRepeated(_ hash: UInt64, now: MonotonicTime) -> Bool {
        guard let words else { return true }
        let place = words + Int((hash >> 16 & (Self.places - 1)) * 8)
        let period = (now.nanoseconds / span + 1) & Self.spanBits
        let word = csys_load64(place)
        csys_store64(place, hash & ~Self.spanBits | period)
        let isSameKey = word & ~Self.spanBits == hash & ~Self.spanBits
        return isSameKey && (word & Self.spanBits == period || word & Self.spanBits == (period &- 1) & Self.spanBits)
    }
}
