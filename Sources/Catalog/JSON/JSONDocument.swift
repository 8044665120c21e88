/// A JSON text (RFC 8259) with the place of each of its values, so that parts of Spotify's answers can be handed on byte for byte.
///
/// No library at hand keeps places; decoding and encoding again would cost more than a whole request and change numbers' forms.
struct JSONDocument {
    let bytes: [UInt8]
    let root: JSONNode

    /// nil for what is no complete JSON text, or nested deeper than 64 levels.
    init?(_ bytes: [UInt8]) {
        var parser = JSONParser(bytes)
        guard let root = parser.parseDocument() else { return nil }
        self.bytes = bytes
        self.root = root
    }

    /// Of a part of a record.
    init?(_ bytes: ArraySlice<UInt8>) { self.init(Array(bytes)) }

    /// A value's text.
    func raw(_ node: JSONNode) -> ArraySlice<UInt8> { bytes[node.range] }

    /// A string's value, its escapes resolved; nil when the node is no string.
    func string(_ node: JSONNode?) -> String? {
        guard let node, case .string = node.kind else { return nil }
        return JSONParser.unescape(bytes[(node.range.lowerBound + 1)..<(node.range.upperBound - 1)])
    }

    /// A whole number; nil for anything else.
    func integer(_ node: JSONNode?) -> Int? {
        guard let node, case .number = node.kind else { return nil }
        return Int(String(decoding: raw(node), as: UTF8.self))
    }

    func bool(_ node: JSONNode?) -> Bool? {
        guard let node, case .bool(let value) = node.kind else { return nil }
        return value
    }
}
