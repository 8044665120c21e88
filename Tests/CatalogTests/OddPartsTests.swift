import JSON
import Platform
import Spotify
import Testing

@testable import Catalog

/// One part that Spotify refuses, or answers oddly, takes no other part with it.
@Suite struct OddPartsTests {
    let house: House
    init() throws { house = try House() }

    private let list = Sample.id(4)

    private func learnPlaylist(_ items: Range<Int>, total: Int) throws {
        let elements = items.map { #"{"item":\#(Sample.simpleTrack($0))}"# }
        try house.learn(.object(.playlist, list, market: nil), Sample.playlist(4, items: Sample.page(elements, total: total)))
    }

    private func items(_ offset: Int, _ limit: Int) -> PlaylistItemsQuestion {
        PlaylistItemsQuestion(id: list, part: .items, offset: offset, limit: limit, market: nil)
    }

    @Test("A refused page of a playlist leaves the others", arguments: [404, 403, 400])
    func refusedPage(_ status: Int) throws {
        try learnPlaylist(0..<100, total: 200)
        for part in PlaylistPart.allCases { try house.refuse(.playlistItems(list, part, offset: 100, market: nil), status) }
        let page = Sample.page((150..<200).map { #"{"item":\#(Sample.simpleTrack($0))}"# }, total: 200, offset: 150)
        try house.learn(.playlistItems(list, .items, offset: 150, market: nil), page)
        let item = try house.composed(PlaylistItemQuestion(id: list, limit: 300)).parsed()
        #expect(item["tracks"]?.elements.count == 150 && item["tracks_total"]?.integer == 200)
        let across = try house.composed(items(80, 100)).parsed()
        #expect(across["items"]?.elements.count == 50 && across["next"] != nil)
        guard case .denied(let denied) = try house.answer(items(100, 50)) else { throw House.Unreadable() }
        #expect(denied.denial.status == status, "nothing of this window is known")
    }

    @Test("A playlist whose own page is odd is read from its pages")
    func oddEmbedded() throws {
        try house.learn(.object(.playlist, list, market: nil), Sample.playlist(4, items: #"{"href":"x","items":null,"total":2}"#))
        try house.learn(
            .playlistItems(list, .items, offset: 0, market: nil), Sample.page([#"{"item":\#(Sample.simpleTrack(7))}"#], total: 1))
        #expect(try house.composed(items(0, 10)).parsed()["items"]?.elements.count == 1)
    }

    @Test("A refused page of albums leaves the others, and so does one of an album's tracks")
    func refusedAlbums() throws {
        let artist = Sample.id(1)
        try house.learn(
            .artistAlbums(artist, groups: .all, offset: 0, market: nil), Sample.page((0..<50).map(Sample.simpleTrack), total: 90))
        try house.refuse(.artistAlbums(artist, groups: .all, offset: 50, market: nil), 404)
        let albums = try house.composed(ArtistAlbumsQuestion(id: artist, groups: .all, offset: 40, limit: 50, market: nil)).parsed()
        #expect(albums["items"]?.elements.count == 10 && albums["total"]?.integer == 90)
    }

    @Test("Beyond an end that is known nothing is asked: the page is empty")
    func beyondTheEnd() throws {
        let artist = Sample.id(1)
        func ask(_ offset: Int) throws -> QueryResult {
            try house.answer(ArtistAlbumsQuestion(id: artist, groups: .all, offset: offset, limit: 50, market: nil))
        }
        guard case .missing = try ask(50) else { throw House.Unreadable() }
        try house.learn(
            .artistAlbums(artist, groups: .all, offset: 0, market: nil), Sample.page((0..<50).map(Sample.simpleTrack), total: 50))
        for offset in [50, 60, 5000] {
            guard case .complete(let composed) = try ask(offset) else { throw House.Unreadable() }
            let page = try composed.parsed()
            #expect(page["items"]?.elements.isEmpty == true && page["total"]?.integer == 50 && page["next"] == nil)
            #expect(composed.pending.isEmpty)
        }
        try house.refuse(.artistAlbums(artist, groups: .all, offset: 100, market: nil), 400)
        guard case .complete = try ask(100) else { throw House.Unreadable() }
        let other = Sample.id(2)
        try house.learn(
            .artistAlbums(other, groups: .all, offset: 0, market: nil), Sample.page((0..<50).map(Sample.simpleTrack), total: 60))
        guard case .missing = try house.answer(ArtistAlbumsQuestion(id: other, groups: .all, offset: 50, limit: 5, market: nil)) else {
            throw House.Unreadable()
        }
    }

    @Test("The same for a search, whose end may be known from the page before")
    func beyondTheSearch() throws {
        let term = try #require(SearchTerm("x"))
        try house.learn(.search(term, kinds: [.track], offset: 30, market: nil), #"{"tracks":\#(Sample.page([], total: 33, offset: 30))}"#)
        let page = try house.composed(SearchQuestion(term: term, query: "x", kinds: [.track], offset: 40, limit: 10, market: nil)).parsed()
        #expect(page["tracks"]?["items"]?.elements.isEmpty == true && page["tracks"]?["total"]?.integer == 33)
    }

    @Test("Of what no search gives nothing is asked once the length is known, however long it says it is")
    func beyondTheMost() throws {
        let term = try #require(SearchTerm("x"))
        func ask() throws -> QueryResult {
            try house.answer(SearchQuestion(term: term, query: "x", kinds: [.track], offset: 1000, limit: 10, market: nil))
        }
        guard case .missing(let missing) = try ask() else { throw House.Unreadable() }
        #expect(missing == [.search(term, kinds: [.track], offset: 990, market: nil)], "the last page that there is")
        try house.learn(.search(term, kinds: [.track], offset: 0, market: nil), #"{"tracks":\#(Sample.page([], total: 5000))}"#)
        guard case .complete(let composed) = try ask() else { throw House.Unreadable() }
        let page = try composed.parsed()["tracks"]
        #expect(page?["items"]?.elements.isEmpty == true && page?["total"]?.integer == 5000 && page?["next"]?.string == nil)
        #expect(page?["previous"]?.string?.contains("offset=990") == true)
    }

    @Test("A search that is refused when it is due again is what it was, and is not asked for at once")
    func refusedAgain() throws {
        let clock = ManualClock(wall: SystemClock().wall.milliseconds)
        let house = try House(clock: clock)
        let resource = Resource.search(try #require(SearchTerm("x")), kinds: [.track], offset: 0, market: nil)
        let question = SearchQuestion(term: try #require(SearchTerm("x")), query: "x", kinds: [.track], offset: 0, limit: 10, market: nil)
        try house.learn(resource, #"{"tracks":\#(Sample.page([Sample.track(1, by: 2)], total: 1))}"#)
        clock.advance(.seconds(7200))
        guard case .missing = try house.answer(question) else { throw House.Unreadable() }
        try house.refuse(resource, 400)
        let found = try house.composed(question)
        #expect(found.refusedWith == 400 && found.freshness == .stale)
        #expect(try found.parsed()["tracks"]?["items"]?.elements.count == 1)
    }

    @Test("A page in a form that is none leaves the others, and its own window says whose fault it is")
    func formless() throws {
        try learnPlaylist(0..<100, total: 200)
        try house.refuse(.playlistItems(list, .items, offset: 100, market: nil), 502)
        #expect(try house.composed(items(80, 70)).parsed()["items"]?.elements.count == 20)
        guard case .denied(let denied) = try house.answer(items(100, 50)) else { throw House.Unreadable() }
        #expect(denied.denial.status == 502)
        // One that had a form before stays what it was.
        let page = Resource.playlistItems(list, .items, offset: 150, market: nil)
        try house.learn(page, Sample.page((150..<200).map { #"{"item":\#(Sample.simpleTrack($0))}"# }, total: 200, offset: 150))
        try house.refuse(page, 502)
        #expect(try house.composed(items(150, 50)).refusedWith == 502)
    }

    @Test("A search without one of its kinds has the others, and that one empty")
    func missingKind() throws {
        let term = try #require(SearchTerm("x"))
        let kinds: [ObjectKind] = [.track, .artist, .show]
        try house.learn(
            .search(term, kinds: kinds, offset: 0, market: nil),
            #"{"tracks":\#(Sample.page([Sample.track(1, by: 2)], total: 1)),"artists":null}"#)
        let found = try house.composed(SearchQuestion(term: term, query: "x", kinds: kinds, offset: 0, limit: 10, market: nil)).parsed()
        #expect(found["tracks"]?["items"]?.elements.count == 1)
        for plural in ["artists", "shows"] {
            #expect(found[plural]?["total"]?.integer == 0 && found[plural]?["items"]?.elements.isEmpty == true)
        }
        #expect(ParsedAnswer(.search(term, kinds: kinds, offset: 0, market: nil), Array(#"{"artists":{}}"#.utf8)) == nil)
    }

    @Test("A page that does not say its length is as long as what it holds, and longer when it names a next one")
    func unsaidLength() throws {
        func total(_ json: String) throws -> Int? { Page(try JSONDocument(Array(json.utf8)).root)?.total }
        #expect(try total(#"{"items":[1,2],"offset":50}"#) == 52)
        #expect(try total(#"{"items":[1,2],"total":"many","next":"x"}"#) == 3)
        #expect(try total(#"{"items":[1,2],"total":1.0}"#) == 2)
        #expect(try total(#"{"items":[],"offset":50,"total":1e1}"#) == 10)
        #expect(try total(#"{"items":[]}"#) == nil)
        #expect(try total(#"{"items":[],"total":-1}"#) == nil)
    }

    @Test("A batch has null for what was refused, whatever the word; and the refusal where nothing is there")
    func batch() throws {
        try house.learn(.object(.artist, Sample.id(1), market: nil), Sample.artist(1))
        try house.refuse(.object(.artist, Sample.id(2), market: nil), 403)
        let both = try house.composed(BatchQuestion(kind: .artist, ids: [2, 1].map(Sample.id), market: nil))
        #expect(both.text == #"{"artists":[null,\#(Sample.artist(1))]}"#)
        guard case .denied(let denied) = try house.answer(BatchQuestion(kind: .artist, ids: [Sample.id(2)], market: nil)) else {
            throw House.Unreadable()
        }
        #expect(denied.denial.status == 403)
    }

    @Test("Odd members of an artist cost themselves alone")
    func oddArtist() throws {
        let id = Sample.id(1)
        let images = #"[{"width":900},{"url":"small","width":64.0},{"url":"big","width":6.4e2},{"url":"odd","width":"x"},null]"#
        try house.learn(
            .object(.artist, id, market: nil),
            #"{"id":"\#(id.text)","name":null,"genres":["a",7,null,"b"],"images":\#(images),"popularity":85.0,"followers":{"total":4.9022656E7}}"#
        )
        try house.refuse(.artistAlbums(id, groups: Discography.groups, offset: 0, market: nil), 404)
        try house.learn(.topTracks(id, market: nil), #"{"tracks":[null,\#(Sample.track(2, by: 1)),7]}"#)
        let page = try house.composed(ArtistPageQuestion(id: id)).parsed()
        #expect(page["genres"]?.elements.map(\.string) == ["a", "b"] && page["image_url"]?.string == "big")
        #expect(page["popularity"]?.integer == 85 && page["followers"]?.integer == 49_022_656)
        #expect(page["top_tracks"]?.elements.count == 1)
        #expect(try house.composed(TopTracksQuestion(id: id, market: nil)).parsed()["tracks"]?.elements.count == 1)
    }

    @Test("Top tracks that a search found stay when its next page is refused")
    func refusedSearchPage() throws {
        let id = Sample.id(1)
        try house.refuse(.topTracks(id, market: nil), 403)
        try house.learn(.object(.artist, id, market: nil), Sample.artist(1))
        let term = try #require(SearchTerm("Artist 1"))
        let found = (0..<3).map { Sample.track($0, by: 1) } + (0..<7).map { _ in Sample.track(5, by: 2) }
        try house.learn(.search(term, kinds: [.track], offset: 0, market: nil), #"{"tracks":\#(Sample.page(found, total: 30))}"#)
        try house.refuse(.search(term, kinds: [.track], offset: 10, market: nil), 400)
        #expect(try house.composed(TopTracksQuestion(id: id, market: nil)).parsed()["tracks"]?.elements.count == 3)
    }
}
