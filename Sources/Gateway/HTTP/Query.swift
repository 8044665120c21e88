import JSON
import Platform

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
                PercentEncoding.decode(part, plusIsSpace: true)
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
