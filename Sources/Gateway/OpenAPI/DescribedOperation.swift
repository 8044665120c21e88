/// One method of a path.
struct DescribedOperation: Sendable {
    enum Method: String, Sendable { case get, post, put, delete }

    var method: Method
    /// Names it to programs that are made from the document.
    var id: String
    var summary: String
    var about: String?
    var access: Access
    var parameters: [DescribedParameter] = []
    var body: DescribedBody?
    var answers: [DescribedAnswer]

    func tree(of tag: String) -> JSONTree {
        .object([
            "operationId": .text(id), "summary": .text(summary), "description": about.map(JSONTree.text), "tags": .list([.text(tag)]),
            "parameters": parameters.isEmpty ? nil : .list(parameters.map(\.tree)), "requestBody": body?.tree,
            "responses": .object(answers.map { .init(name: "\($0.status)", value: $0.tree) }), "security": access.tree,
        ])
    }
}
