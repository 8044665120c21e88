import Spotify

/// One thing that Spotify can be asked for in one call.
///
/// Its `name` is the key of its record in the caches (below `catalog:`), of its lookup in the turnstile, and of those who wait
/// for it; every process of a host reads it the same way (ResourceName.swift).
public enum Resource: Hashable, Sendable {
    /// `GET /v1/{tracks,albums,artists,playlists}/{id}`.
    case object(ObjectKind, SpotifyID, market: Market?)
    /// `GET /v1/albums/{id}/tracks`, a page of 50; the first stands in the album itself.
    case albumTracks(SpotifyID, offset: Int, market: Market?)
    /// `GET /v1/artists/{id}/albums`, a page of 50.
    case artistAlbums(SpotifyID, groups: AlbumGroups, offset: Int, market: Market?)
    /// `GET /v1/playlists/{id}/items`, a page of 50 (`/tracks` for accounts in extended mode); the first 100 stand in the playlist itself.
    case playlistItems(SpotifyID, PlaylistPart, offset: Int, market: Market?)
    /// `GET /v1/search`, a page of 10.
    case search(SearchTerm, kinds: [ObjectKind], offset: Int, market: Market?)
    /// `GET /v1/artists/{id}/top-tracks`; closed in development mode.
    case topTracks(SpotifyID, market: Market?)
}

/// What development mode calls `items` and extended mode `tracks`.
public enum PlaylistPart: String, Hashable, Sendable {
    case items, tracks

    /// The member of an element that holds the track.
    var element: String { self == .items ? "item" : "track" }

    /// What the other mode calls it.
    var other: PlaylistPart { self == .items ? .tracks : .items }
}

/// The sizes of the pages that are asked upstream and kept as records.
public enum PageSize {
    /// The most that the Web API gives of an album's tracks, an artist's albums and a playlist's items.
    public static let list = 50
    /// The most that search gives in development mode.
    public static let search = 10
}

/// A search query, normalised so that spaces and case make no second lookup.
public struct SearchTerm: Hashable, Sendable {
    public let text: String

    /// The longest query, in Unicode scalars.
    public static let longest = 300

    /// nil for a query without anything but spaces and control characters, or longer than `longest`.
    public init?(_ query: String) {
        guard query.unicodeScalars.count <= Self.longest else { return nil }
        let words = query.lowercased().unicodeScalars.split { $0.properties.isWhitespace || $0.properties.generalCategory == .control }
        guard !words.isEmpty else { return nil }
        text = words.map { String($0) }.joined(separator: " ")
    }

    /// A text that was such a term's.
    init?(normalised text: String) {
        guard !text.isEmpty else { return nil }
        self.text = text
    }
}

/// A choice among an artist's albums (`include_groups`); all of them when empty.
public struct AlbumGroups: Hashable, Sendable {
    /// In the Web API's order.
    public static let known = ["album", "single", "compilation", "appears_on"]
    public let names: [String]

    public static let all = AlbumGroups(names: [])

    /// nil when a name is not known.
    public init?(_ text: String) {
        let asked = Set(text.split(separator: ",").map(String.init))
        guard !asked.isEmpty, asked.isSubset(of: Self.known) else { return nil }
        names = asked.count == Self.known.count ? [] : Self.known.filter(asked.contains)
    }

    private init(names: [String]) { self.names = names }

    var text: String { names.joined(separator: ",") }
}
