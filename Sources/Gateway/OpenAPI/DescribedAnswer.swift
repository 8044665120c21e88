/// One of the answers that an operation may give.
struct DescribedAnswer: Sendable {
    var status: Int
    var about: String
    /// Media types and what is in them; none for an answer without a body.
    var content: [(type: String, schema: Schema)]
    var headers: [DescribedHeader]

    init(_ status: Int, _ about: String, content: [(type: String, schema: Schema)] = [], headers: [DescribedHeader] = []) {
        self.status = status
        self.about = about
        self.content = content
        self.headers = headers
    }

    static func json(_ status: Int, _ about: String, _ schema: Schema, headers: [DescribedHeader] = []) -> DescribedAnswer {
        DescribedAnswer(status, about, content: [("application/json", schema)], headers: headers)
    }

    var tree: JSONTree {
        .object([
            "description": .text(about),
            "headers": headers.isEmpty ? nil : .object(headers.map { .init(name: $0.rawValue, value: $0.reference) }),
            "content": content.isEmpty ? nil : .object(content.map { .init(name: $0.type, value: ["schema": $0.schema.tree]) }),
        ])
    }
}
