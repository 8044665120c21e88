/// A stretch of a long list that is kept in pages: from `offset`, at most `limit` elements.
struct Window {
    var offset: Int
    var limit: Int
}

/// A list in pages: the first may stand in its parent, the others are records of their own, aligned to their size.
struct PagedList {
    /// The page that the parent brought.
    var embedded: Page?
    var pageSize: Int
    /// The page at an aligned offset; nil when it is not here, which the reader has noted.
    var page: (_ offset: Int, _ reader: inout Reader) throws -> Page?

    struct Stretch {
        var elements: [Element]
        var total: Int
    }

    /// The window's elements; what is missing is noted by the reader and left out. nil when not even the length is known.
    func stretch(_ window: Window, _ reader: inout Reader) throws -> Stretch? {
        guard let total = try total(window, &reader) else { return nil }
        var elements: [Element] = []
        var at = window.offset
        let end = min(window.offset + window.limit, total)
        while at < end {
            let (page, start) = try holder(of: at, &reader)
            guard let page, at - start < page.elements.count else {
                at = start + pageSize
                continue
            }
            let stop = min(end, start + page.elements.count)
            elements += page.elements[(at - start)..<(stop - start)].map { Element(document: page.document, node: $0) }
            at = stop
        }
        return Stretch(elements: elements, total: total)
    }

    private func total(_ window: Window, _ reader: inout Reader) throws -> Int? {
        if let embedded { return embedded.total }
        return try page(window.offset / pageSize * pageSize, &reader)?.total
    }

    private func holder(of index: Int, _ reader: inout Reader) throws -> (Page?, start: Int) {
        if let embedded, index < embedded.elements.count { return (embedded, 0) }
        let start = index / pageSize * pageSize
        return (try page(start, &reader), start)
    }
}
