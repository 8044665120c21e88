/// Writes paging objects with the mirror's own links.
struct PagingWriter {
    /// `https://host`.
    var base: String
    /// `/albums/<id>/tracks`.
    var path: String
    /// What the links keep of the request besides offset and limit, in order.
    var kept: [(name: String, value: String)]

    func write(_ stretch: PagedList.Stretch, _ window: Window, to writer: inout JSONWriter, element: (Element, inout JSONWriter) -> Void) {
        let end = window.offset + window.limit
        writer.object { writer in
            writer.member("href", link(window.offset, window.limit))
            writer.key("items")
            writer.array { writer in for item in stretch.elements { element(item, &writer) } }
            writer.member("limit", window.limit)
            writer.member("next", end < stretch.total ? link(end, window.limit) : nil)
            writer.member("offset", window.offset)
            writer.member("previous", window.offset > 0 ? link(max(0, window.offset - window.limit), window.limit) : nil)
            writer.member("total", stretch.total)
        }
    }

    private func link(_ offset: Int, _ limit: Int) -> String {
        let more = kept.map { "&\($0.name)=\(PercentEncoding.encode($0.value))" }.joined()
        return "\(base)/spotify/v1\(path)?offset=\(offset)&limit=\(limit)\(more)"
    }
}
