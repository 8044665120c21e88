import Spotify

/// What callers asked for in the last days, the best known first.
enum KnownObjects {
    static func lately(_ kind: ObjectKind, _ reader: inout Reader) throws -> [Element] {
        var known: [(element: Element, popularity: Int)] = []
        for resource in try reader.library.latelyUsed.resources(of: kind) {
            guard let element = try object(resource, &reader) else { continue }
            known.append((element, element.document.integer(element.node["popularity"]) ?? -1))
        }
        // In development mode there is no popularity: they stay in the order in which they were fetched, the newest first.
        return known.reversed().enumerated().sorted { ($1.element.popularity, $0.offset) < ($0.element.popularity, $1.offset) }
            .map(\.element.element)
    }

    /// A record that is here, as an element.
    static func object(_ resource: Resource, _ reader: inout Reader) throws -> Element? {
        guard let record = try reader.known(resource), let document = JSONDocument(record.body) else { return nil }
        return Element(document: document, node: document.root)
    }
}

/// Items without repeats, up to a number.
struct Selection {
    let kind: ObjectKind
    let most: Int
    private(set) var items: [CatalogItem] = []
    private var seen: Set<String>

    init(of kind: ObjectKind, atMost most: Int, without excluded: [String] = []) {
        self.kind = kind
        self.most = most
        seen = Set(excluded)
    }

    var isFull: Bool { items.count >= most }

    mutating func add(_ elements: [Element]) {
        for element in elements where !isFull {
            guard let item = CatalogItem(kind, element), seen.insert(item.id).inserted else { continue }
            items.append(item)
        }
    }

    func write(as name: String, to writer: inout JSONWriter) {
        writer.key(name)
        writer.array { writer in for item in items { item.write(to: &writer) } }
        writer.member("total", items.count)
    }
}
