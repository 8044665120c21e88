import JSON

/// Which members of an answer a caller wants (the Web API's `fields`): `total,items(added_at,track(name,album(!images,href)))`.
///
/// Grammar, after the Web API reference, get-playlist: names by comma; a dot or parentheses lead into a member, of every element where it
/// is an array; an exclamation mark stands before what is left out. Where a member is both named and led into, the whole of it is meant.
public struct FieldFilter: Sendable, Equatable {
    private var leavesOut = false
    private var entries: [Entry] = []

    private struct Entry: Sendable, Equatable {
        var name: [UInt8]
        /// nil: the whole member.
        var inner: FieldFilter?
    }

    private static let deepest = 16

    /// nil for what is none: an empty name, a parenthesis without its other half, more than 16 levels.
    public init?(_ text: String) {
        var rest = Array(text.utf8)[...]
        guard let filter = Self.group(&rest, depth: 0, leavesOut: false), rest.isEmpty else { return nil }
        self = filter
    }

    private init() {}

    // MARK: Reading

    /// Entries by comma, up to a closing parenthesis or the end.
    /// - Parameter leavesOut: it stands in what is left out.
    private static func group(_ rest: inout ArraySlice<UInt8>, depth: Int, leavesOut: Bool) -> FieldFilter? {
        guard depth < deepest else { return nil }
        var entries: [(entry: Entry, isOut: Bool)] = []
        repeat {
            guard let next = entry(&rest, depth: depth, leavesOut: leavesOut) else { return nil }
            entries.append(next)
        } while take(",", &rest)
        var filter = FieldFilter()
        filter.leavesOut = entries.allSatisfy(\.isOut)
        // Among names of what is wanted, one of what is not says nothing.
        for next in entries where next.isOut == filter.leavesOut { filter.add(next.entry) }
        return filter
    }

    private static func entry(_ rest: inout ArraySlice<UInt8>, depth: Int, leavesOut: Bool) -> (entry: Entry, isOut: Bool)? {
        let isOut = take("!", &rest) || leavesOut
        let name = rest.prefix { ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A) || $0 == UInt8(ascii: "_") }
        rest = rest[name.endIndex...]
        guard !name.isEmpty, depth < deepest else { return nil }
        var found = Entry(name: Array(name))
        if take(".", &rest) {
            guard let inner = entry(&rest, depth: depth + 1, leavesOut: isOut) else { return nil }
            var filter = FieldFilter()
            filter.leavesOut = inner.isOut
            filter.add(inner.entry)
            found.inner = filter
        } else if take("(", &rest) {
            guard let filter = group(&rest, depth: depth + 1, leavesOut: isOut), take(")", &rest) else { return nil }
            found.inner = filter
        }
        return (found, isOut)
    }

    private static func take(_ sign: StaticString, _ rest: inout ArraySlice<UInt8>) -> Bool {
        guard rest.first == sign.utf8Start.pointee else { return false }
        rest.removeFirst()
        return true
    }

    private mutating func add(_ entry: Entry) {
        guard let place = entries.firstIndex(where: { $0.name == entry.name }) else { return entries.append(entry) }
        guard let more = entry.inner, var inner = entries[place].inner, inner.leavesOut == more.leavesOut else {
            entries[place].inner = nil
            return
        }
        for entry in more.entries { inner.add(entry) }
        entries[place].inner = inner
    }

    // MARK: Filtering

    /// What of an answer's JSON is wanted; the bytes as they are when they are no JSON.
    func filtered(_ body: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard let document = try? JSONDocument(body) else { return body }
        var writer = JSONWriter(reserving: body.count / 2)
        write(document.root, &writer)
        return writer.bytes[...]
    }

    private func write(_ node: JSONNode, _ writer: inout JSONWriter) {
        switch node.kind {
        case .object:
            writer.object { writer in
                for (key, value) in node.members { write(key, value, &writer) }
            }
        case .array: writer.array { writer in for element in node.elements { write(element, &writer) } }
        default: writer.raw(node.raw)
        }
    }

    private func write(_ key: String, _ value: JSONNode, _ writer: inout JSONWriter) {
        let entry = entries.first { $0.name.elementsEqual(key.utf8) }
        if let inner = entry?.inner {
            writer.key(key)
            inner.write(value, &writer)
        } else if (entry != nil) != leavesOut {
            writer.member(key, raw: value.raw)
        }
    }
}

/// A question of whose answer only some members are wanted.
public struct FieldsQuestion: Question {
    let asked: any Question
    let fields: FieldFilter
    public var mayBePatchy: Bool { asked.mayBePatchy }
    public var mayLinkBack: Bool { asked.mayLinkBack }
    public var firstResource: Resource? { asked.firstResource }

    public init(_ asked: any Question, fields: FieldFilter) {
        self.asked = asked
        self.fields = fields
    }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        let body = try asked.compose(&reader)
        reader.forgetVerbatim()
        return body.map { fields.filtered($0) }
    }
}
