/// A query string's parameters, decoded (WHATWG URL, `application/x-www-form-urlencoded`).
struct Query {
    private let items: [(name: String, value: String)]
    /// A parameter had a percent sign without two hexadecimal digits, or bytes that are no UTF-8.
    let isMalformed: Bool

    init(_ text: String) {
        guard !text.isEmpty else {
            (items, isMalformed) = ([], false)
            return
        }
        var malformed = false
        items = text.split(separator: "&").map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let decoded = parts.map { part in
                Self.decode(part)
                    ?? {
                        malformed = true
                        return String(part)
                    }()
            }
            return (decoded[0], decoded.count == 2 ? decoded[1] : "")
        }
        isMalformed = malformed
    }

    /// The first value of that name.
    subscript(_ name: String) -> String? { items.first { $0.name == name }?.value }

    private static func decode(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8.makeIterator()
        while let byte = rest.next() {
            switch byte {
            case UInt8(ascii: "+"): bytes.append(0x20)
            case UInt8(ascii: "%"):
                guard let high = rest.next().flatMap(hexValue), let low = rest.next().flatMap(hexValue) else { return nil }
                bytes.append(high << 4 | low)
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func hexValue(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: digit - 0x30
        case 0x41...0x46, 0x61...0x66: (digit & 0xDF) - 0x41 + 10
        default: nil
        }
    }
}

/// Numbers as they stand in queries: digits, with a minus perhaps; nothing else that `Int` would take.
enum WholeNumber {
    static func read(_ text: String) -> Int? {
        let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
        guard (1...18).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int(text)
    }
}
