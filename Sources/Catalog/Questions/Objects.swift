import JSON
import Spotify

/// `GET /{tracks,albums,artists,playlists,shows,episodes,audiobooks,chapters}/{id}`, `/playlists/{id}/images`: one record as it is.
public struct ObjectQuestion: Question {
    public var isOfRecords: Bool { true }
    let resource: Resource

    public init(_ resource: Resource) { self.resource = resource }

    public var firstResource: Resource? { resource }

    /// Only some objects hold a page.
    public var mayLinkBack: Bool {
        switch resource {
        case .object(.track, _, _), .object(.artist, _, _), .object(.episode, _, _), .object(.chapter, _, _), .playlistImages: false
        default: true
        }
    }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        try reader.record(resource).map { reader.verbatim($0) }
    }
}

/// `GET /{tracks,albums,artists,shows,episodes,audiobooks,chapters}?ids=`: single records in the asked order. null means that Spotify
/// refused it, never "not here yet".
public struct BatchQuestion: Question {
    public var isOfRecords: Bool { true }
    let kind: ObjectKind
    let ids: [SpotifyID]
    let market: Market?

    public init(kind: ObjectKind, ids: [SpotifyID], market: Market?) {
        self.kind = kind
        self.ids = ids
        self.market = market
    }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        var writer = JSONWriter(reserving: 3000 * ids.count)
        var isKnown = false
        var refusal: NegativeEntry?
        try writer.object { writer in
            writer.key(kind.plural)
            try writer.array { writer in
                for id in ids {
                    let resource = Resource.object(kind, id, market: kind == .artist ? nil : market)
                    do {
                        guard let record = try reader.record(resource) else { continue }
                        writer.raw(record.body(linkedTo: reader.linkBase))
                        isKnown = true
                    } catch let denial as NegativeEntry {
                        writer.null()
                        if denial.status != 404 { refusal = refusal ?? denial }
                    }
                }
            }
        }
        guard reader.missing.isEmpty else { return nil }
        // What is refused with another word than "not found" is none of a list's gaps, unless the others are there.
        if let refusal, !isKnown { throw refusal }
        return writer.bytes[...]
    }
}

/// Which members of an answer a caller wants (the Web API's `fields`): `total,items(added_at,track(name,album(!images,href)))`.
///
/// Grammar, after the Web API reference, get-playlist: names by comma; a dot or parentheses lead into a member, of every element where it
/// is an array; an exclamation mark stands before what is left out. Where a member is both named and led into, the whole of it is meant.
public struct FieldFilter: Sendable, Equatable {
    private var leavesOut = false
    /// By name: a caller may name hundreds, and every member of the answer is looked for.
    private var choices: [String: Choice] = [:]

    private struct Choice: Sendable, Equatable {
        var name: String
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
        var choices: [(choice: Choice, isOut: Bool)] = []
        repeat {
            guard let next = choice(&rest, depth: depth, leavesOut: leavesOut) else { return nil }
            choices.append(next)
        } while take(",", &rest)
        var filter = FieldFilter()
        filter.leavesOut = choices.allSatisfy(\.isOut)
        // Among names of what is wanted, one of what is not says nothing.
        for next in choices where next.isOut == filter.leavesOut { filter.add(next.choice) }
        return filter
    }

    private static func choice(_ rest: inout ArraySlice<UInt8>, depth: Int, leavesOut: Bool) -> (choice: Choice, isOut: Bool)? {
        let isOut = take("!", &rest) || leavesOut
        let name = rest.prefix { ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A) || $0 == UInt8(ascii: "_") }
        rest = rest[name.endIndex...]
        guard !name.isEmpty, depth < deepest else { return nil }
        var found = Choice(name: String(decoding: name, as: UTF8.self))
        if take(".", &rest) {
            guard let inner = choice(&rest, depth: depth + 1, leavesOut: isOut) else { return nil }
            var filter = FieldFilter()
            filter.leavesOut = inner.isOut
            filter.add(inner.choice)
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

    private mutating func add(_ choice: Choice) {
        guard let known = choices[choice.name] else { return choices[choice.name] = choice }
        guard let more = choice.inner, var inner = known.inner, inner.leavesOut == more.leavesOut else {
            choices[choice.name]?.inner = nil
            return
        }
        // Held once, so that it is not copied at each of a thousand.
        choices[choice.name]?.inner = nil
        for choice in more.choices.values { inner.add(choice) }
        choices[choice.name]?.inner = inner
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
        let choice = choices[key]
        if let inner = choice?.inner {
            writer.key(key)
            inner.write(value, &writer)
        } else if (choice != nil) != leavesOut {
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
    public var isOfRecords: Bool { asked.isOfRecords }
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
