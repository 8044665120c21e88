import CSystem
import Platform

/// One value of a cache, with the number that orders it among all writes.
public struct Entry: Sendable, Equatable {
    public var value: [UInt8]
    /// Greater than 0; grows with every write in one `cache.db`, also after a delete.
    public var version: Int64
    /// Wall clock, milliseconds since 1970.
    public var storedAt: Int64
    /// Wall clock, milliseconds since 1970; for `spotify` when the record is due. `.max`: never.
    public var expiresAt: Int64

    public init(value: [UInt8], version: Int64, storedAt: Int64, expiresAt: Int64) {
        self.value = value
        self.version = version
        self.storedAt = storedAt
        self.expiresAt = expiresAt
    }

    var seal: Seal { Seal(version: version, storedAt: storedAt, expiresAt: expiresAt) }

    /// As it is shown: with its times by the wall clock as it is set now.
    func ending(at end: Int64) -> Entry {
        guard end != expiresAt else { return self }
        return Entry(value: value, version: version, storedAt: storedAt + (end - expiresAt), expiresAt: end)
    }
}

/// An entry and the tier that answered.
public struct Found: Sendable, Equatable {
    public var entry: Entry
    public var tier: Tier

    public init(entry: Entry, tier: Tier) {
        self.entry = entry
        self.tier = tier
    }
}

/// Keys of a cache in the order of their bytes.
public struct KeyPage: Sendable, Equatable {
    public struct Key: Sendable, Equatable {
        public var key: [UInt8]
        /// Wall clock, milliseconds since 1970; `.max`: never. Of `spotify` it may have passed: the record is due.
        public var expiresAt: Int64
    }

    public var keys: [Key] = []
    /// What the next page comes after; nil: there is none. A page may have fewer keys than were asked for, and a next one.
    public var next: [UInt8]?
}

/// What identifies a write without its bytes: a copy is the row's when their seals are equal.
struct Seal: Sendable, Equatable {
    var version: Int64
    var storedAt: Int64
    var expiresAt: Int64
}

/// The four caches. Their names are part of `/cache/{name}/{key}` and of the keys in DragonflyDB.
public enum CacheName: String, CaseIterable, Sendable {
    /// Spotify's answers: kept for good, due for renewal when their time has passed.
    case spotify
    case session
    case user
    case temp

    /// The number in `cache.db`. Never reuse one.
    var number: Int64 {
        switch self {
        case .spotify: 0
        case .session: 1
        case .user: 2
        case .temp: 3
        }
    }

    /// Whether rows outlive their time, and are only due (to be renewed, served stale meanwhile).
    var keepsDueRows: Bool { self == .spotify }
}

/// Where an entry was found; the `detail` of `Cache-Status` (RFC 9211).
public enum Tier: String, Sendable, CaseIterable {
    case memory
    case dragonfly
    case sqlite
}

/// The numbers that order all writes of one `cache.db`.
///
/// A version is the wall clock in milliseconds shifted by 20 bits, with random bits below it, or one more than the last
/// when that is greater. So it grows with every write whatever the clock does, and a file that was restored from a
/// backup, or lost its last commits to a power cut (`synchronous=NORMAL`), does not hand out a number again whose copy may
/// still be in DragonflyDB.
enum EntryVersion {
    private static let randomBits: Int64 = 20

    static func next(after last: Int64, now: Int64, random: UInt32) -> Int64 {
        let clocked = min(max(now, 0), 1 << 42) << randomBits | Int64(random) & ((1 << randomBits) - 1)
        return max(last + 1, clocked)
    }

    /// The instant a version was given out, in wall-clock milliseconds (later than that when the clock was set back).
    static func instant(of version: Int64) -> Int64 { version >> randomBits }
}

/// How keys are grouped: a key's namespace is what stands before its first `/`, and empty when it has none.
enum Namespace {
    static let separator = UInt8(ascii: "/")

    static func of(_ key: [UInt8]) -> [UInt8] {
        guard let end = key.firstIndex(of: separator) else { return [] }
        return Array(key[..<end])
    }

    /// The namespace that holds exactly the keys with this prefix, when there is one.
    static func named(by prefix: [UInt8]) -> [UInt8]? {
        guard let first = prefix.firstIndex(of: separator), first == prefix.count - 1 else { return nil }
        return Array(prefix[..<first])
    }

    /// In SQL: whether the counts of a column's prefix are kept, of the empty one and of one that ends in its first `/`.
    static func isCounted(_ column: String) -> String { "instr(\(column), x'2F') = length(\(column))" }

    /// The least key that is greater than every key with this prefix; nil when there is none.
    static func end(of prefix: [UInt8]) -> [UInt8]? {
        var end = prefix
        while let last = end.popLast() {
            if last < 0xFF { return end + [last + 1] }
        }
        return nil
    }
}

/// Which row of which `cache.db` a record of `spotify` is.
public struct RecordNumber: Sendable, Hashable, Comparable {
    let row: Int64
    /// The file's own number: a row of a file that was replaced since says nothing.
    let epoch: Int64

    public static func < (one: Self, other: Self) -> Bool { one.row < other.row }
}

/// Why a cache could not do what it was asked to. DragonflyDB is never a reason: without it the caches are only slower.
public enum CacheError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The disk is full, the folder read-only, or another process held the write lock for too long.
    case cannotWrite(String)
    case cannotRead(String)
    /// A key over 512 bytes or a value over 1 MiB.
    case tooLarge
    /// `onlyIfVersion` named another version than the row's (nil: there is no row).
    case versionChanged(current: Int64?)
    /// What is to be added to is none, in digits, or the sum has more than 64 bits.
    case notAWholeNumber
    /// A newer release has written this `cache.db`.
    case newerSchema(found: Int, known: Int)

    public var description: String {
        switch self {
        case .cannotWrite(let reason): "the cache cannot be written: \(reason)"
        case .cannotRead(let reason): "the cache cannot be read: \(reason)"
        case .tooLarge: "a key has at most \(EntryLimits.keyBytes) bytes and a value at most \(EntryLimits.valueBytes)"
        case .versionChanged(let current): "the entry has changed (now \(current.map(String.init) ?? "absent"))"
        case .notAWholeNumber: "the entry is not a whole number, or its sum would have more than 64 bits"
        case .newerSchema(let found, let known):
            "cache.db has schema \(found), this release knows \(known): a newer release has written it"
        }
    }
}

/// What a cache takes.
public enum EntryLimits {
    public static let keyBytes = 512
    /// What Spotify answers may have 8 MiB, and a playlist is kept under two names.
    public static let valueBytes = 17 << 20

    static func check(key: [UInt8], value: [UInt8] = []) throws(CacheError) {
        guard key.count <= keyBytes, value.count <= valueBytes else { throw .tooLarge }
    }
}

extension HostClock {
    /// The wall clock as entries keep it, milliseconds since 1970.
    var now: Int64 { wall.milliseconds }
}

/// A quick 64-bit hash of bytes, the same in every process that has the seed: for shards, for the shared page, and to tell copies apart.
/// Not for anything that must not be guessed; a collision of keys in memory costs a look into the tier below.
enum KeyHash {
    static func hash(_ key: [UInt8], seed: UInt64) -> UInt64 { key.withUnsafeBytes { hash($0, seed: seed) } }

    static func hash(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
        var state = seed ^ UInt64(bytes.count) &* 0x9E37_79B9_7F4A_7C15
        var offset = 0
        while offset + 8 <= bytes.count {
            state = mix(state ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        var rest: UInt64 = 0
        while offset < bytes.count {
            rest = rest << 8 | UInt64(bytes[offset])
            offset += 1
        }
        return mix(state ^ rest)
    }

    /// The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
    static func mix(_ value: UInt64) -> UInt64 {
        var z = value &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// The same for many bytes: words of eight go through four lanes, so that the processor works on four at once.
    static func checksum(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
        let blocks = bytes.count / 64
        let begin = csys_lanes(a: seed, b: seed ^ 0x9E37_79B9_7F4A_7C15, c: ~seed, d: seed &+ 0xD1B5_4A32_D192_ED03)
        let lanes = csys_sum_blocks(bytes.baseAddress, UInt64(blocks), begin)
        let state = mix(mix(mix(mix(lanes.a) ^ lanes.b) ^ lanes.c) ^ lanes.d) ^ UInt64(bytes.count)
        return hash(UnsafeRawBufferPointer(rebasing: bytes[(64 * blocks)...]), seed: state)
    }
}
