/// Entity tags (RFC 9110, 8.8.3) and the condition on them (13.1.2).
enum EntityTag {
    /// A strong tag: 16 hexadecimal digits in quotes.
    static func text(_ tag: UInt64) -> [UInt8] {
        var bytes = [UInt8](repeating: UInt8(ascii: "\""), count: 18)
        for place in 0..<16 {
            bytes[1 + place] = hexDigit(UInt8(truncatingIfNeeded: tag >> (60 - 4 * UInt64(place))) & 15)
        }
        return bytes
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    /// Whether `If-None-Match` names the tag; weak comparison.
    static func matches(_ header: String, _ tag: [UInt8]) -> Bool {
        header.split(separator: ",").contains { item in
            var candidate = item.drop { $0 == " " || $0 == "\t" }
            while candidate.last == " " || candidate.last == "\t" { candidate.removeLast() }
            if candidate == "*" { return true }
            if candidate.hasPrefix("W/") { candidate = candidate.dropFirst(2) }
            return candidate.utf8.elementsEqual(tag)
        }
    }
}
