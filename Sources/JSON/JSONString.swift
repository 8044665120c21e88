/// Strings between their bytes in a JSON text and what they say (RFC 8259, section 7).
enum JSONString {
    /// The text of a string's inside, which the scanner has found right. Halves of surrogate pairs become U+FFFD.
    static func text(_ inside: UnsafeBufferPointer<UInt8>, hasEscapes: Bool) -> String {
        guard hasEscapes else { return String(decoding: inside, as: UTF8.self) }
        return String(unsafeUninitializedCapacity: inside.count) { output in
            var filled = 0
            var at = 0
            while at < inside.count {
                let byte = inside[at]
                at += 1
                guard byte == UInt8(ascii: "\\") else {
                    output[filled] = byte
                    filled += 1
                    continue
                }
                // An escape is never shorter than what it stands for: two bytes for one, six for at most three, twelve for four.
                for unit in Unicode.UTF8.encode(scalar(inside, &at)) ?? Unicode.UTF8.encodedReplacementCharacter {
                    output[filled] = unit
                    filled += 1
                }
            }
            return filled
        }
    }

    /// Whether a string's inside says `name`; without an allocation where it has no escapes.
    static func isText(_ inside: UnsafeBufferPointer<UInt8>, hasEscapes: Bool, _ name: String) -> Bool {
        hasEscapes ? text(inside, hasEscapes: true).utf8.elementsEqual(name.utf8) : inside.elementsEqual(name.utf8)
    }

    /// What follows a backslash.
    private static func scalar(_ inside: UnsafeBufferPointer<UInt8>, _ at: inout Int) -> Unicode.Scalar {
        let letter = inside[at]
        at += 1
        switch letter {
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): break
        default: return Unicode.Scalar(letter)
        }
        let first = unit(inside, &at)
        if let scalar = Unicode.Scalar(first) { return scalar }
        // Beyond the basic plane a character is written as two surrogates, the high one first.
        guard first < 0xDC00, at + 6 <= inside.count, inside[at] == UInt8(ascii: "\\"), inside[at + 1] == UInt8(ascii: "u") else {
            return "\u{FFFD}"
        }
        var after = at + 2
        let second = unit(inside, &after)
        guard second & 0xFC00 == 0xDC00, let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)) else {
            return "\u{FFFD}"
        }
        at = after
        return scalar
    }

    private static func unit(_ inside: UnsafeBufferPointer<UInt8>, _ at: inout Int) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            value = value << 4 | UInt32(hexValue(inside[at]) ?? 0)
            at += 1
        }
        return value
    }

    static func hexValue(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: digit - 0x30
        case 0x41...0x46, 0x61...0x66: (digit & 0xDF) - 0x41 + 10
        default: nil
        }
    }
}

/// UTF-8 as RFC 3629, section 4, has it: no overlong forms, no surrogates, nothing above U+10FFFF.
enum UTF8Check {
    /// The length of the character that begins there, 2 to 4; nil for what is none. For bytes above 0x7f.
    static func length(of bytes: UnsafeBufferPointer<UInt8>, at start: Int) -> Int? {
        let lead = bytes[start]
        let (length, second): (Int, ClosedRange<UInt8>) =
            switch lead {
            case 0xC2...0xDF: (2, 0x80...0xBF)
            case 0xE0: (3, 0xA0...0xBF)
            case 0xED: (3, 0x80...0x9F)
            case 0xE1...0xEF: (3, 0x80...0xBF)
            case 0xF0: (4, 0x90...0xBF)
            case 0xF1...0xF3: (4, 0x80...0xBF)
            case 0xF4: (4, 0x80...0x8F)
            default: (0, 0...0)
            }
        guard length > 0, start + length <= bytes.count, second.contains(bytes[start + 1]) else { return nil }
        for place in (start + 2)..<max(start + length, start + 2) where bytes[place] & 0xC0 != 0x80 { return nil }
        return length
    }

    /// The first byte that belongs to no character; nil when all do.
    static func firstFault(in bytes: UnsafeBufferPointer<UInt8>) -> Int? {
        var at = 0
        while at < bytes.count {
            if bytes[at] < 0x80 {
                at += 1
            } else if let length = length(of: bytes, at: at) {
                at += length
            } else {
                return at
            }
        }
        return nil
    }
}
