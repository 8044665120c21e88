import Foundation

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
