import JSON
import Platform
import Spotify

/// Several tracks of one album that are not known, and the search that brings ten of them a call, whole: a list does not say all of a track
/// (`ListedTracks`), but what to search for. Who carries it out asks for `page`, then for `next`, as long as there is one.
struct AlbumSearch: Equatable {
    private let term: SearchTerm
    private let market: Market?
    private var offset = 0
    /// How many tracks the album has.
    private let total: Int
    /// What it is for.
    private(set) var tracks: [Resource]

    /// From so many tracks on it may cost less than asking for each.
    static let fewest = 3
    /// Spotify's end is 250 characters.
    private static let longestTerm = 200

    /// nil where it is not worth while, or the album's name cannot be searched for.
    /// - Parameters:
    ///   - album: what is known of the album.
    ///   - tracks: those of its tracks that are not known.
    init?(_ album: JSONNode, tracks: [Resource]) {
        guard tracks.count >= Self.fewest, let term = Self.term(for: album) else { return nil }
        self.term = term
        self.tracks = tracks
        market = tracks[0].market
        total = album["total_tracks"]?.integer ?? album["tracks"]?["total"]?.integer ?? tracks.count
    }

    /// How many of them callers have to wait for.
    var fewestWaiting: Int { offset == 0 ? Self.fewest : 2 }

    var page: Resource { .search(term, kinds: [.track], offset: offset, market: market) }

    /// The search for what is still unknown after a page, in its next one; nil where that would not cost less, or the last one has brought nothing.
    func next(unknown: [Resource]) -> AlbumSearch? {
        guard unknown.count < tracks.count, unknown.count > 1, offset + PageSize.search < total + 2 * PageSize.search else { return nil }
        var next = self
        next.tracks = unknown
        next.offset += PageSize.search
        return next
    }

    /// Web API reference, search: the field filters `album` and `artist`.
    private static func term(for album: JSONNode) -> SearchTerm? {
        func quoted(_ text: String?) -> String? {
            let plain = text.map { $0.filter { $0 != "\"" } } ?? ""
            return plain.isEmpty ? nil : "\"\(plain)\""
        }
        guard let name = quoted(album["name"]?.string), let artist = quoted(album["artists"]?.elements.first?["name"]?.string) else {
            return nil
        }
        let text = "album:\(name) artist:\(artist)"
        return text.utf8.count <= longestTerm ? SearchTerm(text) : nil
    }
}

/// The searches of a worker that are under way for its callers. After some that brought nothing none is begun for an hour: Spotify does not find by
/// name what it has.
struct AlbumSearches {
    private var searches: [Resource: AlbumSearch] = [:]
    private var inVain = 0
    private var restsUntil = MonotonicTime(nanoseconds: 0)

    private static let mostInVain = 3
    private static let rest = Duration.seconds(3600)
    /// Searches that never end, since another worker made the call, are forgotten together.
    private static let most = 1000

    func mayBegin(now: MonotonicTime) -> Bool { now >= restsUntil }

    mutating func begun(_ search: AlbumSearch) {
        if searches.count >= Self.most { searches = [:] }
        searches[search.page] = search
    }

    /// A call has ended: the search to go on with, where it was one of these.
    mutating func ended(_ resource: Resource, isUnknown: (Resource) -> Bool, now: MonotonicTime) -> AlbumSearch? {
        guard let search = searches.removeValue(forKey: resource) else { return nil }
        let unknown = search.tracks.filter(isUnknown)
        inVain = unknown.count < search.tracks.count ? 0 : inVain + 1
        if inVain >= Self.mostInVain { (inVain, restsUntil) = (0, now + Self.rest) }
        return search.next(unknown: unknown)
    }
}
