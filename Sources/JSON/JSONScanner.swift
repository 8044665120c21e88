/// The one reader of JSON: strict in RFC 8259's grammar and in UTF-8. It writes down where each value stands and copies nothing.
///
/// It works on raw memory, since a missed lookup reads records of 400 KB. Every access is bounded by `count`, which is checked
/// before each byte is looked at.
struct JSONScanner {
    /// A value's place. The values inside an array follow it in their order; an object's names and values by turns.
    struct Place {
        var start: UInt32
        var end: UInt32
        /// The index of the first place that is not inside this one.
        var next: UInt32
        var kind: JSONKind
        /// Of a string: whether its text differs from its bytes.
        var hasEscapes: Bool
    }

    /// The places of the whole text, outermost first.
    static func places(in text: [UInt8], _ rules: JSONRules) throws(JSONFault) -> [Place] {
        try scan(text, rules, keeping: true)
    }

    /// Whether the text is one complete object or array. Nothing is kept of it.
    static func isComplete(_ text: [UInt8], _ rules: JSONRules) -> Bool {
        guard let first = text.first(where: { !isSpace($0) }), first == UInt8(ascii: "{") || first == UInt8(ascii: "[") else {
            return false
        }
        return (try? scan(text, rules, keeping: false)) != nil
    }

    private static func scan(_ text: [UInt8], _ rules: JSONRules, keeping: Bool) throws(JSONFault) -> [Place] {
        guard text.count < Int(UInt32.max) else { throw JSONFault(.tooLong, at: Int(UInt32.max)) }
        return try text.withUnsafeBufferPointer { bytes throws(JSONFault) in
            var scanner = JSONScanner(bytes, rules, keeping: keeping)
            do throws(JSONFault) {
                try scanner.document()
            } catch {
                throw UTF8Check.firstFault(in: bytes).map { JSONFault(.notUTF8, at: $0) } ?? error
            }
            return scanner.places
        }
    }

    private let bytes: UnsafeBufferPointer<UInt8>
    private let count: Int
    private let rules: JSONRules
    private let keeping: Bool
    private var at = 0
    private var places: [Place] = []

    private init(_ bytes: UnsafeBufferPointer<UInt8>, _ rules: JSONRules, keeping: Bool) {
        self.bytes = bytes
        self.rules = rules
        self.keeping = keeping
        count = bytes.count
        // Spotify's records have a name or value in each 12 bytes or so; a compact one more.
        if keeping { places.reserveCapacity(count / 12 + 8) }
    }

    private mutating func document() throws(JSONFault) {
        skipSpace()
        try value(depth: 0)
        skipSpace()
        guard at == count else { throw fault(.extraData) }
    }

    // MARK: Values

    private mutating func value(depth: Int) throws(JSONFault) {
        guard depth <= rules.deepest else { throw fault(.tooDeep) }
        guard at < count else { throw fault(.expectedValue) }
        switch bytes[at] {
        case UInt8(ascii: "\""): try string()
        case UInt8(ascii: "{"): try object(depth: depth)
        case UInt8(ascii: "["): try array(depth: depth)
        case UInt8(ascii: "t"): try word("true", .true)
        case UInt8(ascii: "f"): try word("false", .false)
        case UInt8(ascii: "n"): try word("null", .null)
        default: try number()
        }
    }

    private mutating func object(depth: Int) throws(JSONFault) {
        let place = open(.object)
        at += 1
        skipSpace()
        if take(UInt8(ascii: "}")) { return close(place) }
        // By their bytes, as every reader but Swift's own dictionary tells names apart.
        var names: Set<[UInt8]> = []
        while true {
            guard at < count, bytes[at] == UInt8(ascii: "\"") else { throw fault(.expectedName) }
            let start = at
            let hasEscapes = try string()
            if rules.refusesDuplicates, !names.insert(Array(text(from: start, hasEscapes).utf8)).inserted {
                throw JSONFault(.duplicateName, at: start)
            }
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw fault(.expectedColon) }
            skipSpace()
            try value(depth: depth + 1)
            skipSpace()
            if take(UInt8(ascii: "}")) { return close(place) }
            guard take(UInt8(ascii: ",")) else { throw fault(.expectedComma) }
            skipSpace()
        }
    }

    private mutating func array(depth: Int) throws(JSONFault) {
        let place = open(.array)
        at += 1
        skipSpace()
        if take(UInt8(ascii: "]")) { return close(place) }
        while true {
            try value(depth: depth + 1)
            skipSpace()
            if take(UInt8(ascii: "]")) { return close(place) }
            guard take(UInt8(ascii: ",")) else { throw fault(.expectedComma) }
            skipSpace()
        }
    }

    private mutating func word(_ word: StaticString, _ kind: JSONKind) throws(JSONFault) {
        let length = word.utf8CodeUnitCount
        guard at + length <= count else { throw fault(.expectedValue) }
        for index in 0..<length where bytes[at + index] != word.utf8Start[index] { throw fault(.expectedValue) }
        at += length
        keep(kind, from: at - length)
    }

    private mutating func number() throws(JSONFault) {
        let start = at
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try digits(from: start) }
        if take(UInt8(ascii: ".")) { try digits(from: start) }
        if at < count, bytes[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits(from: start)
        }
        keep(.number, from: start)
    }

    private mutating func digits(from start: Int) throws(JSONFault) {
        let first = at
        while at < count, bytes[at] &- 0x30 < 10 { at += 1 }
        guard at > first else { throw JSONFault(.expectedValue, at: start) }
    }

    // MARK: Strings

    /// Answers whether there are escapes in it.
    @discardableResult
    private mutating func string() throws(JSONFault) -> Bool {
        let start = at
        var hasEscapes = false
        at += 1
        while true {
            skipPlain()
            guard at < count else { throw fault(.badString) }
            let byte = bytes[at]
            if byte >= 0x80 {
                guard let length = UTF8Check.length(of: bytes, at: at) else { throw JSONFault(.notUTF8, at: at) }
                at += length
                continue
            }
            at += 1
            if byte == UInt8(ascii: "\"") { break }
            guard byte == UInt8(ascii: "\\") else { throw fault(.badString) }
            hasEscapes = true
            try escape()
        }
        keep(.string, from: start, hasEscapes: hasEscapes)
        return hasEscapes
    }

    /// Passes over ASCII that needs no look, eight bytes at a time: what is no control character, quote or backslash.
    private mutating func skipPlain() {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let tops: UInt64 = 0x8080_8080_8080_8080
        guard let base = bytes.baseAddress else { return }
        while at + 8 <= count {
            let word = UnsafeRawPointer(base + at).loadUnaligned(as: UInt64.self)
            // A byte's top bit is set where the byte is above 0x7f, below 0x20, or one of the two (Mycroft's test for a zero byte). A borrow
            // may mark a byte that follows a marked one, which then is only looked at in vain.
            let quote = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
            let slash = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
            let found = (word | (word &- ones &* 0x20) | (quote &- ones) | (slash &- ones)) & tops
            guard found != 0 else {
                at += 8
                continue
            }
            at += found.littleEndian.trailingZeroBitCount / 8
            let byte = bytes[at]
            if byte >= 0x80 || byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return }
            at += 1
        }
        while at < count {
            let byte = bytes[at]
            if byte >= 0x80 || byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return }
            at += 1
        }
    }

    /// What follows a backslash.
    private mutating func escape() throws(JSONFault) {
        guard at < count else { throw fault(.badString) }
        at += 1
        switch bytes[at - 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"):
            return
        case UInt8(ascii: "u"):
            let unit = try hexadecimal()
            guard rules.refusesLoneSurrogates, unit & 0xF800 == 0xD800 else { return }
            guard unit < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")), try hexadecimal() & 0xFC00 == 0xDC00 else {
                throw fault(.badString)
            }
        default: throw fault(.badString)
        }
    }

    private mutating func hexadecimal() throws(JSONFault) -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<4 {
            guard at < count, let digit = JSONString.hexValue(bytes[at]) else { throw fault(.badString) }
            value = value << 4 | UInt16(digit)
            at += 1
        }
        return value
    }

    private func text(from start: Int, _ hasEscapes: Bool) -> String {
        JSONString.text(UnsafeBufferPointer(rebasing: bytes[(start + 1)..<(at - 1)]), hasEscapes: hasEscapes)
    }

    // MARK: Places

    private mutating func keep(_ kind: JSONKind, from start: Int, hasEscapes: Bool = false) {
        guard keeping else { return }
        let next = UInt32(truncatingIfNeeded: places.count + 1)
        places.append(
            Place(
                start: UInt32(truncatingIfNeeded: start), end: UInt32(truncatingIfNeeded: at), next: next, kind: kind,
                hasEscapes: hasEscapes))
    }

    private mutating func open(_ kind: JSONKind) -> Int {
        keep(kind, from: at)
        return places.count - 1
    }

    private mutating func close(_ place: Int) {
        guard keeping else { return }
        places[place].end = UInt32(truncatingIfNeeded: at)
        places[place].next = UInt32(truncatingIfNeeded: places.count)
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard at < count, bytes[at] == byte else { return false }
        at += 1
        return true
    }

    private mutating func skipSpace() {
        while at < count, Self.isSpace(bytes[at]) { at += 1 }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte <= 0x20 && (byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09) }

    private func fault(_ reason: JSONFault.Reason) -> JSONFault { JSONFault(reason, at: at) }
}

/// What a value is.
public enum JSONKind: UInt8, Sendable {
    case null, `true`, `false`, number, string, array, object
}
