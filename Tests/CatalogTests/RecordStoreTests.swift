import CSystem
import Caching
import Glibc
import JSON
import Platform
import Testing

@testable import Catalog

@Suite struct RecordStoreTests {
    let house: House
    let track = Resource.object(.track, Sample.id(1), market: nil)
    init() throws { house = try House() }

    func served() throws -> Served {
        guard case .hit(let served) = try house.recordStore.read(track) else { throw House.Unreadable() }
        return served
    }

    @Test(
        "What Spotify no longer knows is stale for what it was, marked, not due for an hour, and when that is said again for a day",
        arguments: [404, 403, 400])
    func gone(_ status: Int) throws {
        try house.learn(track, Sample.track(1, by: 2))
        try house.refuse(track, status)
        let gone = try served()
        #expect(gone.record.refusedWith == status && gone.freshness == .stale && gone.ttl <= 0 && !gone.isDue)
        #expect(abs(gone.dueAt - csys_wall_ms() - 3_600_000) < 5000)
        try house.refuse(track, status)
        #expect(abs(try served().dueAt - csys_wall_ms() - 86_400_000) < 5000)
        try house.learn(track, Sample.track(1, by: 2))
        #expect(try served().record.refusedWith == nil && served().freshness == .fresh)
    }

    @Test("What has been due for less than a second is told to be due, as what has less than one left is not told to have it")
    func wholeSeconds() throws {
        let record = Record(body: Array(Sample.track(1, by: 2).utf8))
        let line = ParsedAnswer.Line(track, record).encoded
        try house.caches.put(.spotify, track.cacheKey, line, ttl: .milliseconds(1500))
        #expect(try served().ttl == 1)
        try house.caches.put(.spotify, track.cacheKey, line, ttl: .milliseconds(900))
        #expect(try served().ttl == 0)
        try house.caches.put(.spotify, track.cacheKey, line, ttl: .milliseconds(1))
        usleep(20_000)
        #expect(try served().ttl == -1)
    }

    @Test("An answer's time is counted from when it was asked for")
    func age() throws {
        let answer = try #require(ParsedAnswer(track, Array(Sample.track(1, by: 2).utf8)))
        try house.recordStore.store(answer, age: .seconds(7))
        let kept = try served()
        #expect((6900...12_000).contains(csys_wall_ms() - kept.storedAt))
        #expect(kept.dueAt - kept.storedAt == 12 * 3_600_000)
    }

    @Test("What was never known is refused for as long as the temporary cache lasts")
    func refused() throws {
        try house.refuse(track, 404)
        guard case .denied(let denial, _, let ttl) = try house.recordStore.read(track) else { throw House.Unreadable() }
        #expect(denial.status == 404 && (3590...3600).contains(ttl))
    }

    @Test("A search that is longer than a key may be has a key of its own all the same")
    func longSearch() throws {
        let one = try #require(SearchTerm(String(repeating: "語", count: 300)))
        let two = try #require(SearchTerm(String(repeating: "語", count: 299) + "言"))
        let resources = [one, two].map { Resource.search($0, kinds: [.track], offset: 0, market: nil) }
        #expect(resources[0].cacheKey != resources[1].cacheKey)
        for resource in resources {
            #expect(resource.cacheKey.count <= EntryLimits.keyBytes && resource.denialKey.count <= EntryLimits.keyBytes)
            #expect(Resource(name: resource.name) == resource)
        }
        #expect(SearchTerm(String(repeating: "e\u{301}", count: 151)) == nil)
        let dotted = try #require(SearchTerm(String(repeating: "\u{130}", count: 300)))
        let resource = Resource.search(dotted, kinds: [.track], offset: 0, market: nil)
        #expect(Resource(name: resource.name) == resource)
    }

    @Test("A record of a mebibyte and more is kept")
    func large() throws {
        let more = #","filler":"\#(String(repeating: "x", count: 3 << 20))""#
        try house.learn(track, Sample.track(1, by: 2, more: more))
        #expect(try served().record.body.count > 3 << 20)
    }

    @Test(
        "A list without a total, or a search without a page, is not kept",
        arguments: [
            (Resource.albumTracks(Sample.id(1), offset: 0, market: nil), #"{"items":[]}"#),
            (.artistAlbums(Sample.id(1), groups: .all, offset: 0, market: nil), #"{"items":null,"total":0}"#),
            (.search(SearchTerm("x")!, kinds: [.track], offset: 0, market: nil), #"{"tracks":{"items":[]}}"#),
            (.topTracks(Sample.id(1), market: nil), #"{"tracks":{}}"#),
            (.object(.track, Sample.id(1), market: nil), #"{"type":"album"}"#),
        ])
    func malformed(_ resource: Resource, _ body: String) {
        #expect(ParsedAnswer(resource, Array(body.utf8)) == nil)
    }

    @Test(
        "An answer of another thing, or another page, than was asked for is not kept",
        arguments: [
            (Resource.object(.track, Sample.id(1), market: nil), Sample.track(2, by: 2)),
            (
                .object(.track, Sample.id(1), market: Market("SE")),
                Sample.track(2, by: 2, more: #","linked_from":{"id":"\#(Sample.id(3).text)"}"#)
            ),
            (.object(.album, Sample.id(1), market: nil), Sample.album(2, tracks: 0..<1, total: 1)),
            (.withEpisodes(.object(.playlist, Sample.id(1), market: nil)), Sample.playlist(2, items: nil)),
            (.albumTracks(Sample.id(1), offset: 50, market: nil), Sample.page([], total: 60, offset: 0)),
            (.artistAlbums(Sample.id(1), groups: .all, offset: 0, market: nil), Sample.page([], total: 60, offset: 50)),
            (
                .playlistItems(Sample.id(1), .items, offset: 50, market: nil),
                #"{"href":"https://api.spotify.com/v1/playlists/\#(Sample.id(2).text)/items?offset=50","items":[],"offset":50,"total":60}"#
            ),
            (.search(SearchTerm("x")!, kinds: [.track], offset: 10, market: nil), #"{"tracks":{"items":[],"offset":0,"total":60}}"#),
            (.topTracks(Sample.id(1), market: nil), #"{"tracks":[\#(Sample.track(5, by: 2))]}"#),
        ])
    func another(_ resource: Resource, _ body: String) {
        #expect(ParsedAnswer(resource, Array(body.utf8)) == nil)
    }

    @Test("A track that stands in for the one that was asked for in a market is kept")
    func relinked() {
        let resource = Resource.object(.track, Sample.id(1), market: Market("SE"))
        let body = Sample.track(2, by: 2, more: #","linked_from":{"id":"\#(Sample.id(1).text)","type":"track"}"#)
        #expect(ParsedAnswer(resource, Array(body.utf8)) != nil)
    }

    @Test(
        "Answers show the account's mode",
        arguments: [
            (Resource.object(.track, Sample.id(1), market: nil), #"{"popularity":1}"#, AccountMode.extended),
            (.object(.artist, Sample.id(1), market: nil), "{}", .development),
            (.object(.playlist, Sample.id(1), market: nil), #"{"items":{}}"#, .development),
            (.object(.playlist, Sample.id(1), market: nil), #"{"tracks":{}}"#, .extended),
            (.object(.playlist, Sample.id(1), market: nil), "{}", nil),
            (.albumTracks(Sample.id(1), offset: 0, market: nil), "{}", nil),
        ] as [(Resource, String, AccountMode?)])
    func mode(_ resource: Resource, _ body: String, _ mode: AccountMode?) throws {
        #expect(AccountMode(resource, try JSONDocument(Array(body.utf8)).root) == mode)
    }

    @Test("Renewal begins a twelfth of the ttl ahead, for what was used within two of them")
    func plan() {
        let plan = RenewalPlan(ttl: .seconds(43_200))
        #expect(plan.lead == .seconds(3600) && plan.interest == .seconds(86_400))
        let longest = RenewalPlan(ttl: .seconds(Int64.max / 1000))
        #expect((SystemClock().wall - longest.interest).milliseconds < 0, "what was ever used")
    }
}
