/// A JSON value as it was written: members in their order, numbers as their text (RFC 8259).
///
/// The room needs its own because tokens are compared and copied byte for byte: member order, large integers and duplicate keys
/// all have to survive.
public indirect enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    /// The text of the number, of RFC 8259's grammar.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([JSONMember])
}

/// One member of an object.
public struct JSONMember: Sendable, Equatable {
    public var name: String
    public var value: JSONValue

    public init(_ name: String, _ value: JSONValue) {
        self.name = name
        self.value = value
    }
}

extension JSONValue {
    static func integer(_ value: Int64) -> JSONValue { .number(String(value)) }

    var text: String? {
        if case .string(let text) = self { return text }
        return nil
    }

    var members: [JSONMember]? {
        if case .object(let members) = self { return members }
        return nil
    }

    /// The member of that name; the last one where a name occurs twice, as Python reads it.
    subscript(name: String) -> JSONValue? {
        members?.last { $0.name == name }?.value
    }

    /// Whether a number's text is that of an integer (no fraction, no exponent).
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

    /// The value as Python's `json.loads` would hold it: of members of one name only the last value, in the first one's place.
    var withoutDuplicates: JSONValue {
        switch self {
        case .array(let items): return .array(items.map(\.withoutDuplicates))
        case .object(let members):
            var kept: [JSONMember] = []
            var places: [String: Int] = [:]
            for member in members {
                let value = member.value.withoutDuplicates
                if let place = places[member.name] {
                    kept[place].value = value
                } else {
                    places[member.name] = kept.count
                    kept.append(JSONMember(member.name, value))
                }
            }
            return .object(kept)
        default: return self
        }
    }
}

extension String {
    /// Equal byte for byte. Swift's `==` also equates different spellings of one character, which swingmusic and SQLite do not.
    func isSpelled(_ other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}
