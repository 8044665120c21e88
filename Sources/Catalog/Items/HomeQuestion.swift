import CSystem
import Spotify

/// `GET /api/catalog/home/recommendations`: artists who are asked for here, then those of the tracks that are asked for; in an empty
/// house, whom a search for this year's releases finds.
public struct HomeQuestion: Question {
    public let mayBePatchy = true
    static let mostArtists = 18

    public init() {}

    public func compose(_ reader: inout Reader) throws -> ArraySlice<UInt8>? {
        var selection = Selection(of: .artist, atMost: Self.mostArtists)
        var strategy = "recently_used"
        selection.add(try KnownObjects.lately(.artist, &reader))
        if !selection.isFull { selection.add(try artistsOfTracks(&reader)) }
        if selection.items.isEmpty, let term = SearchTerm("year:\(TrendingQuestion.year(of: csys_wall_ms()))") {
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

    private func artistsOfTracks(_ reader: inout Reader) throws -> [Element] {
        var seen: Set<String> = []
        var artists: [Element] = []
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
