import JSON
import Spotify
import Testing

@testable import Catalog

@Suite struct QuestionTests {
    let house: House
    init() throws { house = try House() }

    @Test("An answer without links has one tag under every name of the host, an answer with links one for each")
    func tags() throws {
        let track = Resource.object(.track, Sample.id(1), market: nil)
        let album = Resource.object(.album, Sample.id(2), market: nil)
        try house.learn(track, Sample.track(1, by: 3))
        try house.learn(album, Sample.album(2, tracks: 0..<2, total: 2))
        #expect(try house.composed(ObjectQuestion(track)).tag == house.composed(ObjectQuestion(track), base: "http://two").tag)
        #expect(try house.composed(ObjectQuestion(album)).tag != house.composed(ObjectQuestion(album), base: "http://two").tag)
        let batch = BatchQuestion(kind: .track, ids: [Sample.id(1)], market: nil)
        #expect(try house.composed(batch).tag == house.composed(batch, base: "http://two").tag)
        #expect(try house.composed(ObjectQuestion(track), filled: true).tag != house.composed(ObjectQuestion(track)).tag)
    }

    @Test("A batch keeps order and repeats, and null means that Spotify said 404")
    func batch() throws {
        try house.learn(.object(.artist, Sample.id(1), market: nil), Sample.artist(1))
        try house.refuse(.object(.artist, Sample.id(2), market: nil), 404)
        let ids = [2, 1, 1, 2].map(Sample.id)
        let answer = try house.composed(BatchQuestion(kind: .artist, ids: ids, market: nil))
        let one = Sample.artist(1)
        #expect(answer.text == #"{"artists":[null,\#(one),\#(one),null]}"#)
        #expect(answer.ttl > 3500 && answer.ttl <= 3600, "the refusal is asked again first")
        guard case .missing(let missing) = try house.answer(BatchQuestion(kind: .artist, ids: [3, 1, 3, 4].map(Sample.id), market: nil))
        else {
            Issue.record("something is missing")
            return
        }
        #expect(missing == [3, 4].map { .object(.artist, Sample.id($0), market: nil) })
    }

    @Test("A batch of nothing but refusals says when they end, not that it is good for ever")
    func refusedBatch() throws {
        try house.refuse(.object(.artist, Sample.id(2), market: nil), 404)
        let answer = try house.composed(BatchQuestion(kind: .artist, ids: [Sample.id(2)], market: nil))
        #expect((3500...3600).contains(answer.ttl) && answer.tier == .sqlite)
    }

    @Test("An album of more than 50 tracks needs its other pages, and is served without them at the end")
    func longAlbum() throws {
        let album = Sample.id(2)
        try house.learn(.object(.album, album, market: nil), Sample.album(2, tracks: 0..<50, total: 60))
        let question = PartsQuestion(.albumTracks, of: album, offset: 45, limit: 10, market: nil)
        guard case .missing(let missing) = try house.answer(question) else { throw House.Unreadable() }
        #expect(missing == [.albumTracks(album, offset: 50, market: nil)])
        let patchy = try house.composed(AlbumItemQuestion(id: album), isLast: true)
        #expect(!patchy.pending.isEmpty)
        let document = try patchy.parsed()
        #expect(document["tracks"]?.elements.count == 50)
        #expect(document["pending"]?.elements.count == 1)
        try house.learn(.albumTracks(album, offset: 50, market: nil), Sample.page((50..<60).map(Sample.simpleTrack), total: 60, offset: 50))
        let names = try house.composed(question).parsed()
        #expect(names["items"]?.elements.map { $0["name"]?.string } == (45..<55).map { "\($0)" })
        #expect(names["next"]?.string == "http://one/spotify/v1/albums/\(album.text)/tracks?offset=55&limit=10")
        #expect(try house.composed(AlbumItemQuestion(id: album)).parsed()["tracks"]?.elements.count == 60)
    }

    @Test("An album that is gone is served with the tracks that are here")
    func goneAlbum() throws {
        let album = Sample.id(2)
        let resource = Resource.object(.album, album, market: nil)
        try house.learn(resource, Sample.album(2, tracks: 0..<50, total: 60))
        try house.refuse(resource, 404)
        try house.refuse(.albumTracks(album, offset: 50, market: nil), 404)
        let answer = try house.composed(AlbumItemQuestion(id: album))
        #expect(answer.refusedWith == 404 && answer.freshness == .stale && answer.ttl <= 0)
        #expect(try answer.parsed()["tracks"]?.elements.count == 50)
    }

    @Test("A list that became shorter between its pages ends early, and one that grew goes on")
    func changingTotals() throws {
        let artist = Sample.id(1)
        func page(_ offset: Int) -> Resource { .artistAlbums(artist, groups: .all, offset: offset, market: nil) }
        try house.learn(page(0), Sample.page((0..<50).map(Sample.simpleTrack), total: 80))
        try house.learn(page(50), Sample.page((50..<55).map(Sample.simpleTrack), total: 55, offset: 50))
        func ask(_ offset: Int, _ limit: Int) throws -> JSONNode {
            try house.composed(ArtistAlbumsQuestion(id: artist, groups: .all, offset: offset, limit: limit, market: nil)).parsed()
        }
        let across = try ask(40, 50)
        #expect(across["items"]?.elements.count == 15)
        let last = try ask(50, 50)
        #expect(last["items"]?.elements.count == 5 && last["next"] == nil && last["total"]?.integer == 55)
        let grown = try ask(0, 50)
        #expect(grown["next"]?.string?.hasSuffix("offset=50&limit=50") == true)
    }

    @Test("A playlist that may not be read: its items are forbidden in the mirror and none in the catalog")
    func closedPlaylist() throws {
        try house.learn(.object(.playlist, Sample.id(4), market: nil), Sample.playlist(4, items: nil))
        let items = PlaylistItemsQuestion(id: Sample.id(4), part: .tracks, offset: 0, limit: 100, market: nil)
        guard case .denied(let denied) = try house.answer(items) else { throw House.Unreadable() }
        #expect(denied.denial.status == 403)
        let item = try house.composed(PlaylistItemQuestion(id: Sample.id(4), limit: 200)).parsed()
        #expect(item["tracks"]?.elements.isEmpty == true && item["tracks_total"]?.integer == 0)
    }

    @Test("A whole number is one however Spotify writes it")
    func wholeNumbers() throws {
        let page = #"{"items":[{"id":"\#(Sample.id(1).text)","type":"album","popularity":4e1,"duration_ms":204053.0}],"total":1.0}"#
        try house.learn(.artistAlbums(Sample.id(3), groups: Discography.groups, offset: 0, market: nil), page)
        let albums = try house.composed(ArtistDiscographyQuestion(id: Sample.id(3), limit: 50)).text
        #expect(albums.contains(#""duration_ms":204053,"popularity":40,"#) && albums.hasSuffix(#""total":1}"#))
        #expect(albums.contains(#""popularity":4e1,"duration_ms":204053.0}"#), "Spotify's own bytes stay as they are")
    }

    @Test("Null items, local files and episodes are left out of a catalog playlist and stay in the mirror's")
    func nullItems() throws {
        let episode = #"{"item":{"id":"\#(Sample.id(7).text)","type":"episode","name":"E"}}"#
        let elements = [
            "null", #"{"item":null}"#, #"{"item":{"id":null,"type":"track","name":"local"}}"#, episode,
            #"{"item":\#(Sample.track(1, by: 2))}"#,
        ]
        try house.learn(.object(.playlist, Sample.id(4), market: nil), Sample.playlist(4, items: Sample.page(elements, total: 5)))
        let item = try house.composed(PlaylistItemQuestion(id: Sample.id(4), limit: 200)).parsed()
        #expect(item["tracks"]?.elements.count == 1)
        let mirror = try house.composed(PlaylistItemsQuestion(id: Sample.id(4), part: .tracks, offset: 0, limit: 100, market: nil)).parsed()
        #expect(mirror["items"]?.elements.count == 5)
        #expect(mirror["items"]?.elements.last?["track"] != nil)
    }

    @Test("A playlist in a search has its count under both names, and links to this mirror")
    func listedPlaylists() throws {
        let term = try #require(SearchTerm("x"))
        let listed = #"{"id":"a","type":"playlist","items":{"href":"https://api.spotify.com/v1/playlists/a/items","total":3}}"#
        try house.learn(
            .search(term, kinds: [.playlist], offset: 0, market: nil), #"{"playlists":\#(Sample.page(["null", listed], total: 2))}"#)
        let question = SearchQuestion(term: term, query: "X", kinds: [.playlist], offset: 0, limit: 2, market: nil)
        let answer = try house.composed(question).parsed()
        let playlist = try #require(answer["playlists"]?["items"]?.elements.last)
        #expect(playlist["tracks"]?["href"]?.string == "http://one/spotify/v1/playlists/a/tracks")
        #expect(playlist["items"]?["href"]?.string == "http://one/spotify/v1/playlists/a/items")
        #expect(playlist["tracks"]?["total"]?.integer == 3)
    }

    @Test("The artist page leaves empty what Spotify refuses, and names what may still come")
    func artistPage() throws {
        let artist = Sample.id(1)
        try house.learn(.object(.artist, artist, market: nil), Sample.artist(1))
        try house.refuse(.artistAlbums(artist, groups: Discography.groups, offset: 0, market: nil), 404)
        let page = try house.composed(ArtistPageQuestion(id: artist), isLast: true).parsed()
        #expect(page["pending"]?.elements.map(\.string) == ["top_tracks"])
        #expect(page["albums"]?.elements.isEmpty == true)
    }

    @Test("Top tracks that extended mode gave are kept when the endpoint is closed")
    func oldTopTracks() throws {
        let artist = Sample.id(1)
        try house.learn(.topTracks(artist, market: nil), #"{"tracks":[\#(Sample.track(5, by: 1))]}"#)
        try house.refuse(.topTracks(artist, market: nil), 403)
        let answer = try house.composed(TopTracksQuestion(id: artist, market: nil))
        #expect(try answer.parsed()["tracks"]?.elements.count == 1)
        #expect(answer.freshness == .stale && answer.refusedWith == 403)
        #expect(try house.catalog.closedEndpoints() == ["top-tracks"])
    }
}
