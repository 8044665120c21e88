import FastCGI
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

    var isEmpty: Bool { items.isEmpty }

    /// The first value of that name.
    subscript(_ name: String) -> String? { items.first { $0.name == name }?.value }
}

/// Numbers as they are sent: at most 18 digits, with a minus perhaps; nothing else that `Int` would take.
enum WholeNumber {
    /// The greatest.
    static let most = 999_999_999_999_999_999

    static func read(_ text: String) -> Int? {
        let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
        guard (1...18).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int(text)
    }

    /// A number in the one form that it has: without zeros before it. Who sends another one may mean another thing.
    static func readPlain(_ text: String) -> Int? { read(text).flatMap { String($0) == text ? $0 : nil } }

    static let plain = Schema.text(pattern: "^(0|-?[1-9][0-9]{0,17})$")
    /// Of who counts or names, and so never less than 0.
    static let id = Schema.integer(0, most)
    static let schema = Schema.integer(-most, most)

    /// The greatest in a body: below 2^53, so that every reader of JSON has the same one (RFC 8259, section 6).
    static let mostInBody = 999_999_999_999_999
    /// A number, or the same as text.
    static let inBody = Schema.either(.integer(-mostInBody, mostInBody), .text(pattern: "^(0|-?[1-9][0-9]{0,14})$"), .null)
}

/// A request's JSON object, as far as its route declares what is in it.
struct JSONObject {
    private let value: JSONValue
    private let declared: [BodyMember]

    /// nil for what is no JSON object.
    /// - Parameter declared: the members that can be read.
    init?(_ bytes: [UInt8], _ declared: [BodyMember]) {
        guard let value = try? JSONValue(reading: bytes, JSONRules(refusesLoneSurrogates: true)), value.members != nil else { return nil }
        self.value = value
        self.declared = declared
    }

    func has(_ member: BodyMember) -> Bool { self[member] != nil }
    func string(_ member: BodyMember) -> String? { self[member]?.text }

    /// nil when it is missing or null.
    /// - Throws: 400 for anything but a whole number, as a number or as text.
    func integer(_ member: BodyMember) throws(BadRequest) -> Int? {
        guard let value = given(member) else { return nil }
        let number = value.integer.map { Int($0) } ?? value.text.flatMap(WholeNumber.readPlain)
        guard let number, number.magnitude <= WholeNumber.mostInBody else {
            throw BadRequest(400, "\(member.name) must be a whole number")
        }
        return number
    }

    /// nil when it is missing or null.
    func bool(_ member: BodyMember) throws(BadRequest) -> Bool? {
        guard let value = given(member) else { return nil }
        guard let bool = value.bool else { throw BadRequest(400, "\(member.name) must be true or false") }
        return bool
    }

    /// Missing and null count as empty.
    func strings(_ member: BodyMember) throws(BadRequest) -> [String] {
        guard let value = given(member) else { return [] }
        guard let items = value.items else { throw BadRequest(400, "\(member.name) must be a list of texts") }
        let texts = items.compactMap(\.text)
        guard texts.count == items.count else { throw BadRequest(400, "\(member.name) must be a list of texts") }
        return texts
    }

    func objects(_ member: BodyMember) throws(BadRequest) -> [JSONValue] {
        guard let items = given(member)?.items, items.allSatisfy({ $0.members != nil }) else {
            throw BadRequest(400, "\(member.name) must be a list of objects")
        }
        return items
    }

    private subscript(_ member: BodyMember) -> JSONValue? {
        declared.contains { $0.name == member.name } ? value[member.name] : nil
    }

    /// nil when it is missing or null.
    private func given(_ member: BodyMember) -> JSONValue? { self[member].flatMap { $0 == .null ? nil : $0 } }
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

extension BadRequest {
    /// What nginx has made of the path is not what was asked for.
    static let changedPath = BadRequest(400, "The path has escapes, dots or slashes that change what it names")
}

extension Request {
    /// The route's bytes; nil without one, or when `read` answers nil.
    func withPath<R>(_ read: (UnsafeBufferPointer<UInt8>) -> R?) -> R? {
        for name: StaticString in ["PATH_INFO", "DOCUMENT_URI", "SCRIPT_NAME"] {
            var isSet = false
            let answer = withParameter(name) { bytes -> R? in
                isSet = !bytes.isEmpty
                return isSet ? read(bytes) : nil
            }
            if isSet { return answer ?? nil }
        }
        return nil
    }
}

/// A request's path as its client sent it (nginx's `$request_uri`), for routes that take a text of the user's from it.
///
/// nginx has decoded the path by which routes are found, and has taken `//`, `.` and `..` out of it, those of `%2F` and `%2E` too: two
/// texts may have become one there, or a text another route.
struct RawPath {
    /// Up to the query.
    private let bytes: [UInt8]

    /// nil where nginx does not hand it on: its include file `pass.conf` is older than this program.
    init?(_ request: Request) {
        let bytes = request.withParameter("REQUEST_URI") { uri in Array(uri.prefix { $0 != UInt8(ascii: "?") }) }
        guard let bytes, !bytes.isEmpty else { return nil }
        self.bytes = bytes
    }

    /// What follows `prefix`, decoded once; empty where the path is the prefix alone.
    /// - Parameter prefix: of the path by which the route was found.
    /// - Throws: 400 where the path begins otherwise, byte for byte, or holds what is no path (RFC 3986, section 3.3).
    func rest(after prefix: some Collection<UInt8>) throws(BadRequest) -> [UInt8] {
        guard bytes.starts(with: prefix) else {
            throw .changedPath
        }
        let rest = bytes.dropFirst(prefix.count)
        // For nginx the path ends before a number sign; no client sends one.
        guard !rest.contains(UInt8(ascii: "#")), let decoded = PercentEncoding.bytes(rest) else {
            throw BadRequest(400, "The path is malformed")
        }
        return decoded
    }

    /// Whether the path by which the route was found is this one, decoded, and nothing else was done to it.
    func isAs(compared request: Request) -> Bool {
        guard let decoded = PercentEncoding.bytes(bytes) else { return false }
        return request.withPath { $0.elementsEqual(decoded) } ?? false
    }
}
