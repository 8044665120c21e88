import JSON
import Platform
import Spotify
import Testing

@testable import Catalog

@Suite("A search for an album's tracks") struct AlbumSearchTests {
    func node(_ text: String) throws -> JSONNode { try JSONDocument(Array(text.utf8)).root }
    func tracks(_ count: Int) -> [Resource] { (1...count).map { .object(.track, Sample.id($0), market: Market("SE")) } }

    func album(_ name: String = "Album", total: Int = 12) -> String {
        AlbumSample.album([], more: #","total_tracks":\#(total)"#).replacing(#""name":"Album""#, with: #""name":"\#(name)""#)
    }

    @Test("asks for the album and its first artist by name, without their quotation marks, in the tracks' market")
    func term() throws {
        let search = try #require(AlbumSearch(try node(album(#"The \"Garden\""#)), tracks: tracks(3)))
        #expect(search.page.name == #"search@SE/track/0/album:"The Garden" artist:"Artist 5""#)
        #expect(AlbumSearch(try node(album()), tracks: tracks(2)) == nil)
        #expect(AlbumSearch(try node(album(String(repeating: "x", count: 200))), tracks: tracks(3)) == nil)
        #expect(AlbumSearch(try node(album(#"\""#)), tracks: tracks(3)) == nil)
    }

    @Test("goes on while it brings something, more than one is missing, and the album is not long past its end")
    func next() throws {
        let search = try #require(AlbumSearch(try node(album()), tracks: tracks(6)))
        #expect(search.next(unknown: tracks(6)) == nil && search.next(unknown: tracks(1)) == nil && search.next(unknown: []) == nil)
        let second = try #require(search.next(unknown: tracks(5)))
        #expect(second.page.name.hasPrefix("search@SE/track/10/") && second.tracks == tracks(5) && second.fewestWaiting == 2)
        let third = try #require(second.next(unknown: tracks(4)))
        #expect(try #require(third.next(unknown: tracks(3))).next(unknown: tracks(2)) == nil)
    }

    @Test("is not begun for an hour after three that brought nothing")
    func inVain() throws {
        var searches = AlbumSearches()
        let now = MonotonicTime(nanoseconds: 1_000_000_000)
        func end(_ name: String, isUnknown: Bool) throws {
            let search = try #require(AlbumSearch(try node(album(name)), tracks: tracks(3)))
            searches.begun(search)
            _ = searches.ended(search.page, isUnknown: { _ in isUnknown }, now: now)
        }
        for name in ["a", "b"] { try end(name, isUnknown: true) }
        try end("c", isUnknown: false)
        for name in ["d", "e"] { try end(name, isUnknown: true) }
        #expect(searches.mayBegin(now: now))
        try end("f", isUnknown: true)
        #expect(!searches.mayBegin(now: now + .seconds(3599)) && searches.mayBegin(now: now + .seconds(3600)))
    }
}

@Suite("A plan of what is fetched ahead") struct WarmPlanTests {
    let house: House
    let album = AlbumSample.album
    let page = Resource.search(
        SearchTerm(#"album:"Album" artist:"Artist 5""#)!, kinds: [.track], offset: 0, market: nil)

    init() throws { house = try House() }

    func track(_ digit: Int) -> Resource { .object(.track, Sample.id(digit), market: nil) }
    func plan(_ wanted: [Resource], albums: [Resource: Int] = [:]) -> WarmPlan {
        WarmPlan(wanted, albums: albums, records: house.recordStore)
    }

    /// The search has found these.
    func find(_ digits: [Int], at page: Resource) throws {
        let items = digits.map { AlbumSample.whole($0) }
        try house.learn(page, #"{"tracks":\#(Sample.page(items, total: 40, offset: page.name.contains("/10/") ? 10 : 0))}"#)
    }

    func learnAlbum(_ tracks: Range<Int>) throws {
        try house.learn(album, AlbumSample.album(tracks.map { AlbumSample.listed($0) }, more: #","total_tracks":14"#))
    }

    @Test("Tracks whose albums nobody names are asked for one by one, in their order")
    func alone() throws {
        var plan = plan([track(1), track(2), track(3)])
        #expect(plan.estimatedCalls == 3 && plan.left == 3)
        #expect(try plan.begin() == [track(1), track(2), track(3)])
        try house.learn(track(1), AlbumSample.whole(1))
        #expect(try plan.settled([track(1)]) == [] && plan.left == 2 && plan.estimatedCalls == 2)
    }

    @Test("Tracks of an album that is wanted, too, are searched for when it is known; what the search does not bring is asked for alone")
    func searched() throws {
        var plan = plan([album, track(1), track(2), track(3), track(4)])
        #expect(plan.estimatedCalls == 2)
        #expect(try plan.begin() == [album])
        try learnAlbum(1..<5)
        #expect(try plan.settled([album]) == [page] && plan.left == 4)
        try find([1, 3], at: page)
        let next = Resource.search(SearchTerm(#"album:"Album" artist:"Artist 5""#)!, kinds: [.track], offset: 10, market: nil)
        #expect(try plan.settled([page]) == [next] && plan.left == 2)
        try find([8], at: next)
        #expect(try plan.settled([next]) == [track(2), track(4)])
        for digit in [2, 4] { try house.learn(track(digit), AlbumSample.whole(digit)) }
        #expect(try plan.settled([track(2), track(4)]) == [] && plan.left == 0)
    }

    @Test(
        "An album that the list names beside three of its tracks is asked for, and not counted among what is wanted; beside two it is not")
    func hinted() throws {
        var plan = plan([track(1), track(2), track(3)], albums: [album: 3, .object(.album, Sample.id(8), market: nil): 2])
        #expect(plan.estimatedCalls == 2 && plan.left == 3)
        #expect(try plan.begin() == [album])
        try house.refuse(album, 404)
        #expect(try plan.settled([album]) == [track(1), track(2), track(3)], "refused, it says nothing")
    }

    @Test("An album that is known is searched for at once, for what is unknown of it")
    func known() throws {
        try learnAlbum(1..<6)
        try house.learn(track(5), AlbumSample.whole(5))
        var plan = plan([track(1), track(2), track(3)], albums: [album: 4])
        #expect(try plan.begin() == [page])
        try find([1, 2, 3], at: page)
        #expect(try plan.settled([page]) == [] && plan.left == 0)
    }

    @Test("A playlist goes first, and its tracks are not asked for again")
    func playlists() throws {
        let playlist = Resource.object(.playlist, Sample.id(7), market: nil)
        var plan = plan([track(1), track(2), playlist])
        #expect(try plan.begin() == [playlist])
        try house.learn(playlist, Sample.playlist(7, items: Sample.page([#"{"item":\#(AlbumSample.whole(1))}"#], total: 1)))
        #expect(try plan.settled([playlist]) == [track(2)] && plan.left == 1)
    }
}
