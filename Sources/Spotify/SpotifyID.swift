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
        if let id = SpotifyID(text) ?? SpotifyID(Self.place(in: text)) {
            self = id
        } else if let named = Self.named(by: text), named.kind == kind || named.kind == kind.nameInLinks {
            self = named.id
        } else {
            return nil
        }
    }

    /// What a URI (`spotify:track:ID`) or a link (`https://open.spotify.com/intl-de/track/ID?si=...`) names; nil for anything else.
    /// One slash after the scheme is as good as two (nginx merges them in a path), and the scheme may be missing. Playlists may be
    /// named with their owner, as they were until 2018: `spotify:user:NAME:playlist:ID`.
    public static func named(by text: String) -> (kind: ObjectKind, id: SpotifyID)? {
        var parts: ArraySlice<Substring>
        let place = place(in: text)
        if let rest = place.without(prefix: "spotify:") {
            parts = rest.split(separator: ":", omittingEmptySubsequences: false)[...]
        } else if let path = linkPath(place) {
            parts = path
        } else {
            return nil
        }
        if parts.count == 4, parts.first == "user", parts.dropFirst(2).first == "playlist" { parts = parts.dropFirst(2) }
        guard parts.count == 2, let kind = parts.first, let id = parts.last else { return nil }
        return ObjectKind(rawValue: String(kind)).flatMap { kind in SpotifyID(id).map { (kind, $0) } }
    }

    /// How many parts of a path the link that begins it takes, cut at the slashes: `open.spotify.com`, `embed`, `track`, ID are four.
    /// nil where no link begins.
    public static func linkLength(_ path: ArraySlice<String>) -> Int? {
        var rest = path
        if let first = rest.first, ["https:", "http:"].contains(first.lowercased()) { rest = rest.dropFirst() }
        guard let host = rest.first, hosts.contains(host.lowercased()) || rest.startIndex > path.startIndex else { return nil }
        rest = rest.dropFirst().drop { isDecoration($0) }
        let isOwned = rest.first == "user" && rest.dropFirst(2).first == "playlist"
        return path.count - rest.dropFirst(isOwned ? 4 : 2).count
    }

    private static let hosts = ["open.spotify.com", "play.spotify.com"]

    /// A text without what sharing adds to it.
    private static func place(in text: String) -> Substring { text.prefix { $0 != "?" && $0 != "#" } }

    /// What a link says besides the thing that it names: a language, or that it is shown in another page.
    private static func isDecoration(_ part: some StringProtocol) -> Bool {
        part.hasPrefix("intl-") || part == "embed" || part == "embed-podcast"
    }

    /// The path of a link to Spotify's player, without its decoration.
    private static func linkPath(_ link: Substring) -> ArraySlice<Substring>? {
        var rest = link
        if let bare = link.without(prefix: "https:/") ?? link.without(prefix: "http:/") {
            rest = bare.without(prefix: "/") ?? bare
        }
        guard let path = hosts.lazy.compactMap({ rest.without(prefix: "\($0)/") }).first else { return nil }
        let parts = (path.hasSuffix("/") ? path.dropLast() : path).split(separator: "/", omittingEmptySubsequences: false)
        return parts.drop { isDecoration($0) }
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
    case track, album, artist, playlist, show, episode, audiobook, chapter

    /// What a music server's own pages are made of.
    public static let music: [ObjectKind] = [.track, .album, .artist, .playlist]
    /// What the Web API searches for.
    public static let searchable: [ObjectKind] = allCases.filter { $0 != .chapter }

    /// The name in the Web API's paths.
    public var plural: String { rawValue + "s" }

    /// Spotify's own URIs and links call an audiobook a show, and a chapter an episode.
    var nameInLinks: ObjectKind {
        switch self {
        case .audiobook: .show
        case .chapter: .episode
        default: self
        }
    }
}
