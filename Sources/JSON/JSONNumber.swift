/// Numbers by their text (RFC 8259, section 6). The grammar has no integers apart: `204053.0` and `4.9E7` are whole numbers.
public enum JSONNumber {
    /// The whole number that the text of a JSON number says, exactly; nil for a fraction, and beyond the type's bounds.
    public static func whole<Integer: FixedWidthInteger>(_ text: some Collection<UInt8>, as type: Integer.Type = Int.self) -> Integer? {
        guard let parts = Parts(text) else { return nil }
        guard !parts.digits.isEmpty else { return 0 }
        // 39 digits have all that 128 bits can hold.
        guard parts.exponent >= 0, parts.digits.count + parts.exponent < 40 else { return nil }
        var value: Integer = 0
        for place in 0..<(parts.digits.count + parts.exponent) {
            let digit = Integer(place < parts.digits.count ? parts.digits[place] : 0)
            let (tenfold, isTooLarge) = value.multipliedReportingOverflow(by: 10)
            let (next, overflows) =
                parts.isNegative ? tenfold.subtractingReportingOverflow(digit) : tenfold.addingReportingOverflow(digit)
            guard !isTooLarge, !overflows else { return nil }
            value = next
        }
        return value
    }

    /// The nearest Double; infinite where the number is too large, nil where the text is none.
    public static func double(_ text: some Collection<UInt8>) -> Double? {
        guard Parts(text) != nil else { return nil }
        return Double(String(decoding: text, as: UTF8.self))
    }

    /// The text of a Double: the shortest that reads back as the same, without a fraction of zero; nil for what JSON cannot say.
    public static func text(_ value: Double) -> String? {
        guard value.isFinite else { return nil }
        let text = value.description
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    /// A number taken apart: digits × 10^exponent, the digits without zeros at either end.
    private struct Parts {
        private(set) var isNegative = false
        private(set) var digits: [UInt8] = []
        private(set) var exponent = 0

        /// nil for what is no JSON number.
        init?(_ text: some Collection<UInt8>) {
            var rest = Array(text)[...]
            isNegative = Self.take("-", &rest)
            let integer = Self.digits(&rest)
            guard let first = integer.first, integer.count == 1 || first != 0 else { return nil }
            var fraction: ArraySlice<UInt8> = []
            if Self.take(".", &rest) {
                fraction = Self.digits(&rest)
                guard !fraction.isEmpty else { return nil }
            }
            if Self.take("e", &rest) || Self.take("E", &rest) {
                let isBelowOne = Self.take("-", &rest)
                if !isBelowOne { _ = Self.take("+", &rest) }
                let power = Self.digits(&rest)
                guard !power.isEmpty else { return nil }
                // Cut where more makes no difference, so that no text overflows.
                exponent = power.reduce(0) { min($0 * 10 + Int($1), 1 << 40) } * (isBelowOne ? -1 : 1)
            }
            guard rest.isEmpty else { return nil }
            digits = Array((integer + fraction).drop { $0 == 0 })
            exponent -= fraction.count
            while digits.last == 0 {
                digits.removeLast()
                exponent += 1
            }
        }

        private static func take(_ letter: Unicode.Scalar, _ rest: inout ArraySlice<UInt8>) -> Bool {
            guard rest.first == UInt8(ascii: letter) else { return false }
            rest = rest.dropFirst()
            return true
        }

        /// The digits that stand there, as numbers.
        private static func digits(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
            let text = rest.prefix { (0x30...0x39).contains($0) }
            rest = rest[text.endIndex...]
            return ArraySlice(text.map { $0 - 0x30 })
        }
    }
}
