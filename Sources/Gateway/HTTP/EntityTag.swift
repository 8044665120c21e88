/// Entity tags (RFC 9110, 8.8.3) and the condition on them (13.1.2).
enum EntityTag {
    /// Appends a strong tag: 16 hexadecimal digits in quotes.
    static func write(_ tag: UInt64, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for place in 0..<UInt64(16) { bytes.append(hexDigit(UInt8(truncatingIfNeeded: tag >> (60 - 4 * place)) & 15)) }
        bytes.append(UInt8(ascii: "\""))
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    /// Whether `If-None-Match` names the tag; weak comparison.
    static func matches(_ header: String, _ tag: UInt64) -> Bool {
        var text: [UInt8] = []
        write(tag, to: &text)
        return header.split(separator: ",").contains { item in
            var candidate = item.drop { $0 == " " || $0 == "\t" }
            while candidate.last == " " || candidate.last == "\t" { candidate.removeLast() }
            if candidate == "*" { return true }
            if candidate.hasPrefix("W/") { candidate = candidate.dropFirst(2) }
            return candidate.utf8.elementsEqual(text)
        }
    }
}
