/// Commands in the protocol's form, RESP2 (redis.io/docs/reference/protocol-spec): an array of bulk strings.
public struct CommandBuffer {
    public private(set) var bytes: [UInt8] = []

    public init() { bytes.reserveCapacity(256) }

    /// How many replies are to come.
    public private(set) var count = 0

    /// Keeps its memory.
    public mutating func clear() {
        bytes.removeAll(keepingCapacity: true)
        count = 0
    }

    public mutating func begin(_ parts: Int) {
        append(UInt8(ascii: "*"), parts)
        count += 1
    }

    public mutating func part(_ part: StaticString) {
        append(UInt8(ascii: "$"), part.utf8CodeUnitCount)
        bytes.append(contentsOf: UnsafeBufferPointer(start: part.utf8Start, count: part.utf8CodeUnitCount))
        end()
    }

    public mutating func part(_ part: [UInt8]) {
        append(UInt8(ascii: "$"), part.count)
        bytes.append(contentsOf: part)
        end()
    }

    public mutating func part(_ number: Int64) { part(Array(String(number).utf8)) }

    /// A part of `count` bytes, which `write` appends.
    public mutating func part(count: Int, _ write: (inout [UInt8]) -> Void) {
        append(UInt8(ascii: "$"), count)
        write(&bytes)
        end()
    }

    public mutating func command(_ name: StaticString) {
        begin(1)
        part(name)
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
