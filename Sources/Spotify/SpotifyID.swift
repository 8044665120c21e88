/// A Spotify ID: 22 characters of base62 (developer.spotify.com, concepts/spotify-uris-ids).
public struct SpotifyID: Hashable, Sendable, CustomStringConvertible {
    /// The 22 characters.
    public let text: String

    public var description: String { text }

    /// The ID that a text is, exactly; nil for anything else.
    public init?(_ text: some StringProtocol) {
        let isID = text.utf8.withContiguousStorageIfAvailable { $0.count == 22 && $0.allSatisfy(Self.isBase62) }
        guard isID ?? (text.utf8.count == 22 && text.utf8.allSatisfy(Self.isBase62)) else { return nil }
        self.text = String(text)
    }

    /// The ID of a given kind that a text names: as the bare ID, as a URI or as a link of that kind. Nil for anything else, short
    /// links included: nothing is ever fetched to find out.
    public init?(_ text: String, kind: ObjectKind) {
        if let id = SpotifyID(text) {
            self = id
        } else if let named = Self.named(by: text), named.kind == kind {
            self = named.id
        } else {
            return nil
        }
    }

    /// What a URI (`spotify:track:ID`) or a link (`https://open.spotify.com/intl-de/track/ID?si=...`) names; nil for anything else.
    /// One slash after the scheme is as good as two (nginx merges them in a path), and the scheme may be missing.
    public static func named(by text: String) -> (kind: ObjectKind, id: SpotifyID)? {
        let parts: [Substring]
        let place = text.prefix { $0 != "?" && $0 != "#" }
        if let rest = place.without(prefix: "spotify:") {
            parts = rest.split(separator: ":", omittingEmptySubsequences: false)
        } else if let path = linkPath(place) {
            parts = path
        } else {
            return nil
        }
        guard parts.count == 2, let kind = ObjectKind(rawValue: String(parts[0])), let id = SpotifyID(parts[1]) else { return nil }
        return (kind, id)
    }

    /// The path of a link to open.spotify.com, without the part that names a language.
    private static func linkPath(_ link: Substring) -> [Substring]? {
        var rest = link
        if let bare = link.without(prefix: "https:/") ?? link.without(prefix: "http:/") {
            rest = bare.without(prefix: "/") ?? bare
        }
        guard let path = rest.without(prefix: "open.spotify.com/") else { return nil }
        var parts = (path.hasSuffix("/") ? path.dropLast() : path).split(separator: "/", omittingEmptySubsequences: false)
        if let first = parts.first, first.hasPrefix("intl-") { parts.removeFirst() }
        return parts
    }

    private static func isBase62(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
        default: false
        }
    }
}

extension Substring {
    /// The rest after a prefix of ASCII, whose case does not matter; nil when it is not there.
    fileprivate func without(prefix: String) -> Substring? {
        let lowered = utf8.prefix(prefix.utf8.count).map { (65...90).contains($0) ? $0 + 32 : $0 }
        guard lowered.elementsEqual(prefix.utf8) else { return nil }
        return self[utf8.index(startIndex, offsetBy: lowered.count)...]
    }
}

/// The kinds of Spotify objects that this program looks up, by their name in URIs and links.
public enum ObjectKind: String, Sendable, CaseIterable {
    case track, album, artist, playlist
}
