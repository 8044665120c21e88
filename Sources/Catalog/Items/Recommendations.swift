import JSON
import Platform
import Spotify

/// `GET /api/catalog/home/recommendations`: artists who are asked for here, then those of the tracks that are asked for; in an empty
/// house, whom a search for this year's releases finds.
public struct HomeQuestion: Question {
    public let mayBePatchy = true
    private static let mostArtists = 18

    public init() {}

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        var selection = Selection(of: .artist, atMost: Self.mostArtists)
        var strategy = "recently_used"
        selection.add(try KnownObjects.lately(.artist, &reader))
        if !selection.isFull { selection.add(try artistsOfTracks(&reader)) }
        if selection.items.isEmpty, let term = SearchTerm("year:\(TrendingQuestion.year(of: reader.now.milliseconds))") {
            strategy = "new_this_year"
            let window = Window(offset: 0, limit: PageSize.search)
            let found = try? Search(term: term, kinds: [.artist], market: nil).list(of: .artist).stretch(window, &reader)
            selection.add(found?.elements ?? [])
        }
        let isPending = !reader.missing.isEmpty
        var writer = JSONWriter(reserving: 65_536)
        writer.object { writer in
            writer.member("strategy", strategy)
            selection.write(as: "artists", to: &writer)
            writePending(isPending ? ["artists"] : [], &writer)
        }
        return writer.bytes[...]
    }

    private func artistsOfTracks(_ reader: inout RecordReader) throws -> [JSONNode] {
        var seen: Set<String> = []
        var artists: [JSONNode] = []
        for track in try KnownObjects.lately(.track, &reader) {
            for id in track.artistIDs where seen.insert(id).inserted {
                guard let id = SpotifyID(id), let artist = try KnownObjects.object(.object(.artist, id, market: nil), &reader) else {
                    continue
                }
                artists.append(artist)
            }
            if artists.count >= Self.mostArtists { break }
        }
        return artists
    }
}

/// `GET /api/catalog/trending`: what is asked for here, and where that is little, what a search for this year's releases finds.
public struct TrendingQuestion: Question {
    let kind: ObjectKind
    let limit: Int
    let query: String
    public let mayBePatchy = true

    /// How many pages of the search are looked at.
    private static let searchPages = 2

    /// - Parameter now: whose year's releases are searched for.
    public init(kind: ObjectKind, limit: Int, now: WallTime = SystemClock().wall) {
        self.kind = kind
        self.limit = limit
        query = "year:\(Self.year(of: now.milliseconds))"
    }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        var selection = Selection(of: kind, atMost: limit)
        selection.add(try KnownObjects.lately(kind, &reader))
        var isPending = false
        if !selection.isFull, let term = SearchTerm(query) {
            let window = Window(offset: 0, limit: min(limit, Self.searchPages * PageSize.search))
            let found = try? Search(term: term, kinds: [kind], market: nil).list(of: kind).stretch(window, &reader)
            selection.add(found?.elements ?? [])
            isPending = !reader.missing.isEmpty
        }
        var writer = JSONWriter(reserving: 65_536)
        writer.object { writer in
            writer.member("type", kind.rawValue + "s")
            writer.member("query", query)
            selection.write(as: kind.rawValue + "s", to: &writer)
            writePending(isPending ? [kind.rawValue + "s"] : [], &writer)
        }
        return writer.bytes[...]
    }

    /// The Gregorian year of an instant, in UTC; days are counted from 1 March of the year 0 (a cycle has 146097 days).
    static func year(of milliseconds: Int64) -> Int64 {
        let days = milliseconds / 86_400_000 + 719_468
        let (cycle, day) = (days / 146_097, days % 146_097)
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365
        let dayOfYear = day - (365 * year + year / 4 - year / 100)
        return cycle * 400 + year + (dayOfYear >= 306 ? 1 : 0)
    }
}

/// `POST /api/catalog/recommendations`: tracks that are here, by the seeds' artists and of the seeds' genres; where they are few,
/// the best known tracks of one of the artists and what a search for one of the genres finds.
public struct RecommendationsQuestion: Question {
    let artists: [SpotifyID]
    let tracks: [SpotifyID]
    let genres: [String]
    let limit: Int
    public let mayBePatchy = true

    public init(artists: [SpotifyID], tracks: [SpotifyID], genres: [String], limit: Int) {
        self.artists = artists
        self.tracks = tracks
        self.genres = genres
        self.limit = limit
    }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        var selection = Selection(of: .track, atMost: limit, without: tracks.map(\.text))
        let seeds = try seedArtists(&reader)
        let here = try KnownObjects.lately(.track, &reader)
        let liked = Set(seeds.map(\.text)).union(try artistsOfGenres(&reader))
        selection.add(here.filter { !liked.isDisjoint(with: $0.artistIDs) })
        if !selection.isFull, let first = seeds.first {
            selection.add((try? TopTracks.read(of: first, atMost: limit, nil, &reader)) ?? [])
        }
        if !selection.isFull, let genre = genres.first, let term = SearchTerm("genre:\"\(genre)\"") {
            let window = Window(offset: 0, limit: min(limit, PageSize.search))
            let found = try? Search(term: term, kinds: [.track], market: nil).list(of: .track).stretch(window, &reader)
            selection.add(found?.elements ?? [])
        }
        if artists.isEmpty && tracks.isEmpty && genres.isEmpty { selection.add(here) }
        return write(selection, isPending: !reader.missing.isEmpty)
    }

    /// The artists that were named, and those of the tracks; a track that is not here is only asked for when nothing else is known.
    private func seedArtists(_ reader: inout RecordReader) throws -> [SpotifyID] {
        var seeds = artists
        for track in tracks {
            let element = try KnownObjects.object(.object(.track, track, market: nil), &reader)
            seeds += element?.artistIDs.compactMap { SpotifyID($0) } ?? []
        }
        if seeds.isEmpty, let first = tracks.first {
            // A seed that Spotify does not know is no seed.
            let document = try? reader.document(.object(.track, first, market: nil))
            seeds = document?.root.artistIDs.compactMap { SpotifyID($0) } ?? []
        }
        var seen: Set<SpotifyID> = []
        return seeds.filter { seen.insert($0).inserted }
    }

    private func artistsOfGenres(_ reader: inout RecordReader) throws -> [String] {
        guard !genres.isEmpty else { return [] }
        let wanted = Set(genres.map { $0.lowercased() })
        return try KnownObjects.lately(.artist, &reader).compactMap { artist in
            let own = artist["genres"]?.elements.compactMap { $0.string?.lowercased() } ?? []
            return wanted.isDisjoint(with: own) ? nil : artist["id"]?.string
        }
    }

    private func write(_ selection: Selection, isPending: Bool) -> ArraySlice<UInt8> {
        var writer = JSONWriter(reserving: 65_536)
        writer.object { writer in
            selection.write(as: "tracks", to: &writer)
            writer.key("seeds")
            writer.object { writer in
                for (name, seeds) in [("artists", artists.map(\.text)), ("tracks", tracks.map(\.text)), ("genres", genres)] {
                    writer.key(name)
                    writer.array { writer in for seed in seeds { writer.string(seed) } }
                }
            }
            writePending(isPending ? ["tracks"] : [], &writer)
        }
        return writer.bytes[...]
    }
}

/// What callers asked for in the last days, the best known first.
enum KnownObjects {
    static func lately(_ kind: ObjectKind, _ reader: inout RecordReader) throws -> [JSONNode] {
        var known: [(element: JSONNode, popularity: Int)] = []
        for resource in try reader.records.recentlyUsed.resources(of: kind) {
            guard let element = try object(resource, &reader) else { continue }
            known.append((element, element["popularity"]?.integer ?? -1))
        }
        // In development mode there is no popularity: they stay in the order in which they were fetched, the newest first.
        return known.reversed().enumerated().sorted { ($1.element.popularity, $0.offset) < ($0.element.popularity, $1.offset) }
            .map(\.element.element)
    }

    /// A record that is here, as an element.
    static func object(_ resource: Resource, _ reader: inout RecordReader) throws -> JSONNode? {
        try reader.known(resource).flatMap { try? JSONDocument($0.body).root }
    }
}

/// Items without repeats, up to a number.
private struct Selection {
    let kind: ObjectKind
    let most: Int
    private(set) var items: [CatalogItem] = []
    private var seen: Set<String>

    init(of kind: ObjectKind, atMost most: Int, without excluded: [String] = []) {
        self.kind = kind
        self.most = most
        seen = Set(excluded)
    }

    var isFull: Bool { items.count >= most }

    mutating func add(_ elements: [JSONNode]) {
        for element in elements where !isFull {
            guard let item = CatalogItem(kind, element), seen.insert(item.id).inserted else { continue }
            items.append(item)
        }
    }

    func write(as name: String, to writer: inout JSONWriter) {
        writer.key(name)
        writer.array { writer in for item in items { item.write(to: &writer) } }
        writer.member("total", items.count)
    }
}
