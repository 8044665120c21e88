/// Reads a JSON text into nodes by recursive descent.
struct JSONParser {
    private let bytes: [UInt8]
    private var at = 0
    private static let deepest = 64

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func parseDocument() -> JSONNode? {
        guard let root = parseValue(depth: 0) else { return nil }
        skipSpace()
        return at == bytes.count ? root : nil
    }

    private mutating func parseValue(depth: Int) -> JSONNode? {
        skipSpace()
        guard at < bytes.count, depth <= Self.deepest else { return nil }
        let start = at
        let kind: JSONNode.Kind? =
            switch bytes[at] {
            case UInt8(ascii: "{"): parseObject(depth)
            case UInt8(ascii: "["): parseArray(depth)
            case UInt8(ascii: "\""): skipString() ? .string : nil
            case UInt8(ascii: "t"): skip("true") ? .bool(true) : nil
            case UInt8(ascii: "f"): skip("false") ? .bool(false) : nil
            case UInt8(ascii: "n"): skip("null") ? .null : nil
            default: skipNumber() ? .number : nil
            }
        return kind.map { JSONNode(range: start..<at, kind: $0) }
    }

    private mutating func parseObject(_ depth: Int) -> JSONNode.Kind? {
        var members: [(key: String, value: JSONNode)] = []
        at += 1
        if skipByte("}") { return .object([]) }
        repeat {
            skipSpace()
            let start = at
            guard at < bytes.count, bytes[at] == UInt8(ascii: "\""), skipString(),
                let key = Self.unescape(bytes[(start + 1)..<(at - 1)]), skipByte(":"), let value = parseValue(depth: depth + 1)
            else { return nil }
            members.append((key, value))
        } while skipByte(",")
        return skipByte("}") ? .object(members) : nil
    }

    private mutating func parseArray(_ depth: Int) -> JSONNode.Kind? {
        var elements: [JSONNode] = []
        at += 1
        if skipByte("]") { return .array([]) }
        repeat {
            guard let value = parseValue(depth: depth + 1) else { return nil }
            elements.append(value)
        } while skipByte(",")
        return skipByte("]") ? .array(elements) : nil
    }

    private mutating func skipString() -> Bool {
        at += 1
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "\""):
                at += 1
                return true
            case UInt8(ascii: "\\"): at += 2
            case 0..<0x20: return false
            default: at += 1
            }
        }
        return false
    }

    private mutating func skipNumber() -> Bool {
        let start = at
        if at < bytes.count, bytes[at] == UInt8(ascii: "-") { at += 1 }
        guard skipDigits() else { return false }
        if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
            at += 1
            guard skipDigits() else { return false }
        }
        if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            if at < bytes.count, bytes[at] == UInt8(ascii: "+") || bytes[at] == UInt8(ascii: "-") { at += 1 }
            guard skipDigits() else { return false }
        }
        return at > start
    }

    private mutating func skipDigits() -> Bool {
        let start = at
        while at < bytes.count, (0x30...0x39).contains(bytes[at]) { at += 1 }
        return at > start
    }

    private mutating func skip(_ word: StaticString) -> Bool {
        let length = word.utf8CodeUnitCount
        guard at + length <= bytes.count else { return false }
        for place in 0..<length where bytes[at + place] != word.utf8Start[place] { return false }
        at += length
        return true
    }

    private mutating func skipByte(_ byte: Unicode.Scalar) -> Bool {
        skipSpace()
        guard at < bytes.count, bytes[at] == UInt8(ascii: byte) else { return false }
        at += 1
        return true
    }

    private mutating func skipSpace() {
        while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x0A || bytes[at] == 0x0D || bytes[at] == 0x09 { at += 1 }
    }

    /// The text of a string's inside; nil for a bad escape or bytes that are no UTF-8. Lone surrogates become U+FFFD.
    static func unescape(_ inside: ArraySlice<UInt8>) -> String? {
        guard inside.contains(UInt8(ascii: "\\")) else { return String(validating: inside, as: UTF8.self) }
        var units: [UInt16] = []
        var rest = inside
        while let byte = rest.first {
            if byte == UInt8(ascii: "\\") {
                rest = rest.dropFirst()
                guard let unit = takeEscape(&rest) else { return nil }
                units.append(unit)
            } else {
                let run = rest.prefix { $0 != UInt8(ascii: "\\") }
                guard let text = String(validating: run, as: UTF8.self) else { return nil }
                units += Array(text.utf16)
                rest = rest[run.endIndex...]
            }
        }
        return String(decoding: units, as: UTF16.self)
    }

    private static func takeEscape(_ rest: inout ArraySlice<UInt8>) -> UInt16? {
        guard let letter = rest.popFirst() else { return nil }
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return UInt16(letter)
        case UInt8(ascii: "b"): return 8
        case UInt8(ascii: "f"): return 12
        case UInt8(ascii: "n"): return 10
        case UInt8(ascii: "r"): return 13
        case UInt8(ascii: "t"): return 9
        case UInt8(ascii: "u"):
            let digits = rest.prefix(4)
            guard digits.count == 4, digits.allSatisfy({ $0 < 0x80 }) else { return nil }
            rest = rest.dropFirst(4)
            return UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
        default: return nil
        }
    }
}
