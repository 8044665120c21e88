/// A page that stands in a document.
struct Page {
    let document: JSONDocument
    let elements: [JSONNode]
    let total: Int

    /// nil when `node` is no paging object.
    init?(_ document: JSONDocument, _ node: JSONNode?) {
        guard let node, let total = document.integer(node["total"]), total >= 0, case .array? = node["items"]?.kind else { return nil }
        self.document = document
        self.elements = node["items"]?.elements ?? []
        self.total = total
    }

    var all: [Element] { elements.map { Element(document: document, node: $0) } }

    init?(_ record: Record?) {
        guard let record, let document = JSONDocument(record.body) else { return nil }
        self.init(document, document.root)
    }
}

/// An element of a list and the document it stands in.
struct Element {
    let document: JSONDocument
    let node: JSONNode
    var raw: ArraySlice<UInt8> { document.raw(node) }
}

extension Element {
    /// The ids of a track's or an album's artists.
    var artistIDs: [String] { node["artists"]?.elements.compactMap { document.string($0["id"]) } ?? [] }
}
