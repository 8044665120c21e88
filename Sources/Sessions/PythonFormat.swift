import JSON

/// What of JSON is Python's way: swingmusic and its libraries read and write tokens, bodies and errors so.
extension JSONRules {
    /// Names may occur twice, and Python takes the last. Half of a surrogate pair it would take as well; it is refused here.
    static let python = JSONRules(deepest: 63, refusesLoneSurrogates: true)
    /// For what swingmusic reads again: nothing in it may be readable in two ways.
    static let pythonWithoutDuplicates = JSONRules(deepest: 63, refusesDuplicates: true, refusesLoneSurrogates: true)
}

extension JSONFault {
    /// In the words of Python's `json` module, which the session contract shows to clients.
    var pythonWords: String {
        let words =
            switch reason {
            case .notUTF8: "Invalid UTF-8"
            case .expectedValue: "Expecting value"
            case .expectedName: "Expecting property name enclosed in double quotes"
            case .expectedColon: "Expecting ':' delimiter"
            case .expectedComma: "Expecting ',' delimiter"
            case .badString: "Invalid string"
            case .tooDeep: "Nested too deep"
            case .extraData: "Extra data"
            case .duplicateName: "Duplicate name"
            case .tooLong: "Too long"
            }
        // Python decodes the whole text before it reads any of it.
        let place = reason == .notUTF8 ? 0 : offset
        return "\(words): line 1 column \(place + 1) (char \(place))"
    }
}

extension JSONWriter {
    /// A token's payload: members in their order, non-ASCII escaped.
    static func token(_ value: JSONValue) -> [UInt8] { bytes(of: value, Style(escapes: [.short, .nonASCII], number: pythonNumber)) }

    /// A body of swingmusic's: names sorted, non-ASCII escaped, a newline at the end.
    static func body(_ value: JSONValue) -> [UInt8] {
        bytes(of: value, Style(escapes: [.short, .nonASCII], sortsNames: true, number: pythonNumber)) + [UInt8(ascii: "\n")]
    }

    /// A list of field errors: members in their order, escaped only what must be.
    static func pydantic(_ value: JSONValue) -> [UInt8] { bytes(of: value, Style(escapes: .short, number: pythonNumber)) }

    private static let pythonNumber: @Sendable (String) -> String = { PythonText.number($0, infinity: "Infinity") }
}

extension JSONValue {
    /// Whether a number's text is that of an integer to Python (no fraction, no exponent).
    static func isInteger(_ text: String) -> Bool {
        !text.utf8.contains { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") }
    }

    /// Python's truth of a value: null, false, zero and everything empty are false.
    var isTruthy: Bool {
        switch self {
        case .null: false
        case .bool(let value): value
        case .number(let text): Double(text) != 0
        case .string(let text): !text.isEmpty
        case .array(let items): !items.isEmpty
        case .object(let members): !members.isEmpty
        }
    }

    /// What Python's `int()` makes of the value, or nil where it refuses (ValueError or TypeError). Beyond 64 bits it is the nearest bound.
    var pythonInteger: Int64? {
        switch self {
        case .bool(let value): value ? 1 : 0
        case .number(let text): Self.clamped(number: text)
        case .string(let text): Self.clamped(digits: text)
        default: nil
        }
    }

    private static func clamped(number text: String) -> Int64? {
        if isInteger(text) { return Int64(text) ?? (text.hasPrefix("-") ? .min : .max) }
        guard let value = Double(text), !value.isNaN else { return nil }
        if value >= 0x1p63 { return .max }
        if value < -0x1p63 { return .min }
        return Int64(value)
    }

    /// Decimal digits with an optional sign, single underscores between digits and white space around them.
    private static func clamped(digits text: String) -> Int64? {
        var scalars = Substring(text).unicodeScalars
        while let first = scalars.first, first.properties.isWhitespace { scalars.removeFirst() }
        while let last = scalars.last, last.properties.isWhitespace { scalars.removeLast() }
        var sign = ""
        if let first = scalars.first, first == "+" || first == "-" {
            sign = first == "-" ? "-" : ""
            scalars.removeFirst()
        }
        let parts = String(scalars).split(separator: "_", omittingEmptySubsequences: false)
        guard parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (48...57).contains($0) } }) else { return nil }
        let digits = sign + parts.joined()
        return Int64(digits) ?? (sign.isEmpty ? .max : .min)
    }
}

/// How Python prints a value that came from JSON: swingmusic shows a token's `sub` so in one of its errors.
enum PythonText {
    /// `repr(value)`.
    static func representation(_ value: JSONValue) -> String {
        switch value {
        case .null: "None"
        case .bool(let value): value ? "True" : "False"
        case .number(let text): number(text, infinity: "inf")
        case .string(let text): quoted(text)
        case .array(let items): "[" + items.map(representation).joined(separator: ", ") + "]"
        case .object(let members):
            "{" + members.map { quoted($0.name) + ": " + representation($0.value) }.joined(separator: ", ") + "}"
        }
    }

    /// A number's text after Python has read and printed it: integers stay, everything else becomes a float's shortest text.
    static func number(_ text: String, infinity: String) -> String {
        if JSONValue.isInteger(text) { return text == "-0" ? "0" : text }
        guard let value = Double(text) else { return text }
        if value.isInfinite { return (value < 0 ? "-" : "") + infinity }
        return value.description
    }

    /// A string's `repr`: in single quotes, in double ones when it holds single quotes and no double ones.
    private static func quoted(_ text: String) -> String {
        let quote: Unicode.Scalar = text.contains("'") && !text.contains("\"") ? "\"" : "'"
        var output = String(quote)
        for scalar in text.unicodeScalars { output += escaped(scalar, quote: quote) }
        return output + String(quote)
    }

    private static func escaped(_ scalar: Unicode.Scalar, quote: Unicode.Scalar) -> String {
        switch scalar {
        case quote, "\\": return "\\" + String(scalar)
        case "\n": return "\\n"
        case "\r": return "\\r"
        case "\t": return "\\t"
        default: break
        }
        if isPrintable(scalar) { return String(scalar) }
        let digits = String(scalar.value, radix: 16)
        let (letter, width) = scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
        return "\\" + letter + String(repeating: "0", count: width - digits.count) + digits
    }

    /// `str.isprintable`: everything but the categories "Other" and "Separator", except the space (docs.python.org, str.isprintable).
    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII { return scalar.value >= 0x20 && scalar.value < 0x7f }
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator, .spaceSeparator: return false
        default: return true
        }
    }
}
