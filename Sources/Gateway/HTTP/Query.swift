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
        PercentEncoding.decode(text.utf8, plusIsSpace: true).flatMap { String(validating: $0, as: UTF8.self) }
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
