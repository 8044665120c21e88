/// What an operation wants in a request's body.
struct DescribedBody: Sendable {
    var type: String
    var schema: Schema
    var example: JSONTree?
    /// An operation that takes no body for an empty one.
    var isOptional = false

    static func json(_ schema: Schema, example: JSONTree? = nil) -> DescribedBody {
        DescribedBody(type: "application/json", schema: schema, example: example)
    }

    var tree: JSONTree {
        let content = JSONTree.Member(name: type, value: .object(["schema": schema.tree, "example": example]))
        return .object(["required": isOptional ? nil : true, "content": .object([content])])
    }
}
