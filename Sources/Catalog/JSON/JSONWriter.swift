/// Writes JSON (RFC 8259): members in the order in which they are given, compact.
public struct JSONWriter {
    public private(set) var bytes: [UInt8] = []
    private var needsComma = false

    public init(reserving capacity: Int = 4096) { bytes.reserveCapacity(capacity) }

    /// Where the next value will begin, after the comma that it may need.
    var position: Int { bytes.count + (needsComma ? 1 : 0) }

    public mutating func object(_ members: (inout JSONWriter) throws -> Void) rethrows {
        separate()
        bytes.append(UInt8(ascii: "{"))
        needsComma = false
        try members(&self)
        bytes.append(UInt8(ascii: "}"))
        needsComma = true
    }

    public mutating func array(_ elements: (inout JSONWriter) throws -> Void) rethrows {
        separate()
        bytes.append(UInt8(ascii: "["))
        needsComma = false
        try elements(&self)
        bytes.append(UInt8(ascii: "]"))
        needsComma = true
    }

    public mutating func key(_ name: String) {
        string(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    public mutating func member(_ name: String, _ value: String?) {
        key(name)
        if let value { string(value) } else { null() }
    }

    public mutating func member(_ name: String, _ value: Int?) {
        key(name)
        raw(value.map { Array(String($0).utf8) } ?? Self.nullText)
    }

    public mutating func member(_ name: String, _ value: Bool) {
        key(name)
        raw(Array((value ? "true" : "false").utf8))
    }

    /// A member whose value is JSON already; null when nil.
    public mutating func member(_ name: String, raw value: (some Collection<UInt8>)?) {
        key(name)
        if let value { raw(value) } else { null() }
    }

    public mutating func null() { raw(Self.nullText) }

    /// A value that is JSON already.
    public mutating func raw(_ text: some Collection<UInt8>) {
        separate()
        bytes.append(contentsOf: text)
        needsComma = true
    }

    public mutating func string(_ text: String) {
        separate()
        Self.append(text, to: &bytes)
        needsComma = true
    }

    /// A text as a JSON string (RFC 8259, section 7).
    public static func quoted(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count + 2)
        append(text, to: &bytes)
        return bytes
    }

    private static func append(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0..<0x20: bytes += Array("\\u00".utf8) + [hexDigit(byte >> 4), hexDigit(byte & 15)]
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = false
    }

    private static let nullText = Array("null".utf8)

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}
