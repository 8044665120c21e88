/// A JSON value on its own: members in their order, numbers as they were written (RFC 8259).
///
/// Member order, large integers and duplicate names survive, since tokens are compared and copied byte for byte. In Swift it is
/// written as literals: `["total": 3, "items": ["a", .null]]`.
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

// MARK: Reading

extension JSONValue {
    /// The one value that the text holds.
    public init(reading bytes: [UInt8], _ rules: JSONRules = JSONRules()) throws(JSONFault) {
        self.init(try JSONDocument(bytes, rules).root)
    }

    public init(reading text: String, _ rules: JSONRules = JSONRules()) throws(JSONFault) {
        try self.init(reading: Array(text.utf8), rules)
    }

    /// A part of a document, copied out of it.
    public init(_ node: JSONNode) {
        switch node.kind {
        case .null: self = .null
        case .true: self = .bool(true)
        case .false: self = .bool(false)
        case .number: self = .number(String(decoding: node.raw, as: UTF8.self))
        case .string: self = .string(node.string ?? "")
        case .array: self = .array(node.elements.map(JSONValue.init))
        case .object: self = .object(node.members.map { JSONMember($0.key, JSONValue($0.value)) })
        }
    }
}

// MARK: What it holds

extension JSONValue {
    public var text: String? {
        if case .string(let text) = self { return text }
        return nil
    }

    public var bool: Bool? {
        if case .bool(let value) = self { return value }
        return nil
    }

    /// A whole number, however it is written: `3`, `3.0`, `3e0`. nil for anything else and beyond 64 bits.
    public var integer: Int64? {
        if case .number(let text) = self { return JSONNumber.whole(text.utf8, as: Int64.self) }
        return nil
    }

    /// A number; infinite where it is too large. nil when this is none.
    public var double: Double? {
        if case .number(let text) = self { return JSONNumber.double(text.utf8) }
        return nil
    }

    public var items: [JSONValue]? {
        if case .array(let items) = self { return items }
        return nil
    }

    public var members: [JSONMember]? {
        if case .object(let members) = self { return members }
        return nil
    }

    /// The member of that name, null or not; the last one where a name occurs twice, as Python and Foundation read it.
    public subscript(name: String) -> JSONValue? {
        members?.last { $0.name.utf8.elementsEqual(name.utf8) }?.value
    }

    /// The value as a dictionary would hold it: of members of one name only the last value, in the first one's place.
    public var withoutDuplicates: JSONValue {
        switch self {
        case .array(let items): return .array(items.map(\.withoutDuplicates))
        case .object(let members):
            var kept: [JSONMember] = []
            // By their bytes: a dictionary of texts takes two spellings of one character for one, and Python for two.
            var places: [[UInt8]: Int] = [:]
            for member in members {
                let value = member.value.withoutDuplicates
                let name = Array(member.name.utf8)
                if let place = places[name] {
                    kept[place].value = value
                } else {
                    places[name] = kept.count
                    kept.append(JSONMember(member.name, value))
                }
            }
            return .object(kept)
        default: return self
        }
    }
}

// MARK: Making

extension JSONValue {
    public static func integer(_ value: some BinaryInteger) -> JSONValue { .number(String(value)) }

    /// null for what is no number, which JSON cannot say.
    public static func double(_ value: Double) -> JSONValue { JSONNumber.text(value).map(JSONValue.number) ?? .null }

    /// An object of the members that there are, in their order; nil stands for one that is left out.
    public static func object(_ members: KeyValuePairs<String, JSONValue?>) -> JSONValue {
        .object(members.compactMap { name, value in value.map { JSONMember(name, $0) } })
    }
}

// There is no literal for null: `flag ? nil : value` would be null where an Optional was meant.
extension JSONValue: ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int) { self = .integer(value) }
    public init(floatLiteral value: Double) { self = .double(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(elements.map { JSONMember($0, $1) }) }
}
