import Catalog
import Foundation
import Platform
import Spotify

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

/// A request's JSON object, read with Foundation: it is small, and not on the hit path.
struct JSONObject {
    private let members: [String: Any]

    /// nil for what is no JSON object.
    init?(_ bytes: [UInt8]) {
        guard let members = try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any] else { return nil }
        self.members = members
    }

    func has(_ name: String) -> Bool { members[name] != nil }
    func string(_ name: String) -> String? { members[name] as? String }

    /// nil when it is missing or null.
    /// - Throws: 400 for anything but a whole number, as a number or as text.
    func integer(_ name: String) throws(BadRequest) -> Int? {
        switch members[name] {
        case nil, is NSNull: return nil
        case let number as NSNumber
        where !isBool(number) && number.doubleValue == number.doubleValue.rounded() && abs(number.doubleValue) < 1e15:
            return number.intValue
        case let text as String:
            guard let number = Int(text) else { throw BadRequest(400, "\(name) must be a whole number") }
            return number
        default: throw BadRequest(400, "\(name) must be a whole number")
        }
    }

    /// nil when it is missing or null.
    func bool(_ name: String) throws(BadRequest) -> Bool? {
        switch members[name] {
        case nil, is NSNull: return nil
        case let number as NSNumber where isBool(number): return number.boolValue
        default: throw BadRequest(400, "\(name) must be true or false")
        }
    }

    /// Missing and null count as empty.
    func strings(_ name: String) throws(BadRequest) -> [String] {
        switch members[name] {
        case nil, is NSNull: return []
        case let list as [String]: return list
        default: throw BadRequest(400, "\(name) must be a list of texts")
        }
    }

    /// JSONSerialization gives booleans as NSNumber; its Objective-C type tells them apart.
    private func isBool(_ number: NSNumber) -> Bool { String(cString: number.objCType) == "c" }
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
