import CLibHiredis
import RESP

/// What DragonflyDB keeps under a key: an entry, the key and the `cache.db` it is of, and the copy epoch in which it was known to be the
/// record's. A header of 64 bytes, little-endian, and the value:
///
///     "SFC2"  length of the value (UInt32)  epoch  version  storedAt  expiresAt  copy epoch (Int64 each)
///     hash of cache and key  checksum of all that (UInt64 each)
///
/// The checksum tells a copy that was cut or changed on its way, the hash one that was made under another key. Neither is a signature: who can
/// write the store can make both.
struct StoredCopy: Sendable, Equatable {
    var entry: Entry
    var epoch: Int64
    var copyEpoch: UInt64
    /// `hash(of:in:)` of what it was made for.
    var key: UInt64

    static let headerBytes = 64
    private static let magic: UInt32 = 0x3243_4653

    static func hash(of key: [UInt8], in cache: CacheName) -> UInt64 {
        KeyHash.hash(key, seed: UInt64(cache.number))
    }

    /// nil for whatever is not such a copy: another program's value, a cut or changed one.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard let head = Head(bytes), bytes.count == Self.headerBytes + head.length, head.checksum == Self.checksum(bytes) else {
            return nil
        }
        let value = [UInt8](UnsafeRawBufferPointer(rebasing: bytes[Self.headerBytes...]))
        entry = Entry(
            value: value, version: head.seal.version, storedAt: head.seal.storedAt, expiresAt: head.seal.expiresAt)
        (epoch, copyEpoch, key) = (head.epoch, head.copyEpoch, head.key)
    }

    init(entry: Entry, epoch: Int64, copyEpoch: UInt64, key: UInt64) {
        self.entry = entry
        self.epoch = epoch
        self.copyEpoch = copyEpoch
        self.key = key
    }

    /// Of a whole copy, but for the checksum's own place.
    private static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        let head = KeyHash.hash(UnsafeRawBufferPointer(rebasing: bytes[..<(headerBytes - 8)]), seed: 0)
        return KeyHash.checksum(UnsafeRawBufferPointer(rebasing: bytes[headerBytes...]), seed: head)
    }

    /// The header alone: which copy lies there is known without its value.
    struct Head: Equatable {
        var length: Int
        var epoch: Int64
        var seal: Seal
        var copyEpoch: UInt64
        var key: UInt64
        fileprivate var checksum: UInt64

        init?(_ bytes: UnsafeRawBufferPointer) {
            guard bytes.count >= headerBytes, Self.number(bytes, 0, as: UInt32.self) == magic else { return nil }
            length = Int(Self.number(bytes, 4, as: UInt32.self))
            epoch = Self.number(bytes, 8, as: Int64.self)
            seal = Seal(
                version: Self.number(bytes, 16, as: Int64.self), storedAt: Self.number(bytes, 24, as: Int64.self),
                expiresAt: Self.number(bytes, 32, as: Int64.self))
            copyEpoch = Self.number(bytes, 40, as: UInt64.self)
            key = Self.number(bytes, 48, as: UInt64.self)
            checksum = Self.number(bytes, 56, as: UInt64.self)
        }

        private static func number<Number: FixedWidthInteger>(
            _ bytes: UnsafeRawBufferPointer, _ offset: Int, as: Number.Type
        ) -> Number {
            Number(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Number.self))
        }
    }

    func append(to bytes: inout [UInt8]) {
        func append<Number: FixedWidthInteger>(_ number: Number) {
            withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
        }
        let start = bytes.count
        append(Self.magic)
        append(UInt32(entry.value.count))
        append(epoch)
        append(entry.version)
        append(entry.storedAt)
        append(entry.expiresAt)
        append(copyEpoch)
        append(key)
        append(UInt64.zero)
        bytes.append(contentsOf: entry.value)
        bytes.withUnsafeMutableBytes { all in
            let checksum = Self.checksum(UnsafeRawBufferPointer(rebasing: all[start...]))
            all.storeBytes(of: checksum.littleEndian, toByteOffset: start + Self.headerBytes - 8, as: UInt64.self)
        }
    }

    var size: Int { Self.headerBytes + entry.value.count }
}

/// A reply to a GET, read where hiredis has it: straight from its buffer into the copy, without a `redisReply` between them.
final class StoredCopyReply {
    enum Content {
        case copy(StoredCopy)
        /// A value of another kind or shape, which is as good as none.
        case foreign
        case error(String)
    }

    let content: Content

    private init(_ content: Content) { self.content = content }

    /// nil in place of a reply means that there is no value.
    static func take(_ object: UnsafeMutableRawPointer) -> Content? {
        if let kind = kind(object) { return kind == REDIS_REPLY_NIL ? nil : .foreign }
        return Unmanaged<StoredCopyReply>.fromOpaque(object).takeRetainedValue().content
    }

    /// Where no function makes an object, hiredis hands out its kind as a pointer (read.c, processLineItem).
    private static func kind(_ object: UnsafeMutableRawPointer) -> CInt? {
        let bits = Int(bitPattern: object)
        return bits < 64 ? CInt(bits) : nil
    }

    /// What hiredis is to make of replies (read.h, redisReplyObjectFunctions).
    ///
    /// `nonisolated(unsafe)`: written once, here, and only read after that.
    nonisolated(unsafe) static let functions: UnsafeMutablePointer<redisReplyObjectFunctions> = {
        let functions = UnsafeMutablePointer<redisReplyObjectFunctions>.allocate(capacity: 1)
        functions.initialize(to: redisReplyObjectFunctions())
        functions.pointee.createString = { task, text, length in
            let bytes = UnsafeRawBufferPointer(start: text, count: Int(length))
            let content: Content =
                switch task?.pointee.type {
                case REDIS_REPLY_ERROR: .error(String(decoding: bytes, as: UTF8.self))
                case REDIS_REPLY_STRING: StoredCopy(bytes).map { .copy($0) } ?? .foreign
                default: .foreign
                }
            return Unmanaged.passRetained(StoredCopyReply(content)).toOpaque()
        }
        functions.pointee.freeObject = { object in
            guard let object, StoredCopyReply.kind(object) == nil else { return }
            Unmanaged<StoredCopyReply>.fromOpaque(object).release()
        }
        return functions
    }()
}

/// What lies under a key, and the copy epoch that held after the connection was taken and before the store was asked. (An
/// copy epoch from before could be that of an earlier life of the store, whose snapshot the connection may now show.)
struct LookupResult {
    private(set) var copy: StoredCopy?
    let copyEpoch: UInt64
    /// Something lies there that is no copy of what was asked for: of another key, cut, changed, or not ours.
    private(set) var isWrong: Bool

    init(copy: StoredCopy?, copyEpoch: UInt64, isWrong: Bool = false) {
        (self.copy, self.copyEpoch, self.isWrong) = (copy, copyEpoch, isWrong)
    }

    /// Lets go of a copy that was made for another key. (`COPY` and `RENAME` do that, and a proxy that mixes up its answers.)
    mutating func expect(_ key: [UInt8], in cache: CacheName) {
        guard let found = copy?.key, found != StoredCopy.hash(of: key, in: cache) else { return }
        (copy, isWrong) = (nil, true)
    }
}

/// Commands of copies. DragonflyDB and Redis share them, and no script is among them.
extension CommandBuffer {
    mutating func part(_ key: StoreKey) {
        part(count: key.prefix.count + key.key.count) { bytes in
            bytes.append(contentsOf: key.prefix)
            bytes.append(contentsOf: key.key)
        }
    }

    mutating func part(_ copy: StoredCopy) { part(count: copy.size) { copy.append(to: &$0) } }

    mutating func command(_ name: StaticString, _ key: StoreKey) {
        begin(2)
        part(name)
        part(key)
    }

    mutating func set(_ key: StoreKey, _ copy: StoredCopy, milliseconds: Int64) {
        begin(5)
        part("SET")
        part(key)
        part(copy)
        part("PX")
        part(milliseconds)
    }
}

/// A key in DragonflyDB: what all of a cache's keys begin with, and the entry's own bytes.
struct StoreKey: Sendable {
    var prefix: [UInt8]
    var key: [UInt8]
}
