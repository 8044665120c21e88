/// One value of a document.
struct JSONNode {
    enum Kind {
        case null
        case bool(Bool)
        case number, string
        case array([JSONNode])
        case object([(key: String, value: JSONNode)])
    }

    let range: Range<Int>
    let kind: Kind

    /// A member of an object; nil when it is missing, null, or this is no object.
    subscript(_ key: String) -> JSONNode? {
        guard case .object(let members) = kind, let value = members.first(where: { $0.key == key })?.value else { return nil }
        if case .null = value.kind { return nil }
        return value
    }

    /// An array's elements; none when this is no array.
    var elements: [JSONNode] {
        guard case .array(let elements) = kind else { return [] }
        return elements
    }

    /// Whether an object has the member, null or not.
    func has(_ key: String) -> Bool {
        guard case .object(let members) = kind else { return false }
        return members.contains { $0.key == key }
    }
}
