import JSON

/// A JSON value that is written down in Swift; members keep their order.
indirect enum JSONTree: Sendable, Equatable {
    case null
    case boolean(Bool)
    case integer(Int)
    case text(String)
    case list([JSONTree])
    case object([Member])

    struct Member: Sendable, Equatable {
        var name: String
        var value: JSONTree
    }

    /// As JSON text (RFC 8259), without spaces.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        write(to: &bytes)
        return bytes
    }

    private func write(to bytes: inout [UInt8]) {
        switch self {
        case .null: bytes += "null".utf8
        case .boolean(let value): bytes += (value ? "true" : "false").utf8
        case .integer(let value): bytes += "\(value)".utf8
        case .text(let value): bytes += JSONWriter.quoted(value)
        case .list(let values): Self.write(values, between: "[]", to: &bytes) { $0.write(to: &$1) }
        case .object(let members):
            Self.write(members, between: "{}", to: &bytes) { member, bytes in
                bytes += JSONWriter.quoted(member.name)
                bytes += ":".utf8
                member.value.write(to: &bytes)
            }
        }
    }

    private static func write<Part>(
        _ parts: [Part], between brackets: String, to bytes: inout [UInt8], _ write: (Part, inout [UInt8]) -> Void
    ) {
        bytes += brackets.utf8.prefix(1)
        for (place, part) in parts.enumerated() {
            if place > 0 { bytes += ",".utf8 }
            write(part, &bytes)
        }
        bytes += brackets.utf8.suffix(1)
    }
}

extension JSONTree: ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    init(stringLiteral value: String) { self = .text(value) }
    init(integerLiteral value: Int) { self = .integer(value) }
    init(booleanLiteral value: Bool) { self = .boolean(value) }
    init(arrayLiteral elements: JSONTree...) { self = .list(elements) }
    init(dictionaryLiteral elements: (String, JSONTree)...) { self = .object(elements.map(Member.init)) }
    init(nilLiteral: ()) { self = .null }
}

extension JSONTree {
    /// An object of the members that there are, in their order; nil stands for one that is left out.
    static func object(_ members: KeyValuePairs<String, JSONTree?>) -> JSONTree {
        .object(members.compactMap { name, value in value.map { Member(name: name, value: $0) } })
    }
}
