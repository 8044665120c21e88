import Platform

/// Where a request found the mirror: what its links begin with. Never stored.
public struct LinkBase: Sendable, Equatable {
    /// `https://host`; empty where the request names no host that could be written.
    public var origin: String
    /// Asked as `/v1/...`, on a host name of the mirror's own, and not as `/spotify/v1/...`.
    public var isBare: Bool

    public init(_ origin: String, isBare: Bool = false) {
        self.origin = origin
        self.isBare = isBare
    }

    /// Up to `/v1`.
    var root: String { origin + (isBare ? "/v1" : MirrorLink.folder + "/v1") }
}

/// The mirror's links: those that it writes for its own lists, and Spotify's made into its own. Every one of them is a path and a query
/// that the mirror reads.
enum MirrorLink {
    /// What a link has beyond a bare host's: stored links have it, and lose it where they are served without.
    static let folder = "/spotify"

    private static let spotify = ["https://api.spotify.com/v1/", "http://api.spotify.com/v1/"]

    /// The mirror's path and query for a link of Spotify's to a list that an object holds, `/spotify/v1/albums/...`; nil for any other text.
    /// - Parameters:
    ///   - name: what the list's last part is called here.
    ///   - kept: what the object was asked for with, in case the link does not say so itself.
    static func path(_ link: String?, to name: String, kept: [(name: String, value: String)] = []) -> String? {
        guard let link, let rest = spotify.lazy.compactMap({ link.dropPrefix($0) }).first else { return nil }
        let cut = rest.firstIndex(of: "?") ?? rest.endIndex
        var segments = rest[..<cut].split(separator: "/")
        // As links to playlists were until 2018.
        if segments.count > 3, segments[0] == "users", segments[2] == "playlists" { segments.removeFirst(2) }
        guard segments.count == 3, let known = lists[String(segments[0])], known.contains(String(segments[2])) else { return nil }
        let query = rest[cut...].dropFirst()
        let missing = kept.filter { item in !query.split(separator: "&").contains { $0.hasPrefix("\(item.name)=") } }
        let items = (query.isEmpty ? [] : [String(query)]) + missing.map(text)
        return "\(folder)/v1/\(segments[0])/\(segments[1])/\(name)" + (items.isEmpty ? "" : "?" + items.joined(separator: "&"))
    }

    /// The lists that stand in objects.
    private static let lists: [String: [String]] = [
        "albums": ["tracks"], "playlists": ["tracks", "items"], "shows": ["episodes"], "audiobooks": ["chapters"],
    ]

    /// One parameter of a query. The comma stays, as in the Web API's links.
    static func text(_ item: (name: String, value: String)) -> String {
        "\(item.name)=\(PercentEncoding.encode(item.value, keeping: ","))"
    }
}

/// How far lists may be asked for.
public enum ListLimits {
    /// No list of Spotify's is longer.
    public static let lastOffset = 100_000
    /// Search gives a thousand results of a kind.
    public static let searchResults = 1000
}
