/// Whom a token's `sub.id` names, as swingmusic's database would compare it.
enum SubjectID: Sendable, Equatable {
    case user(Int64)
    /// A value that no row has: null, a fraction, text that is no number.
    case nobody

    /// nil where swingmusic answers 500: `sub` is no object, has no id, or the id is a list or an object.
    init?(subject: JSONValue) {
        guard let id = subject["id"] else { return nil }
        switch id {
        case .array, .object: return nil
        case .null: self = .nobody
        case .bool(let value): self = .user(value ? 1 : 0)
        case .number(let text): self = Self.integral(text)
        // A text is compared with the integer column under INTEGER affinity (sqlite.org/datatype3.html, section 4.2).
        case .string(let text): self = Self.integral(Self.trimmed(text))
        }
    }

    private static func integral(_ text: String) -> SubjectID {
        if let id = Int64(text) { return .user(id) }
        guard let value = Double(text), let id = Int64(exactly: value) else { return .nobody }
        return .user(id)
    }

    private static func trimmed(_ text: String) -> String {
        var bytes = Substring(text).utf8
        while let first = bytes.first, first == 32 || (9...13).contains(first) { bytes.removeFirst() }
        while let last = bytes.last, last == 32 || (9...13).contains(last) { bytes.removeLast() }
        return String(Substring(bytes))
    }
}
