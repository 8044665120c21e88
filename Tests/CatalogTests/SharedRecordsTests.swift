import CSystem
import Caching
import JSON
import Platform
import Testing

@testable import Catalog

/// What one host was answered, on another.
@Suite struct SharedRecordsTests {
    let here: House
    let there: House
    let track = Resource.object(.track, Sample.id(1), market: nil)

    init() throws { (here, there) = (try House(), try House()) }

    private func export(_ house: House, _ resource: Resource? = nil) -> [UInt8]? {
        house.recordStore.exchange(lifetime: .seconds(60)).export((resource ?? track).name)
    }

    private func adopt(_ record: [UInt8], _ resource: Resource? = nil) throws -> Bool {
        try there.recordStore.exchange(lifetime: .seconds(60)).adopt((resource ?? track).name, record)
    }

    private func hit(_ house: House, _ resource: Resource? = nil) throws -> Served? {
        if case .hit(let served) = try house.recordStore.read(resource ?? track) { served } else { nil }
    }

    @Test("A record is the same on the other host: its bytes, its tag, when it was answered and when it is due; and it is news once")
    func record() throws {
        try here.learn(track, Sample.track(1, by: 2))
        let bytes = try #require(export(here))
        #expect(try adopt(bytes))
        let (one, other) = (try #require(try hit(here)), try #require(try hit(there)))
        #expect(other.record == one.record && other.storedAt == one.storedAt && other.dueAt == one.dueAt)
        #expect(try !adopt(bytes))
    }

    @Test("What is newer here stays, and what is newer there comes")
    func newer() throws {
        try here.learn(track, Sample.track(1, by: 2))
        let old = try #require(export(here))
        let words = String(decoding: old.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self).split(separator: " ").map { String($0) }
        let value = old.drop { $0 != UInt8(ascii: "\n") }
        func aged(by length: Int64) throws -> [UInt8] {
            let storedAt = try #require(Int64(words[1])) - length
            return Array("\(words[0]) \(storedAt) \(words[2]) \(words[3])".utf8) + value
        }
        #expect(try adopt(aged(by: 5000)))
        #expect(try !adopt(aged(by: 6000)))
        #expect(try adopt(old))
    }

    @Test("A refusal is one there, too, and a search is what it was")
    func others() throws {
        try here.refuse(track, 404)
        #expect(try adopt(try #require(export(here))))
        guard case .denied(let denial, _, _) = try there.recordStore.read(track) else { throw House.Unreadable() }
        #expect(denial.status == 404)
    }

    @Test("A host whose clock is ahead makes no record of the future")
    func ahead() throws {
        try here.learn(track, Sample.track(1, by: 2))
        let bytes = try #require(export(here))
        let value = bytes.drop { $0 != UInt8(ascii: "\n") }
        let now = csys_wall_ms()
        #expect(try adopt(Array("swrec1 \(now + 7_200_000) \(now + 14_400_000) r".utf8) + value))
        let served = try #require(try hit(there))
        #expect(served.storedAt <= csys_wall_ms() && abs(served.dueAt - now - 7_200_000) < 5000)
    }

    @Test(
        "What is none is not kept",
        arguments: [
            "", "swrec1", "swrec1 1 2 r", "swrec1 1 99999999999999 r\nnothing", "swrec1 x 99999999999999 d\n404 gone",
            "swrec2 1 99999999999999 d\n404 gone", "swrec1 1 2 d\n404 gone", "swrec1 1 99999999999999 d\n200 found",
        ])
    func odd(_ text: String) throws {
        #expect(try !adopt(Array(text.utf8)))
        guard case .miss = try there.recordStore.read(track) else { throw House.Unreadable() }
    }

    @Test("What Spotify shows of a playlist depends on whose token asks: it goes to no other host, and comes from none")
    func playlists() throws {
        let list = Resource.object(.playlist, Sample.id(1), market: nil)
        try here.learn(track, Sample.track(1, by: 2))
        let record = try #require(export(here))
        for resource in [list, .kept(list), .withEpisodes(list), .playlistImages(Sample.id(1))] {
            try here.refuse(resource, 404)
            #expect(export(here, resource) == nil)
            #expect(try !adopt(record, resource))
        }
    }

    @Test("What is not known, and what is no resource, has nothing to share")
    func nothing() throws {
        #expect(export(here) == nil)
        #expect(here.recordStore.exchange(lifetime: .seconds(60)).export("control/track/x") == nil)
    }
}
