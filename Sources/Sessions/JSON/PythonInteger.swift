extension JSONValue {
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
