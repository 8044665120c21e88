import JSON

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

/// A request's JSON object.
struct JSONObject {
    private let value: JSONValue

    /// nil for what is no JSON object.
    init?(_ bytes: [UInt8]) {
        guard let value = try? JSONValue(reading: bytes, JSONRules(refusesLoneSurrogates: true)), value.members != nil else { return nil }
        self.value = value
    }

    func has(_ name: String) -> Bool { value[name] != nil }
    func string(_ name: String) -> String? { value[name]?.text }

    /// nil when it is missing or null.
    /// - Throws: 400 for anything but a whole number, as a number or as text.
    func integer(_ name: String) throws(BadRequest) -> Int? {
        guard let member = member(name) else { return nil }
        if let number = member.integer, number.magnitude < 1_000_000_000_000_000 { return Int(number) }
        guard let text = member.text, let number = Int(text) else { throw BadRequest(400, "\(name) must be a whole number") }
        return number
    }

    /// nil when it is missing or null.
    func bool(_ name: String) throws(BadRequest) -> Bool? {
        guard let member = member(name) else { return nil }
        guard let bool = member.bool else { throw BadRequest(400, "\(name) must be true or false") }
        return bool
    }

    /// Missing and null count as empty.
    func strings(_ name: String) throws(BadRequest) -> [String] {
        guard let member = member(name) else { return [] }
        guard let items = member.items else { throw BadRequest(400, "\(name) must be a list of texts") }
        let texts = items.compactMap(\.text)
        guard texts.count == items.count else { throw BadRequest(400, "\(name) must be a list of texts") }
        return texts
    }

    /// nil when it is missing or null.
    private func member(_ name: String) -> JSONValue? { value[name].flatMap { $0 == .null ? nil : $0 } }
}

/// A request that is answered with an error before anything is read.
struct BadRequest: Error {
    var status: Int
    var message: String

    init(_ status: Int, _ message: String) {
        self.status = status
        self.message = message
    }
}

/// Percent-encoded bytes (RFC 3986, section 2.1).
enum PercentEncoding {
    /// - Parameter plusIsSpace: as in queries; in paths a plus is a plus.
    /// - Returns: nil where a percent sign has no two hexadecimal digits.
    static func decode(_ text: some Collection<UInt8>, plusIsSpace: Bool = false) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var rest = text.makeIterator()
        while let byte = rest.next() {
            switch byte {
            case UInt8(ascii: "+") where plusIsSpace: bytes.append(0x20)
            case UInt8(ascii: "%"):
                guard let high = rest.next().flatMap(hexValue), let low = rest.next().flatMap(hexValue) else { return nil }
                bytes.append(high << 4 | low)
            default: bytes.append(byte)
            }
        }
        return bytes
    }

    private static func hexValue(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: digit - 0x30
        case 0x41...0x46, 0x61...0x66: (digit & 0xDF) - 0x41 + 10
        default: nil
        }
    }
}
