/// Writes JSON as swingmusic's libraries do: compact, no space after `,` and `:`.
struct JSONWriter {
    /// Whether everything outside of space to tilde is escaped (Python's `json.dumps`), or only what must be (pydantic).
    var escapesNonASCII = true
    var sortsNames = false

    /// A token's payload: members in their order, non-ASCII escaped.
    static func token(_ value: JSONValue) -> [UInt8] { JSONWriter().write(value) }

    /// A body of swingmusic's: names sorted, non-ASCII escaped, a newline at the end.
    static func body(_ value: JSONValue) -> [UInt8] { JSONWriter(sortsNames: true).write(value) + [10] }

    func write(_ value: JSONValue) -> [UInt8] {
        var output: [UInt8] = []
        write(value, into: &output)
        return output
    }

    private func write(_ value: JSONValue, into output: inout [UInt8]) {
        switch value {
        case .null: output += "null".utf8
        case .bool(let value): output += (value ? "true" : "false").utf8
        case .number(let text): output += PythonText.number(text, infinity: "Infinity").utf8
        case .string(let text): write(text, into: &output)
        case .array(let items):
            output.append(UInt8(ascii: "["))
            for (index, item) in items.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                write(item, into: &output)
            }
            output.append(UInt8(ascii: "]"))
        case .object(let members): write(members, into: &output)
        }
    }

    private func write(_ members: [JSONMember], into output: inout [UInt8]) {
        // Python orders names by code point, which is the order of their UTF-8 bytes.
        let ordered = sortsNames ? members.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) } : members
        output.append(UInt8(ascii: "{"))
        for (index, member) in ordered.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            write(member.name, into: &output)
            output.append(UInt8(ascii: ":"))
            write(member.value, into: &output)
        }
        output.append(UInt8(ascii: "}"))
    }

    private func write(_ text: String, into output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": output += "\\\"".utf8
            case "\\": output += "\\\\".utf8
            case "\n": output += "\\n".utf8
            case "\r": output += "\\r".utf8
            case "\t": output += "\\t".utf8
            case "\u{8}": output += "\\b".utf8
            case "\u{c}": output += "\\f".utf8
            case " "..."~": output.append(UInt8(truncatingIfNeeded: scalar.value))
            default:
                if escapesNonASCII || scalar.value < 0x20 {
                    for unit in UTF16.encode(scalar).map({ Array($0) }) ?? [] { output += Self.escape(unit).utf8 }
                } else {
                    output += String(scalar).utf8
                }
            }
        }
        output.append(UInt8(ascii: "\""))
    }

    private static func escape(_ unit: UInt16) -> String {
        let digits = String(unit, radix: 16)
        return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }
}
