/// A search query: as it was typed, which is what Spotify is asked, and as a key that tells apart what Spotify tells apart.
///
/// Two queries are equal when their keys are: case and spaces make no second lookup. But `NOT` and `OR` are operators in capitals
/// alone, and the names of field filters (`artist:`) and the values of `tag:` are Spotify's words and not the caller's: these keep
/// their case in the key (Web API reference, search, `q`). Whatever is a key is its own key.
public struct SearchTerm: Hashable, Sendable {
    /// Without NUL, at which some readers of texts stop.
    public let typed: String
    /// In lower case but for operators and filters, words parted by one space.
    public let key: String

    /// The longest query, in Unicode scalars. Spotify's end is 250 characters, however it counts them: what is near is its to say.
    public static let longest = 300

    private static let operators: Set<String> = ["NOT", "OR", "AND"]
    private static let filters: Set<String> = ["album", "artist", "track", "year", "upc", "isrc", "genre", "label", "tag"]

    /// nil for a query without anything but spaces and control characters, or longer than `longest`.
    public init?(_ query: String) {
        guard query.unicodeScalars.count <= Self.longest else { return nil }
        let words = query.unicodeScalars.split { $0.properties.isWhitespace || $0.properties.generalCategory == .control }
        guard !words.isEmpty else { return nil }
        key = words.map(Self.key(of:)).joined(separator: " ")
        typed =
            query.unicodeScalars.contains("\0")
            ? String(String.UnicodeScalarView(query.unicodeScalars.map { $0 == "\0" ? " " : $0 })) : query
    }

    /// A word piece by piece: what stands in parentheses and quotes, and before and after a colon.
    private static func key(of word: Substring.UnicodeScalarView) -> String {
        var key = ""
        var rest = word
        var isTag = false
        while let first = rest.first {
            let isLetter = first.properties.isAlphabetic
            let piece = rest.prefix { $0.properties.isAlphabetic == isLetter }
            rest = rest[piece.endIndex...]
            let text = String(String.UnicodeScalarView(piece))
            let isFilter = rest.first == ":" && filters.contains(text.lowercased())
            key += isTag || isFilter || operators.contains(text) ? text : text.lowercased()
            if isFilter { isTag = text.lowercased() == "tag" }
        }
        return key
    }

    public static func == (one: SearchTerm, other: SearchTerm) -> Bool { one.key.utf8.elementsEqual(other.key.utf8) }

    public func hash(into hasher: inout Hasher) { key.utf8.forEach { hasher.combine($0) } }
}
