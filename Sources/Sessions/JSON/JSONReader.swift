/// Reads JSON strictly: UTF-8 without a byte order mark, RFC 8259's grammar, a bounded depth, no lone surrogates.
struct JSONReader {
    enum Duplicates { case keep, refuse }

    private let bytes: UnsafeBufferPointer<UInt8>
    private let duplicates: Duplicates
    private var offset = 0
    private static let deepest = 64

    private init(_ bytes: UnsafeBufferPointer<UInt8>, _ duplicates: Duplicates) {
        self.bytes = bytes
        self.duplicates = duplicates
    }

    /// The one value that `bytes` hold.
    static func read(_ bytes: [UInt8], duplicates: Duplicates = .keep) throws(JSONFault) -> JSONValue {
        guard String(validating: bytes, as: UTF8.self) != nil else { throw JSONFault(reason: .notUTF8, offset: 0) }
        let result = bytes.withUnsafeBufferPointer { buffer -> Result<JSONValue, JSONFault> in
            var reader = JSONReader(buffer, duplicates)
            do throws(JSONFault) { return .success(try reader.document()) } catch { return .failure(error) }
        }
        return try result.get()
    }

    static func read(_ text: String, duplicates: Duplicates = .keep) throws(JSONFault) -> JSONValue {
        try read(Array(text.utf8), duplicates: duplicates)
    }

    private mutating func document() throws(JSONFault) -> JSONValue {
        skipSpace()
        let value = try self.value(depth: 0)
        skipSpace()
        guard offset == bytes.count else { throw fault(.extraData) }
        return value
    }

    private mutating func value(depth: Int) throws(JSONFault) -> JSONValue {
        guard depth < Self.deepest else { throw fault(.tooDeep) }
        switch peek {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private mutating func object(depth: Int) throws(JSONFault) -> JSONValue {
        offset += 1
        skipSpace()
        var members: [JSONMember] = []
        var names: Set<String> = []
        if take(UInt8(ascii: "}")) { return .object(members) }
        while true {
            guard peek == UInt8(ascii: "\"") else { throw fault(.expectedName) }
            let start = offset
            let name = try string()
            if duplicates == .refuse, !names.insert(name).inserted { throw JSONFault(reason: .duplicateName, offset: start) }
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw fault(.expectedColon) }
            skipSpace()
            members.append(JSONMember(name, try value(depth: depth + 1)))
            skipSpace()
            if take(UInt8(ascii: "}")) { return .object(members) }
            guard take(UInt8(ascii: ",")) else { throw fault(.expectedComma) }
            skipSpace()
        }
    }

    private mutating func array(depth: Int) throws(JSONFault) -> JSONValue {
        offset += 1
        skipSpace()
        var items: [JSONValue] = []
        if take(UInt8(ascii: "]")) { return .array(items) }
        while true {
            items.append(try value(depth: depth + 1))
            skipSpace()
            if take(UInt8(ascii: "]")) { return .array(items) }
            guard take(UInt8(ascii: ",")) else { throw fault(.expectedComma) }
            skipSpace()
        }
    }

    private mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONFault) -> JSONValue {
        let end = offset + word.utf8CodeUnitCount
        guard end <= bytes.count else { throw fault(.expectedValue) }
        for index in 0..<word.utf8CodeUnitCount where bytes[offset + index] != word.utf8Start[index] {
            throw fault(.expectedValue)
        }
        offset = end
        return value
    }

    private mutating func number() throws(JSONFault) -> JSONValue {
        let start = offset
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try digits(from: start) }
        if take(UInt8(ascii: ".")) { try digits(from: start) }
        if let byte = peek, byte | 0x20 == UInt8(ascii: "e") {
            offset += 1
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits(from: start)
        }
        return .number(String(decoding: bytes[start..<offset], as: UTF8.self))
    }

    private mutating func digits(from start: Int) throws(JSONFault) {
        let first = offset
        while let byte = peek, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { offset += 1 }
        guard offset > first else { throw JSONFault(reason: .expectedValue, offset: start) }
    }

    private mutating func string() throws(JSONFault) -> String {
        offset += 1
        var text: [UInt8] = []
        while let byte = peek {
            offset += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): try escape(into: &text)
            case 0..<0x20: throw fault(.badString)
            default: text.append(byte)
            }
        }
        throw fault(.badString)
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONFault) {
        guard let byte = peek else { throw fault(.badString) }
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(8)
        case UInt8(ascii: "f"): text.append(12)
        case UInt8(ascii: "n"): text.append(10)
        case UInt8(ascii: "r"): text.append(13)
        case UInt8(ascii: "t"): text.append(9)
        case UInt8(ascii: "u"): text.append(contentsOf: String(try scalar()).utf8)
        default: throw fault(.badString)
        }
    }

    private mutating func scalar() throws(JSONFault) -> Character {
        let first = try hexadecimal()
        if let scalar = Unicode.Scalar(first) { return Character(scalar) }
        // RFC 8259, section 7: beyond the basic plane a character is written as two surrogates, the high one first.
        guard first < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else { throw fault(.badString) }
        let second = try hexadecimal()
        guard second >= 0xDC00, second < 0xE000,
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw fault(.badString) }
        return Character(scalar)
    }

    private mutating func hexadecimal() throws(JSONFault) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { throw fault(.badString) }
            value = value << 4 | UInt32(digit)
            offset += 1
        }
        return value
    }

    private var peek: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        offset += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = peek, byte == 32 || byte == 9 || byte == 10 || byte == 13 { offset += 1 }
    }

    private func fault(_ reason: JSONFault.Reason) -> JSONFault { JSONFault(reason: reason, offset: offset) }
}
