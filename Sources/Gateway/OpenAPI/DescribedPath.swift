/// A path below its family's prefix, `tracks/{id}`, and what can be done there.
struct DescribedPath: Sendable {
    var template: String
    var operations: [DescribedOperation]

    init(_ template: String, _ operations: DescribedOperation...) {
        self.template = template
        self.operations = operations
    }

    func tree(of tag: String) -> JSONTree { .object(operations.map { .init(name: $0.method.rawValue, value: $0.tree(of: tag)) }) }
}
