/// The one writer of JSON (RFC 8259): compact, members in the order in which they are given.
///
/// It is given values piece by piece, or a `JSONValue` whole. What comes out of it goes over the wire and into tokens, so every way in
/// which two of its users' bytes differ is a `Style`.
public struct JSONWriter: Sendable {
    public struct Style: Sendable {
        public var escapes: JSONEscapes
        /// Whether the members of a `JSONValue` are sorted by their names' bytes, as Python's `sort_keys` and Foundation's do.
        public var sortsNames: Bool
        /// Two spaces for each level, a member or an element a line, as Foundation prints for people.
        public var isPretty: Bool
        /// How the text of a `JSONValue`'s number is written; nil: as it is.
        public var number: (@Sendable (String) -> String)?

        public init(
            escapes: JSONEscapes = [], sortsNames: Bool = false, isPretty: Bool = false, number: (@Sendable (String) -> String)? = nil
        ) {
            self.escapes = escapes
            self.sortsNames = sortsNames
            self.isPretty = isPretty
            self.number = number
        }

        /// As short as the grammar allows; what must be escaped is written `\u00xx`.
        public static let compact = Style()
    }

    public private(set) var bytes: [UInt8] = []
    private let style: Style
    private var needsComma = false
    private var follows = false
    private var depth = 0

    public init(_ style: Style = .compact, reserving capacity: Int = 4096) {
        self.style = style
        bytes.reserveCapacity(capacity)
    }

    /// Where the next value will begin, after the comma that it may need. Compact only.
    public var position: Int { bytes.count + (needsComma ? 1 : 0) }

    // MARK: Containers

    public mutating func object(_ members: (inout JSONWriter) throws -> Void) rethrows {
        begin(UInt8(ascii: "{"))
        try members(&self)
        end(UInt8(ascii: "}"))
    }

    public mutating func array(_ elements: (inout JSONWriter) throws -> Void) rethrows {
        begin(UInt8(ascii: "["))
        try elements(&self)
        end(UInt8(ascii: "]"))
    }

    public mutating func key(_ name: String) {
        string(name)
        if style.isPretty { bytes += " : ".utf8 } else { bytes.append(UInt8(ascii: ":")) }
        needsComma = false
        follows = true
    }

    // MARK: Members

    public mutating func member(_ name: String, _ value: String?) {
        key(name)
        if let value { string(value) } else { null() }
    }

    public mutating func member(_ name: String, _ value: Int?) {
        key(name)
        if let value { integer(value) } else { null() }
    }

    public mutating func member(_ name: String, _ value: Bool) {
        key(name)
        bool(value)
    }

    public mutating func member(_ name: String, _ value: JSONValue) {
        key(name)
        self.value(value)
    }

    /// A member whose value is JSON already; null when nil.
    public mutating func member(_ name: String, raw value: (some Collection<UInt8>)?) {
        key(name)
        if let value { raw(value) } else { null() }
    }

    // MARK: Values

    public mutating func null() { write("null") }
    public mutating func bool(_ value: Bool) { write(value ? "true" : "false") }

    public mutating func integer(_ value: some BinaryInteger) {
        separate()
        bytes += String(value).utf8
        needsComma = true
    }

    public mutating func string(_ text: String) {
        separate()
        style.escapes.append(text, to: &bytes)
        needsComma = true
    }

    /// A value that is JSON already.
    public mutating func raw(_ text: some Collection<UInt8>) {
        separate()
        bytes.append(contentsOf: text)
        needsComma = true
    }

    public mutating func value(_ value: JSONValue) {
        switch value {
        case .null: null()
        case .bool(let value): bool(value)
        case .number(let text): raw((style.number?(text) ?? text).utf8)
        case .string(let text): string(text)
        case .array(let items): array { writer in for item in items { writer.value(item) } }
        case .object(let members):
            let ordered =
                style.sortsNames ? members.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) } : members
            object { writer in for member in ordered { writer.member(member.name, member.value) } }
        }
    }

    /// A value as text.
    public static func bytes(of value: JSONValue, _ style: Style = .compact) -> [UInt8] {
        var writer = JSONWriter(style, reserving: 256)
        writer.value(value)
        return writer.bytes
    }

    /// A text as a JSON string.
    public static func quoted(_ text: String, _ escapes: JSONEscapes = []) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count + 2)
        escapes.append(text, to: &bytes)
        return bytes
    }

    // MARK: Between values

    private mutating func begin(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
        depth += 1
        // Foundation puts a line between the brackets of an empty container, too.
        if style.isPretty { bytes.append(UInt8(ascii: "\n")) }
    }

    private mutating func end(_ bracket: UInt8) {
        depth -= 1
        if style.isPretty {
            bytes.append(UInt8(ascii: "\n"))
            indent()
        }
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        if style.isPretty, !follows {
            if needsComma { bytes.append(UInt8(ascii: "\n")) }
            indent()
        }
        follows = false
        needsComma = false
    }

    private mutating func indent() { bytes += repeatElement(UInt8(ascii: " "), count: 2 * depth) }

    private mutating func write(_ word: StaticString) {
        separate()
        word.withUTF8Buffer { bytes.append(contentsOf: $0) }
        needsComma = true
    }
}

/// What is escaped in strings beyond what must be: quotes, backslashes and control characters (RFC 8259, section 7).
public struct JSONEscapes: OptionSet, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// `\b \f \n \r \t` in place of `\u0008` and its like.
    public static let short = JSONEscapes(rawValue: 1)
    /// Everything beyond `~`, in UTF-16 (Python's `ensure_ascii`).
    public static let nonASCII = JSONEscapes(rawValue: 2)
    /// `\/`, as Foundation writes it.
    public static let slash = JSONEscapes(rawValue: 4)

    /// Appends the text as a JSON string.
    func append(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { content in
            var plain = 0
            for place in 0..<content.count {
                let byte = content[place]
                guard mustEscape(byte) else { continue }
                bytes.append(contentsOf: content[plain..<place])
                plain = place + 1
                // Of a character of several bytes the first brings all, and the others nothing.
                if byte < 0x80 { escape(byte, to: &bytes) } else if byte >= 0xC0 { escape(characterAt: place, in: content, to: &bytes) }
            }
            bytes.append(contentsOf: content[plain...])
        }
        bytes.append(UInt8(ascii: "\""))
    }

    @inline(__always)
    private func mustEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte > 0x7E && contains(.nonASCII)
            || byte == UInt8(ascii: "/") && contains(.slash)
    }

    private func escape(_ byte: UInt8, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes.append(byte)
        case 8 where contains(.short): bytes.append(UInt8(ascii: "b"))
        case 12 where contains(.short): bytes.append(UInt8(ascii: "f"))
        case 10 where contains(.short): bytes.append(UInt8(ascii: "n"))
        case 13 where contains(.short): bytes.append(UInt8(ascii: "r"))
        case 9 where contains(.short): bytes.append(UInt8(ascii: "t"))
        default: Self.appendUnit(UInt16(byte), to: &bytes)
        }
    }

    private func escape(characterAt place: Int, in content: UnsafeBufferPointer<UInt8>, to bytes: inout [UInt8]) {
        let length = content[place] < 0xE0 ? 2 : content[place] < 0xF0 ? 3 : 4
        let end = min(place + length, content.count)
        for unit in String(decoding: UnsafeBufferPointer(rebasing: content[place..<end]), as: UTF8.self).utf16 {
            bytes.append(UInt8(ascii: "\\"))
            Self.appendUnit(unit, to: &bytes)
        }
    }

    private static func appendUnit(_ unit: UInt16, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "u"))
        for shift: UInt16 in [12, 8, 4, 0] {
            let digit = UInt8(unit >> shift & 15)
            bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }
}
