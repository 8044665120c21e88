/// Whether bytes are one complete JSON object or array (RFC 8259) in valid UTF-8. It builds nothing: records are stored as they came.
struct JSONText {
    /// Deeper than any answer of Spotify's, shallow enough for every parser that reads it later.
    static let deepest = 128

    static func isComplete(_ bytes: [UInt8]) -> Bool {
        guard String(validating: bytes, as: UTF8.self) != nil else { return false }
        return bytes.withUnsafeBufferPointer { buffer in
            var text = JSONText(bytes: buffer)
            return text.container()
        }
    }

    private let bytes: UnsafeBufferPointer<UInt8>
    private var at = 0
    /// The containers that are open, outermost first: true for an object.
    private var open: [Bool] = []

    private init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    /// The whole text: a container, and nothing after it.
    private mutating func container() -> Bool {
        skipSpace()
        guard peek == UInt8(ascii: "{") || peek == UInt8(ascii: "["), opening() else { return false }
        while !open.isEmpty {
            guard open.count <= Self.deepest, element() else { return false }
        }
        skipSpace()
        return at == bytes.count
    }

    private var peek: UInt8? { at < bytes.count ? bytes[at] : nil }

    /// One value inside the innermost container, then the commas and brackets that follow it.
    private mutating func element() -> Bool {
        guard let isObject = open.last, !isObject || name() else { return false }
        skipSpace()
        switch peek {
        case UInt8(ascii: "{"), UInt8(ascii: "["): return opening()
        case UInt8(ascii: "\""): return string() && closings()
        case UInt8(ascii: "t"): return word("true") && closings()
        case UInt8(ascii: "f"): return word("false") && closings()
        case UInt8(ascii: "n"): return word("null") && closings()
        default: return number() && closings()
        }
    }

    /// An opening bracket; an empty container is closed at once.
    private mutating func opening() -> Bool {
        let isObject = peek == UInt8(ascii: "{")
        at += 1
        open.append(isObject)
        skipSpace()
        guard peek == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else { return true }
        return closings()
    }

    /// What may follow a value: a comma, or closing brackets up to one.
    private mutating func closings() -> Bool {
        while let isObject = open.last {
            skipSpace()
            if take(UInt8(ascii: ",")) { return true }
            guard take(isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else { return false }
            open.removeLast()
        }
        return true
    }

    private mutating func name() -> Bool {
        skipSpace()
        guard string() else { return false }
        skipSpace()
        return take(UInt8(ascii: ":"))
    }

    private mutating func string() -> Bool {
        guard take(UInt8(ascii: "\"")) else { return false }
        while let byte = peek {
            at += 1
            if byte == UInt8(ascii: "\"") { return true }
            if byte < 0x20 { return false }
            if byte == UInt8(ascii: "\\"), !escape() { return false }
        }
        return false
    }

    private mutating func escape() -> Bool {
        guard let kind = peek else { return false }
        at += 1
        if kind != UInt8(ascii: "u") { return #""\/bfnrt"#.utf8.contains(kind) }
        for _ in 0..<4 {
            guard let digit = peek, "0123456789abcdefABCDEF".utf8.contains(digit) else { return false }
            at += 1
        }
        return true
    }

    private mutating func number() -> Bool {
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")), !digits() { return false }
        if take(UInt8(ascii: ".")), !digits() { return false }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            return digits()
        }
        return true
    }

    private mutating func digits() -> Bool {
        let start = at
        while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { at += 1 }
        return at > start
    }

    private mutating func word(_ word: String) -> Bool {
        for byte in word.utf8 where !take(byte) { return false }
        return true
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        at += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || (0x09...0x0a).contains(byte) || byte == 0x0d { at += 1 }
    }
}
