/// Commands in the protocol's form, RESP2 (redis.io/docs/reference/protocol-spec): an array of bulk strings. Only
/// commands that DragonflyDB and Redis share, and no scripts.
struct CommandBuffer {
    private(set) var bytes: [UInt8] = []

    init() { bytes.reserveCapacity(256) }

    /// How many replies are to come.
    private(set) var count = 0

    /// Keeps its memory.
    mutating func clear() {
        bytes.removeAll(keepingCapacity: true)
        count = 0
    }

    mutating func begin(_ parts: Int) {
        append(UInt8(ascii: "*"), parts)
        count += 1
    }

    mutating func part(_ part: StaticString) {
        append(UInt8(ascii: "$"), part.utf8CodeUnitCount)
        bytes.append(contentsOf: UnsafeBufferPointer(start: part.utf8Start, count: part.utf8CodeUnitCount))
        end()
    }

    mutating func part(_ part: [UInt8]) {
        append(UInt8(ascii: "$"), part.count)
        bytes.append(contentsOf: part)
        end()
    }

    mutating func part(_ number: Int64) { part(Array(String(number).utf8)) }

    mutating func part(_ key: StoreKey) {
        append(UInt8(ascii: "$"), key.prefix.count + key.key.count)
        bytes.append(contentsOf: key.prefix)
        bytes.append(contentsOf: key.key)
        end()
    }

    mutating func part(_ copy: StoredCopy) {
        append(UInt8(ascii: "$"), copy.size)
        copy.append(to: &bytes)
        end()
    }

    mutating func command(_ name: StaticString) {
        begin(1)
        part(name)
    }

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

    private mutating func append(_ mark: UInt8, _ number: Int) {
        bytes.append(mark)
        if number < 10 {
            bytes.append(UInt8(ascii: "0") + UInt8(number))
        } else {
            bytes.append(contentsOf: String(number).utf8)
        }
        end()
    }

    private mutating func end() {
        bytes.append(UInt8(ascii: "\r"))
        bytes.append(UInt8(ascii: "\n"))
    }
}

/// A key in DragonflyDB: what all of a cache's keys begin with, and the entry's own bytes.
struct StoreKey: Sendable {
    var prefix: [UInt8]
    var key: [UInt8]
}
