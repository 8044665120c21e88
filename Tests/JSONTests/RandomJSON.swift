/// Numbers that look random and are the same in every run (SplitMix64), so that what fails once fails again.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }
}

/// Texts for the reader: documents of every form, and what is left of them after an accident.
struct RandomJSON {
    private var random: Seeded

    init(seed: UInt64) { random = Seeded(seed) }

    /// A document by RFC 8259: an array or an object.
    mutating func document() -> [UInt8] {
        Array((Bool.random(using: &random) ? array(depth: 4) : object(depth: 4)).utf8)
    }

    /// The document with one accident: a byte changed, taken away or put in, a piece doubled, or its end cut off.
    mutating func mutation(of document: [UInt8]) -> [UInt8] {
        var bytes = document
        let place = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes[place] = byte()
        case 1: bytes.remove(at: place)
        case 2: bytes.insert(byte(), at: place)
        case 3: bytes.insert(contentsOf: bytes[place..<min(place + 3, bytes.count)], at: place)
        default: bytes.removeSubrange(place...)
        }
        return bytes
    }

    /// Mostly bytes that mean something.
    private mutating func byte() -> UInt8 {
        Bool.random(using: &random)
            ? Array("{}[]\",:\\/0123456789.eE+-truefalsn \t\n\r".utf8).randomElement(using: &random) ?? 0
            : UInt8.random(in: 0...255, using: &random)
    }

    private mutating func value(depth: Int) -> String {
        switch Int.random(in: 0..<(depth > 0 ? 8 : 6), using: &random) {
        case 0: "null"
        case 1: Bool.random(using: &random) ? "true" : "false"
        case 2, 3: number()
        case 4, 5: string()
        case 6: array(depth: depth - 1)
        default: object(depth: depth - 1)
        }
    }

    private mutating func array(depth: Int) -> String {
        let items = (0..<Int.random(in: 0...4, using: &random)).map { _ in space() + value(depth: depth) + space() }
        return "[" + (items.isEmpty ? space() : items.joined(separator: ",")) + "]"
    }

    /// No name stands twice: what that means is each reader's own.
    private mutating func object(depth: Int) -> String {
        let members = (0..<Int.random(in: 0...4, using: &random)).map { number in
            let name = string().dropLast() + "\(number)\""
            return space() + name + space() + ":" + space() + value(depth: depth) + space()
        }
        return "{" + (members.isEmpty ? space() : members.joined(separator: ",")) + "}"
    }

    private mutating func number() -> String {
        var text = Bool.random(using: &random) ? "-" : ""
        text += Bool.random(using: &random) ? "0" : "\(Int.random(in: 1...99_999, using: &random))"
        if Bool.random(using: &random) { text += ".\(Int.random(in: 0...999, using: &random))" }
        if Int.random(in: 0..<4, using: &random) == 0 {
            text += ["e", "E"].randomElement(using: &random) ?? "e"
            text += ["", "+", "-"].randomElement(using: &random) ?? ""
            text += "\(Int.random(in: 0...20, using: &random))"
        }
        return text
    }

    private static let pieces = [
        "a", "Z", "0", " ", "/", "é", "ß", "夜", "😀", "\u{7f}", "\u{2028}", "\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t",
        "\\u00e9",
        "\\u0041", "\\ud83d\\ude00", "\\u001F", "abcdefgh", "https://open.spotify.com/track/",
    ]

    mutating func string() -> String {
        var text = "\""
        for _ in 0..<Int.random(in: 0...6, using: &random) { text += Self.pieces.randomElement(using: &random) ?? "" }
        return text + "\""
    }

    private mutating func space() -> String {
        Int.random(in: 0..<4, using: &random) == 0 ? [" ", "\n", "\t", "\r\n", "  "].randomElement(using: &random) ?? "" : ""
    }
}
