import JSON

/// The answer to a search as pages of ten, which is how searches are kept: extended mode gives 50 of each kind at once.
enum SearchPages {
    /// The first as it is where it is no longer than a page. Of those after it as many as are full, of every kind, or hold its last.
    static func split(_ document: JSONDocument) -> [[UInt8]] {
        let lists = document.root.members.compactMap { name, node in Page(node).map { (name: name, node: node, page: $0) } }
        guard let longest = lists.map(\.page.elements.count).max(), longest > PageSize.search else { return [document.bytes] }
        let pages = (longest + PageSize.search - 1) / PageSize.search
        let whole = (0..<pages).prefix { number in
            number == 0 || lists.allSatisfy { isWhole($0.page, from: offset(of: $0.node), number) }
        }
        return whole.map { number in
            var writer = JSONWriter(reserving: document.bytes.count / pages + 1024)
            writer.object { writer in
                for (name, value) in document.root.members {
                    writer.key(name)
                    if let page = Page(value) { write(value, page.elements, number, &writer) } else { writer.raw(value.raw) }
                }
            }
            return writer.bytes
        }
    }

    private static func offset(of page: JSONNode) -> Int { max(0, page["offset"]?.integer ?? 0) }

    /// Whether the elements of a page are here, as far as there are any.
    private static func isWhole(_ page: Page, from offset: Int, _ number: Int) -> Bool {
        page.elements.count >= min((number + 1) * PageSize.search, page.total - offset)
    }

    /// A page of a list: its own elements, offset and limit. What else the list says (its links, its length) is not of a page, or of all.
    private static func write(_ list: JSONNode, _ elements: [JSONNode], _ number: Int, _ writer: inout JSONWriter) {
        let start = number * PageSize.search
        writer.object { writer in
            for (name, value) in list.members {
                switch name {
                case "items":
                    writer.key(name)
                    writer.array { writer in for node in elements.dropFirst(start).prefix(PageSize.search) { writer.raw(node.raw) } }
                case "offset": writer.member(name, offset(of: list) + start)
                case "limit": writer.member(name, PageSize.search)
                default: writer.member(name, raw: value.raw)
                }
            }
        }
    }
}
