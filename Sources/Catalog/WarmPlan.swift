import JSON
import Spotify

/// In which calls a list of things is had, with as few as may be.
///
/// Playlists, albums and artists go first: a playlist brings its tracks whole. Of an album that is known the unknown tracks are searched for,
/// and what is unknown in the end is asked for alone. Where one call asks for many objects (extended mode) nothing is searched for. A value: whoever carries it out queues what it names and says what was settled.
public struct WarmPlan {
    private let records: RecordStore
    /// Playlists, albums and artists, in order.
    private let leaders: [Resource]
    /// In the order of the list.
    private let tracks: [Resource]
    private let wanted: Set<Resource>
    /// Of what is wanted, and of albums that are not, what is not settled yet.
    private var open: Set<Resource>
    private var searches: [Resource: AlbumSearch] = [:]
    private var hasNamedTracks = false
    private let batchSize: (ObjectKind) -> Int

    /// - Parameters:
    ///   - wanted: what is not known, in order.
    ///   - albums: the albums that tracks among them are said to be of, known or not, and how many.
    ///   - batchSize: how many of a kind one call asks for.
    public init(
        _ wanted: [Resource], albums: [Resource: Int] = [:], records: RecordStore, batchSize: @escaping (ObjectKind) -> Int = { _ in 1 }
    ) {
        self.records = records
        self.batchSize = batchSize
        let albums = batchSize(.track) > 1 ? [:] : albums
        self.wanted = Set(wanted)
        tracks = wanted.filter { $0.kind == .track }
        let named = wanted.filter { $0.kind != .track }
        let hinted = albums.filter { [all = self.wanted] in $0.value >= AlbumSearch.fewest && !all.contains($0.key) }.map(\.key)
        leaders = named.filter { $0.kind == .playlist } + named.filter { $0.kind != .playlist } + hinted.sorted { $0.name < $1.name }
        open = self.wanted.union(hinted)
    }

    /// How many wanted things are not settled.
    public var left: Int { open.count { wanted.contains($0) } }

    /// Tracks of the list that are not settled, in its order.
    public var openTracks: [Resource] { tracks.filter(open.contains) }

    /// About how many calls are left to be made. Before an album is known nobody can tell which tracks its search will bring; a list that
    /// names albums beside its tracks is taken to name those of its tracks.
    public var estimatedCalls: Int {
        if areShared || hasNamedTracks {
            return ObjectKind.allCases.reduce(0) { calls, kind in
                let size = batchSize(kind)
                return calls + (open.count { $0.kind == kind } + size - 1) / size
            }
        }
        let leading = open.filter { $0.kind != .track }
        let albums = max(leading.count { $0.kind == .album }, searches.count)
        let unknown = open.count - leading.count
        return leading.count + (albums == 0 ? unknown : min(unknown, albums * Self.pages(of: (unknown + albums - 1) / albums)))
    }

    /// Tracks are had many a call.
    private var areShared: Bool { batchSize(.track) > 1 }

    private static func pages(of tracks: Int) -> Int { (tracks + PageSize.search - 1) / PageSize.search }

    /// What is to be queued first, in order.
    public mutating func begin() throws -> [Resource] {
        var first: [Resource] = []
        for resource in leaders {
            if try records.isKnown(resource) { first += try settle(resource) } else { first.append(resource) }
        }
        return first + rest()
    }

    /// A lookup of these is over, well or not: what is to be queued now.
    public mutating func settled(_ resources: [Resource]) throws -> [Resource] {
        var next: [Resource] = []
        for resource in resources { next += try settle(resource) }
        return next + rest()
    }

    private mutating func settle(_ resource: Resource) throws -> [Resource] {
        if let search = searches.removeValue(forKey: resource) {
            let unknown = try search.tracks.filter { try !records.isKnown($0) }
            open.subtract(Set(search.tracks).subtracting(unknown))
            return begin(search.next(unknown: unknown))
        }
        guard open.remove(resource) != nil, case .hit(let served) = try records.read(resource) else { return [] }
        if resource.kind == .playlist {
            open.subtract(ParsedAnswer(resource, Array(served.record.body))?.lines.map(\.resource) ?? [])
        }
        guard resource.kind == .album, let album = try? JSONDocument(served.record.body).root, let listed = ListedTracks(resource, album)
        else { return [] }
        return begin(AlbumSearch(album, tracks: try listed.resources.filter { try open.contains($0) && !records.isKnown($0) }))
    }

    private mutating func begin(_ search: AlbumSearch?) -> [Resource] {
        // Another album of the same name and artist is found by the same search.
        guard let search, !areShared, searches[search.page] == nil else { return [] }
        searches[search.page] = search
        return [search.page]
    }

    /// When nothing is under way that might bring them: the tracks that are still unknown, each for itself.
    private mutating func rest() -> [Resource] {
        let isAwaited = leaders.contains { open.contains($0) && (!areShared || $0.kind == .playlist) }
        guard !hasNamedTracks, searches.isEmpty, !isAwaited else { return [] }
        hasNamedTracks = true
        return openTracks
    }
}

extension RecordStore {
    /// It is kept, or Spotify has refused it lately.
    public func isKnown(_ resource: Resource) throws -> Bool {
        switch try read(resource) {
        case .hit(let served): resource.cache == .spotify || served.freshness == .fresh
        case .denied: true
        case .miss: false
        }
    }
}

extension Resource {
    /// Of an object.
    fileprivate var kind: ObjectKind? {
        if case .object(let kind, _, _) = self { kind } else { nil }
    }
}
