import Spotify

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

    public func compose(_ reader: inout Reader) throws -> ArraySlice<UInt8>? {
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
    private func seedArtists(_ reader: inout Reader) throws -> [SpotifyID] {
        var seeds = artists
        for track in tracks {
            let element = try KnownObjects.object(.object(.track, track, market: nil), &reader)
            seeds += element?.artistIDs.compactMap { SpotifyID($0) } ?? []
        }
        if seeds.isEmpty, let first = tracks.first {
            // A seed that Spotify does not know is no seed.
            let document = try? reader.document(.object(.track, first, market: nil))
            seeds = document.map { Element(document: $0, node: $0.root).artistIDs.compactMap { SpotifyID($0) } } ?? []
        }
        var seen: Set<SpotifyID> = []
        return seeds.filter { seen.insert($0).inserted }
    }

    private func artistsOfGenres(_ reader: inout Reader) throws -> [String] {
        guard !genres.isEmpty else { return [] }
        let wanted = Set(genres.map { $0.lowercased() })
        return try KnownObjects.lately(.artist, &reader).compactMap { artist in
            let own = artist.node["genres"]?.elements.compactMap { artist.document.string($0)?.lowercased() } ?? []
            return wanted.isDisjoint(with: own) ? nil : artist.document.string(artist.node["id"])
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
