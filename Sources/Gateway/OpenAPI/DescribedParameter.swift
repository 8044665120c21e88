/// A parameter of an operation: in the path, the query or a header.
struct DescribedParameter: Sendable {
    enum Place: String, Sendable { case path, query, header }

    var name: String
    var place: Place
    var about: String
    var schema: Schema
    var isRequired = false
    /// A list of values, by comma.
    var isList = false
    var example: JSONTree?

    static func path(_ name: String, _ about: String, _ schema: Schema, example: JSONTree? = nil) -> DescribedParameter {
        DescribedParameter(name: name, place: .path, about: about, schema: schema, isRequired: true, example: example)
    }

    static func query(
        _ name: String, _ about: String, _ schema: Schema, isRequired: Bool = false, isList: Bool = false, example: JSONTree? = nil
    ) -> DescribedParameter {
        DescribedParameter(
            name: name, place: .query, about: about, schema: schema, isRequired: isRequired, isList: isList, example: example)
    }

    static func header(_ name: String, _ about: String, _ schema: Schema) -> DescribedParameter {
        DescribedParameter(name: name, place: .header, about: about, schema: schema)
    }

    var tree: JSONTree {
        .object([
            "name": .text(name), "in": .text(place.rawValue), "description": .text(about), "required": isRequired ? true : nil,
            "style": isList ? "form" : nil, "explode": isList ? false : nil, "schema": schema.tree, "example": example,
        ])
    }
}
