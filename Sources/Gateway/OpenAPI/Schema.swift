import JSON

/// What a value may be (JSON Schema 2020-12, as OpenAPI 3.1 has it).
struct Schema: Sendable, Equatable {
    let tree: JSONValue

    static let text = Schema(tree: ["type": "string"])
    static let boolean = Schema(tree: ["type": "boolean"])
    static let number = Schema(tree: ["type": "number"])
    static let null = Schema(tree: ["type": "null"])
    /// Any JSON.
    static let anything = Schema(tree: .object([]))
    /// Any object; what is in it is Spotify's.
    static let anyObject = Schema(tree: ["type": "object"])

    static func text(pattern: String? = nil, least: Int? = nil, most: Int? = nil, example: String? = nil) -> Schema {
        Schema(
            tree: .object([
                "type": "string", "pattern": pattern.map(JSONValue.string), "minLength": least.map(JSONValue.integer),
                "maxLength": most.map(JSONValue.integer), "examples": example.map { [.string($0)] },
            ]))
    }

    /// Of a text, in Unicode scalars; nil where there is no end.
    var mostScalars: Int? { tree["maxLength"]?.integer.map { Int($0) } }

    static func integer(_ least: Int? = nil, _ most: Int? = nil) -> Schema {
        Schema(tree: .object(["type": "integer", "minimum": least.map(JSONValue.integer), "maximum": most.map(JSONValue.integer)]))
    }

    static func oneOf(_ words: [String]) -> Schema { Schema(tree: ["type": "string", "enum": .array(words.map(JSONValue.string))]) }
    static func constant(_ word: String) -> Schema { Schema(tree: ["type": "string", "const": .string(word)]) }
    static func either(_ schemas: Schema...) -> Schema { Schema(tree: ["anyOf": .array(schemas.map(\.tree))]) }

    static func list(of element: Schema, least: Int? = nil, most: Int? = nil) -> Schema {
        Schema(
            tree: .object([
                "type": "array", "items": element.tree, "minItems": least.map(JSONValue.integer), "maxItems": most.map(JSONValue.integer),
            ]))
    }

    /// An object with these members and no others, unless it `isOpen`.
    static func object(
        _ required: KeyValuePairs<String, Schema>, optional: KeyValuePairs<String, Schema> = [:], isOpen: Bool = false
    ) -> Schema {
        object(members: Array(required), optional: Array(optional), isOpen: isOpen)
    }

    static func object(
        members required: [(key: String, value: Schema)], optional: [(key: String, value: Schema)] = [],
        isOpen: Bool = false
    ) -> Schema {
        let members = (required + optional).map { JSONMember($0.key, $0.value.tree) }
        return Schema(
            tree: .object([
                "type": "object", "properties": .object(members),
                "required": required.isEmpty ? nil : .array(required.map { .string($0.key) }), "additionalProperties": isOpen ? nil : false,
            ]))
    }

    /// An object whose members have any names.
    static func map(of value: Schema) -> Schema { Schema(tree: ["type": "object", "additionalProperties": value.tree]) }

    /// One of the document's components.
    static func named(_ name: String) -> Schema { Schema(tree: ["$ref": "#/components/schemas/\(name)"]) }

    var orNull: Schema { .either(self, .null) }

    /// This, or what is another.
    func or(_ other: Schema) -> Schema {
        let choices = tree["anyOf"]?.items ?? [tree]
        return choices.contains(other.tree) ? self : Schema(tree: ["anyOf": .array(choices + [other.tree])])
    }
}
