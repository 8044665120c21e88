import JSON
import Platform
import Spotify
import Testing

@testable import Catalog

/// An album of two tracks and its tracks, as development mode answers them at one time; a later answer differs where the test says so.
enum AlbumSample {
    static let album = Resource.object(.album, Sample.id(9), market: nil)
    static let track = Resource.object(.track, Sample.id(1), market: nil)

    static func link(_ more: String = "") -> String {
        #"{"album_type":"album","artists":[\#(Sample.artistLink(5))],"id":"\#(Sample.id(9).text)","images":[],"name":"Album","type":"album"\#(more)}"#
    }

    /// As the album lists it.
    static func listed(_ digit: Int, name: String = "One", length: Int = 200, by artist: Int = 5, more: String = "") -> String {
        #"{"artists":[\#(Sample.artistLink(artist))],"duration_ms":\#(length),"explicit":false,"id":"\#(Sample.id(digit).text)","name":"\#(name)","track_number":\#(digit),"type":"track"\#(more)}"#
    }

    /// As it is answered alone.
    static func whole(_ digit: Int, name: String = "One", album: String = link(), isrc: String = "A", more: String = "") -> String {
        #"{"album":\#(album),\#(listed(digit, name: name).dropFirst().dropLast()),"external_ids":{"isrc":"\#(isrc)"}\#(more)}"#
    }

    static func album(_ tracks: [String], more: String = "") -> String {
        #"{\#(link().dropFirst().dropLast()),"genres":[],"label":"L","tracks":\#(Sample.page(tracks, total: tracks.count))\#(more)}"#
    }
}

@Suite("A track's record and the list of its album") struct ListedTracksTests {
    func node(_ text: String) throws -> JSONNode { try JSONDocument(Array(text.utf8)).root }

    func renewed(_ known: String, by album: String, market: Market? = nil) throws -> JSONNode? {
        let resource = Resource.object(.album, Sample.id(9), market: market)
        let listed = try #require(ListedTracks(resource, try node(album)))
        return try listed.renewed(AlbumSample.track, try node(known)).map { try JSONDocument($0).root }
    }

    @Test("The list renews all that it says, and leaves the rest")
    func renews() throws {
        let old = AlbumSample.whole(1, more: #","popularity":7"#)
        let album = AlbumSample.album([
            AlbumSample.listed(1, more: #","track_number_of":2"#).replacing("\"explicit\":false", with: "\"explicit\":true")
        ])
        .replacing("\"images\":[]", with: "\"images\":[{\"url\":\"new\"}]")
        let renewed = try #require(try renewed(old, by: album))
        #expect(renewed["explicit"]?.bool == true && renewed["track_number_of"]?.integer == 2)
        #expect(renewed["external_ids"]?["isrc"]?.string == "A" && renewed["popularity"]?.integer == 7)
        #expect(renewed["album"]?["images"]?.elements.first?["url"]?.string == "new")
        #expect(renewed["album"]?.has("label") == false && renewed["album"]?.has("tracks") == false && !renewed.has("genres"))
    }

    @Test("A record that nothing has changed of is what it was, byte for byte")
    func unchanged() throws {
        let old = AlbumSample.whole(1)
        #expect(try renewed(old, by: AlbumSample.album([AlbumSample.listed(1)])).map { String(decoding: $0.raw, as: UTF8.self) } == old)
    }

    @Test("What a list may say and does not say any more goes, in the track and in its album")
    func optional() throws {
        let old = AlbumSample.whole(
            1, album: AlbumSample.link(#","restrictions":{"reason":"market"}"#), more: #","restrictions":{"reason":"market"}"#)
        let album = AlbumSample.album([AlbumSample.listed(1, more: #","is_playable":true"#)], more: #","is_playable":true"#)
        let renewed = try #require(try renewed(old, by: album))
        #expect(!renewed.has("restrictions") && renewed["album"]?.has("restrictions") == false)
        #expect(renewed["is_playable"]?.bool == true && renewed["album"]?["is_playable"]?.bool == true)
    }

    @Test(
        "Moved, relinked, foreign and changed members change no record",
        arguments: [
            AlbumSample.listed(2), AlbumSample.listed(1, name: "Two"), AlbumSample.listed(1, length: 201), AlbumSample.listed(1, by: 6),
            AlbumSample.listed(1, more: #","linked_from":{"id":"\#(Sample.id(3).text)"}"#),
            AlbumSample.listed(1, more: #","is_local":true"#),
            AlbumSample.listed(1).replacing(#""type":"track""#, with: #""type":"episode""#),
            AlbumSample.listed(1).replacing(Sample.id(1).text, with: Sample.id(1).text + "1"),
        ])
    func others(_ member: String) throws {
        let album = AlbumSample.album([AlbumSample.listed(4), member])
        #expect(try renewed(AlbumSample.whole(1), by: album) == nil)
    }

    @Test("A record of another album, one that stands in for another, and a list of another market are left alone")
    func otherRecords() throws {
        let album = AlbumSample.album([AlbumSample.listed(1)])
        let moved = AlbumSample.whole(1, album: AlbumSample.link().replacing(Sample.id(9).text, with: Sample.id(8).text))
        #expect(try renewed(moved, by: album) == nil)
        #expect(try renewed(AlbumSample.whole(1, more: #","linked_from":{"id":"x"}"#), by: album) == nil)
        #expect(try renewed(AlbumSample.whole(2), by: album) == nil)
        #expect(try renewed(AlbumSample.whole(1), by: album, market: Market("SE")) == nil)
        #expect(try renewed(AlbumSample.whole(1), by: album) != nil)
    }

    @Test("What is no album, an answer for another album, and an album without tracks list nothing")
    func nothing() throws {
        let album = AlbumSample.album([AlbumSample.listed(1)])
        #expect(ListedTracks(AlbumSample.track, try node(album)) == nil)
        #expect(ListedTracks(.object(.album, Sample.id(8), market: nil), try node(album)) == nil)
        #expect(ListedTracks(AlbumSample.album, try node(AlbumSample.album([]))) == nil)
        #expect(ListedTracks(AlbumSample.album, try node(AlbumSample.link())) == nil)
    }
}

@Suite("An album's answer") struct AlbumAnswerTests {
    let clock = ManualClock(wall: SystemClock().wall.milliseconds)
    let house: House

    init() throws { house = try House(clock: clock) }

    func read(_ resource: Resource) throws -> Served? {
        guard case .hit(let served) = try house.recordStore.read(resource) else { return nil }
        return served
    }

    /// The entry's own times are the system clock's; only what is compared with each other is looked at.
    @Test("renews the records of its tracks that there are, and makes none")
    func renews() throws {
        try house.learn(AlbumSample.track, AlbumSample.whole(1))
        _ = try house.caches.expire(.spotify, AlbumSample.track.cacheKey, in: .zero)
        let before = try #require(try read(AlbumSample.track))
        let parsed = try #require(
            ParsedAnswer(AlbumSample.album, Array(AlbumSample.album([AlbumSample.listed(1), AlbumSample.listed(2)]).utf8)))
        let known = try house.recordStore.store(parsed)
        #expect(Set(known.resources) == [AlbumSample.album, AlbumSample.track] && known.unlike.isEmpty)
        let after = try #require(try read(AlbumSample.track))
        #expect(after.dueAt > before.dueAt && after.record.body == before.record.body && after.record.wholeAt == before.storedAt)
        #expect(try read(.object(.track, Sample.id(2), market: nil)) == nil)
        // Once more: what was whole then still is what was.
        #expect(try house.recordStore.store(parsed).resources.contains(AlbumSample.track))
        #expect(try read(AlbumSample.track)?.record.wholeAt == before.storedAt)
    }

    @Test("speaks of the oldest part: a record that a list renewed long after is stale, though it is not due")
    func oldest() throws {
        let now = SystemClock().wall.milliseconds
        let record = Record(body: Array(AlbumSample.whole(1).utf8), wholeAt: now - 50_000_000)
        _ = try house.caches.put(.spotify, AlbumSample.track.cacheKey, record.encoded)
        let store = RecordStore(caches: house.caches, temporaryTTL: .seconds(3600))
        guard case .hit(let served) = try store.read(AlbumSample.track, filled: true) else { throw House.Unreadable() }
        #expect(served.freshness == .stale && !served.isDue && served.dueAt > now)
        #expect((-6801 ... -6799).contains(served.ttl), "12 h after it was whole, 6800 s ago")
    }

    @Test("names the records that it lists otherwise than they are kept")
    func unlike() throws {
        try house.learn(AlbumSample.track, AlbumSample.whole(1, name: "Another"))
        let parsed = try #require(
            ParsedAnswer(AlbumSample.album, Array(AlbumSample.album([AlbumSample.listed(1), AlbumSample.listed(2)]).utf8)))
        let known = try house.recordStore.store(parsed)
        #expect(known.resources == [AlbumSample.album] && known.unlike.map(\.resource) == [AlbumSample.track])
    }

    @Test("leaves alone what was not whole for 30 days, and what Spotify refuses")
    func limits() throws {
        let parsed = try #require(ParsedAnswer(AlbumSample.album, Array(AlbumSample.album([AlbumSample.listed(1)]).utf8)))
        let store = RecordStore(caches: house.caches, temporaryTTL: .seconds(3600))
        let now = SystemClock().wall.milliseconds
        func isRenewed(_ record: Record) throws -> Bool {
            _ = try house.caches.put(.spotify, AlbumSample.track.cacheKey, record.encoded)
            return try store.store(parsed).resources.contains(AlbumSample.track)
        }
        let body = Array(AlbumSample.whole(1).utf8)
        #expect(try isRenewed(Record(body: body, wholeAt: now - 29 * 86_400_000)))
        #expect(try !isRenewed(Record(body: body, wholeAt: now - 31 * 86_400_000)))
        #expect(try !isRenewed(Record(body: body, refusedWith: 404)))
    }
}
