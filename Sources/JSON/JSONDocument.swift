/// A JSON text with the place of each of its values, so that parts of it can be handed on byte for byte.
///
/// Nothing is decoded before it is asked for, and the bytes are not copied: a document is as cheap as finding its brackets. Spotify's
/// records are read this way. What is to be kept or built is a `JSONValue`.
public struct JSONDocument: Sendable {
    fileprivate final class Storage: Sendable {
        let bytes: [UInt8]
        let places: [JSONScanner.Place]

        init(_ bytes: [UInt8], _ places: [JSONScanner.Place]) {
            self.bytes = bytes
            self.places = places
        }
    }

    private let storage: Storage

    public init(_ bytes: [UInt8], _ rules: JSONRules = JSONRules()) throws(JSONFault) {
        storage = Storage(bytes, try JSONScanner.places(in: bytes, rules))
    }

    /// Copies the slice.
    public init(_ bytes: ArraySlice<UInt8>, _ rules: JSONRules = JSONRules()) throws(JSONFault) { try self.init(Array(bytes), rules) }

    public var bytes: [UInt8] { storage.bytes }
    public var root: JSONNode { JSONNode(storage: storage, index: 0) }

    /// Whether the text is one complete object or array in valid UTF-8, nested at most so deep. It builds nothing.
    public static func isComplete(_ bytes: [UInt8], deepest: Int = 128) -> Bool {
        JSONScanner.isComplete(bytes, JSONRules(deepest: deepest))
    }
}

/// One value of a document. It holds on to the document.
public struct JSONNode: Sendable {
    fileprivate let storage: JSONDocument.Storage
    fileprivate let index: Int

    private var place: JSONScanner.Place { storage.places[index] }

    public var kind: JSONKind { place.kind }
    /// Where the value stands in the document's bytes, a string with its quotes.
    public var range: Range<Int> { Int(place.start)..<Int(place.end) }
    /// The value's text, byte for byte.
    public var raw: ArraySlice<UInt8> { storage.bytes[range] }

    // MARK: Scalars

    /// A string's text, its escapes resolved; nil when this is no string.
    public var string: String? {
        let place = place
        guard place.kind == .string else { return nil }
        return inside(place) { JSONString.text($0, hasEscapes: place.hasEscapes) }
    }

    /// A whole number, however it is written: `204053`, `204053.0`, `4.9E7`. nil for anything else and beyond 64 bits.
    public var integer: Int? { kind == .number ? JSONNumber.whole(raw) : nil }

    /// A number; infinite where it is too large. nil when this is none.
    public var double: Double? { kind == .number ? JSONNumber.double(raw) : nil }

    public var bool: Bool? {
        switch kind {
        case .true: true
        case .false: false
        default: nil
        }
    }

    public var isNull: Bool { kind == .null }

    // MARK: Arrays and objects

    /// An array's elements; none when this is no array.
    public var elements: [JSONNode] {
        guard kind == .array else { return [] }
        var elements: [JSONNode] = []
        var at = index + 1
        while at < Int(place.next) {
            elements.append(JSONNode(storage: storage, index: at))
            at = Int(storage.places[at].next)
        }
        return elements
    }

    /// An object's members in their order, duplicates with them; none when this is no object.
    public var members: [(key: String, value: JSONNode)] {
        var members: [(key: String, value: JSONNode)] = []
        eachIndex { name, value in
            members.append((JSONNode(storage: storage, index: name).string ?? "", JSONNode(storage: storage, index: value)))
            return true
        }
        return members
    }

    /// Hands over each name, a string, and its value, in their order.
    public func eachMember(_ body: (_ name: JSONNode, _ value: JSONNode) -> Void) {
        eachIndex { name, value in
            body(JSONNode(storage: storage, index: name), JSONNode(storage: storage, index: value))
            return true
        }
    }

    /// Whether this is a string of that text; without making one.
    public func isText(_ text: String) -> Bool {
        let place = place
        return place.kind == .string && inside(place) { JSONString.isText($0, hasEscapes: place.hasEscapes, text) }
    }

    /// The first member of that name; nil when it is missing, null, or this is no object.
    public subscript(_ name: String) -> JSONNode? {
        guard let found = first(name), storage.places[found].kind != .null else { return nil }
        return JSONNode(storage: storage, index: found)
    }

    /// Whether an object has the member, null or not.
    public func has(_ name: String) -> Bool { first(name) != nil }

    private func first(_ wanted: String) -> Int? {
        var found: Int?
        eachIndex { name, value in
            let place = storage.places[name]
            guard inside(place, { JSONString.isText($0, hasEscapes: place.hasEscapes, wanted) }) else { return true }
            found = value
            return false
        }
        return found
    }

    /// Hands over the indices of each name and its value until `body` says to stop.
    private func eachIndex(_ body: (_ name: Int, _ value: Int) -> Bool) {
        let place = place
        guard place.kind == .object else { return }
        var at = index + 1
        while at < Int(place.next) {
            guard body(at, at + 1) else { return }
            at = Int(storage.places[at + 1].next)
        }
    }

    /// A string's bytes without its quotes.
    private func inside<Result>(_ place: JSONScanner.Place, _ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        storage.bytes.withUnsafeBufferPointer { bytes in
            body(UnsafeBufferPointer(rebasing: bytes[(Int(place.start) + 1)..<(Int(place.end) - 1)]))
        }
    }
}
