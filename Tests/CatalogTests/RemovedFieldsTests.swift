import Caching
import Foundation
import JSON
import Platform
import Testing

@testable import Catalog

@Suite struct RemovedFieldsTests {
    func filled(_ record: Record, of resource: Resource?) -> Record { RemovedFields(of: record, resource).filled(record) }

    func fill(_ json: String, of resource: Resource? = nil) -> String {
        String(decoding: filled(Record(body: Array(json.utf8)), of: resource).body, as: UTF8.self)
    }

    @Test(
        "Each object gets what its form has in extended mode, at every depth",
        arguments: [
            (#"{"type":"track","name":"simplified"}"#, #"{"type":"track","name":"simplified","available_markets":[],"preview_url":null}"#),
            (
                #"{"type":"track","preview_url":null,"album":{"type":"album"}}"#,
                #"{"type":"track","preview_url":null,"album":{"type":"album","available_markets":[]},"available_markets":[],"external_ids":{},"popularity":0}"#
            ),
            (
                #"{"type":"album","is_playable":true,"tracks":{"items":[{"type":"track","is_playable":true}]}}"#,
                #"{"type":"album","is_playable":true,"tracks":{"items":[{"type":"track","is_playable":true,"preview_url":null}]},"copyrights":[],"external_ids":{},"genres":[],"label":"","popularity":0}"#
            ),
            (#"{"type":"artist","name":"link"}"#, #"{"type":"artist","name":"link"}"#),
            (
                #"{"type":"artist","genres":[]}"#,
                #"{"type":"artist","genres":[],"followers":{"href":null,"total":0},"images":[],"popularity":0}"#
            ),
            (
                #"{"type":"playlist","tracks":{"items":[{"added_at":"2024","track":{"type":"track","is_playable":true} }]}}"#,
                #"{"type":"playlist","tracks":{"items":[{"added_at":"2024","track":{"type":"track","is_playable":true,"preview_url":null,"episode":false,"track":true} ,"is_local":false,"primary_color":null,"video_thumbnail":{"url":null}}]},"followers":{"href":null,"total":0},"primary_color":null}"#
            ),
            (#"{"type":"playlist","tracks":{"total":3}}"#, #"{"type":"playlist","tracks":{"total":3},"primary_color":null}"#),
            (#"{"item":{"type":"episode"}}"#, #"{"item":{"type":"episode","audio_preview_url":null,"episode":true,"track":false}}"#),
            (#"{"type":"show"}"#, #"{"type":"show","available_markets":[],"copyrights":[],"publisher":""}"#),
            (#"[null,1.50,"\u00e9"]"#, #"[null,1.50,"\u00e9"]"#),
        ])
    func fields(_ given: String, _ expected: String) {
        #expect(fill(given) == expected)
    }

    @Test("What is there stays as it is, null included; filling twice adds nothing")
    func kept() {
        let full = #"{ "type":"artist", "genres":[], "images":[], "followers":null, "popularity":77 }"#
        #expect(fill(full) == full)
        let once = fill(Sample.track(1, by: 2))
        #expect(fill(once) == once)
        #expect(fill("no json") == "no json")
    }

    @Test("Links in a filled album point to the mirror as they do in an unfilled one")
    func links() throws {
        let house = try House()
        let resource = Resource.object(.album, Sample.id(2), market: nil)
        try house.learn(resource, Sample.album(2, tracks: 0..<2, total: 2))
        let answer = try house.composed(ObjectQuestion(resource), filled: true).parsed()
        #expect(answer["tracks"]?["href"]?.string?.hasPrefix("http://one/spotify/v1/albums/x/tracks?") == true)
        #expect(answer["popularity"]?.integer == 0)
    }

    @Test(
        "An album in an artist's list says in which group it stands: the one that was asked for, else by whose it is",
        arguments: [
            (AlbumGroups.all, #""artists":[{"id":"1111111111111111111111"}],"album_type":"single""#, "single"),
            (.all, #""artists":[{"id":"2222222222222222222222"}],"album_type":"single""#, "appears_on"),
            (AlbumGroups("appears_on")!, #""artists":[{"id":"1111111111111111111111"}],"album_type":"album""#, "appears_on"),
        ])
    func groups(_ groups: AlbumGroups, _ members: String, _ group: String) throws {
        let list = Resource.artistAlbums(Sample.id(1), groups: groups, offset: 0, market: nil)
        let filled = try JSONDocument(Array(fill(#"{"items":[{"type":"album",\#(members)}]}"#, of: list).utf8)).root
        #expect(filled["items"]?.elements.first?["album_group"]?.string == group)
        #expect(filled["items"]?.elements.first?.has("popularity") == false)
    }

    @Test("A playlist whose items are kept from this account has an empty page of them, in its own form, and they stay refused")
    func closedPlaylist() throws {
        let house = try House()
        let market = Market("SE")
        let resource = Resource.object(.playlist, Sample.id(4), market: market)
        try house.learn(resource, Sample.playlist(4, items: nil) + "  \n")
        let plain = try house.composed(ObjectQuestion(resource))
        #expect(try !plain.parsed().has("tracks") && !plain.parsed().has("items"))
        let filled = try house.composed(ObjectQuestion(resource), filled: true)
        for part in PlaylistPart.allCases {
            let page = try filled.parsed()[part.rawValue]
            let link = "http://one/spotify/v1/playlists/\(Sample.id(4).text)/\(part.rawValue)?offset=0&limit=100&market=SE"
            #expect(page?["href"]?.string == link)
            #expect(page?["items"]?.elements.isEmpty == true && page?["total"]?.integer == 0 && page?["limit"]?.integer == 100)
            #expect(page?.has("next") == true && page?["next"]?.string == nil && page?.has("previous") == true)
            let items = PlaylistItemsQuestion(id: Sample.id(4), part: part, offset: 0, limit: 10, market: market)
            guard case .denied(let denied) = try house.answer(items, filled: true) else { throw House.Unreadable() }
            #expect(denied.denial.status == 403)
        }
        let knowing = try house.composed(PlaylistQuestion(id: Sample.id(4), market: market), filled: true)
        #expect(try knowing.parsed()["items"]?["href"]?.string?.hasSuffix("&market=SE&additional_types=track,episode") == true)
        #expect(Set([plain.tag, filled.tag, knowing.tag]).count == 3)
        #expect(fill(#"{"type":"album","id":"x"}"#) == fill(#"{"type":"album","id":"x"}"#, of: .playlistImages(Sample.id(4))))
    }

    @Test("The places of links move with what is put in before them")
    func places() {
        let body = Array(#"{"a":{"type":"show"},"href":"/x","b":{"type":"show"},"next":"/y"}"#.utf8)
        let text = String(decoding: body, as: UTF8.self)
        func place(_ link: String) -> UInt32 { UInt32(text.distance(from: text.startIndex, to: text.range(of: link)!.lowerBound)) }
        let plain = Record(body: body, linkPlaces: [place("/x"), place("/y")])
        let record = filled(plain, of: nil)
        let linked = String(decoding: record.body(linkedTo: LinkBase("http://one")), as: UTF8.self)
        #expect(linked.contains(#""href":"http://one/x""#) && linked.contains(#""next":"http://one/y""#))
        #expect(record.tag != plain.tag && record.tag == filled(plain, of: nil).tag)
    }
}

@Suite struct StoredFieldsTests {
    let fields = StoredFields(words: [3 << 8 | 1, 3 << 8 | 21, 500 << 8, 70_000 << 8 | 9, 70_000 << 8 | 31], form: 2, pageEnd: 3)

    @Test(
        "What a record lacks is read back as it was stored, and is white space to who does not know it",
        arguments: [[], [0], [1 << 20], Array(0..<2000)] as [[UInt64]])
    func roundTrip(_ offsets: [UInt64]) throws {
        for fields in [fields, StoredFields(words: offsets.map { $0 << 8 | $0 % 22 }, form: 255, pageEnd: 255)] {
            var bytes: [UInt8] = []
            let isStored = fields.append(to: &bytes)
            #expect(isStored && bytes.allSatisfy { [0x20, 0x09, 0x0A, 0x0D].contains($0) })
            let read = (Array("behind".utf8) + bytes).withUnsafeBytes { all in
                #expect(StoredFields.length(endOf: all) == bytes.count)
                return StoredFields(endOf: all, bodyCount: 1 << 20)
            }
            #expect(read == fields)
        }
    }

    @Test("A worker of before reads the same JSON, and a record that it stored is one that says nothing")
    func before() throws {
        let record = Record(body: Array(#"{"type":"show"}"#.utf8))
        let encoded = record.encoded(lacking: StoredFields(words: [14 << 8], form: 2, pageEnd: 0))
        // As it is read there: all that follows twelve bytes and no link places.
        let seen = encoded[12...]
        #expect(try JSONDocument(seen).root.raw == record.body && seen.count > record.body.count)
        #expect(Record(encoded: encoded) == record && Record.storedFields(ofEncoded: encoded) != nil)
        #expect(Record.storedFields(ofEncoded: record.encoded) == nil)
    }

    @Test("What does not fit the body, or is of another form, counts for nothing; nothing else can be broken by it")
    func damaged() throws {
        let record = Record(body: Array(#"{"type":"show"}"#.utf8))
        for (place, form, isKnown) in [(14, 2, true), (16, 2, false), (14, 3, false)] as [(UInt64, UInt8, Bool)] {
            let encoded = record.encoded(lacking: StoredFields(words: [place << 8], form: form, pageEnd: 0))
            #expect((RemovedFields(storedIn: encoded, nil) != nil) == isKnown)
            #expect((RemovedFields.filled(storedIn: encoded) != nil) == isKnown)
            #expect(Record(encoded: encoded) == record)
        }
        var none: [UInt8] = []
        let isStored = StoredFields(words: [5 << 8, 4 << 8], form: 2, pageEnd: 0).append(to: &none)
        #expect(!isStored && none.isEmpty)
        let list = Resource.object(.playlist, Sample.id(1), market: nil)
        let whole = record.encoded(lacking: StoredFields(words: [0, 3 << 8 | 1, 14 << 8 | 21], form: 2, pageEnd: 3))
        #expect(RemovedFields(storedIn: whole, list) != nil && RemovedFields(storedIn: whole, nil) == nil)
        var random = SystemRandomNumberGenerator()
        let direct = record.encoded(lacking: StoredFields(words: [0, 3 << 8 | 1, 14 << 8 | 21], form: 2, pageEnd: 0))
        for whole in Array(repeating: [whole, direct], count: 2500).joined() {
            var bytes = Array(whole.prefix(.random(in: 0...whole.count, using: &random)))
            for _ in 0..<3 where !bytes.isEmpty {
                bytes[.random(in: bytes.indices, using: &random)] = .random(in: .min ... .max, using: &random)
            }
            let filled = RemovedFields.filled(storedIn: bytes)
            guard let plain = Record(encoded: bytes), let fields = RemovedFields(storedIn: bytes, list) else {
                #expect(filled == nil)
                continue
            }
            #expect(fields.filled(plain).body.count >= plain.body.count)
            #expect(filled == nil || filled == fields.filled(plain))
        }
    }

    @Test("Who is refused what was known once still knows what it lacks")
    func refused() throws {
        let house = try House()
        let track = Resource.object(.track, Sample.id(1), market: nil)
        try house.learn(track, Sample.track(1, by: 2))
        try house.refuse(track, 404)
        let value = try #require(try house.caches.get(.spotify, track.cacheKey)).entry.value
        #expect(Record(encoded: value)?.refusedWith == 404)
        #expect(Record.storedFields(ofEncoded: value)?.words.isEmpty == false)
    }
}

@Suite struct FilledRecordsTests {
    let track = Resource.object(.track, Sample.id(1), market: nil)

    func entry(_ version: Int64, _ name: String) -> Entry {
        let body = Array(#"{"id":"\#(Sample.id(1).text)","type":"track","name":"\#(name)","album":{"type":"album"}}"#.utf8)
        return Entry(value: Record(body: body).encoded, version: version, storedAt: 0, expiresAt: .max)
    }

    @Test("A record's filled form is its version's and no other's, and is made once")
    func versions() throws {
        let records = FilledRecords(now: MonotonicTime(nanoseconds: 0))
        let now = MonotonicTime(nanoseconds: 1)
        let first = try #require(records.record(of: track, entry(1, "old"), now: now))
        #expect(String(decoding: first.body, as: UTF8.self).contains("popularity"))
        let second = try #require(records.record(of: track, entry(2, "new"), now: now))
        #expect(String(decoding: second.body, as: UTF8.self).contains(#""name":"new""#))
        #expect(records.count == 2)
        let again = try #require(records.record(of: track, entry(1, "old"), now: now))
        #expect(again == first && records.count == 2)
        // Another file's, under the same number.
        let other = try #require(records.record(of: track, entry(1, "else"), now: now))
        #expect(String(decoding: other.body, as: UTF8.self).contains(#""name":"else""#))
        #expect(records.record(of: track, Entry(value: [1, 2], version: 3, storedAt: 0, expiresAt: 0), now: now) == nil)
    }

    @Test("No more is kept than there is room for, and after a rest nothing")
    func bound() {
        let records = FilledRecords(bytes: 16_000, now: MonotonicTime(nanoseconds: 0))
        for version in 1...1000 { _ = records.record(of: track, entry(Int64(version), "\(version)"), now: MonotonicTime(nanoseconds: 1)) }
        #expect((40...130).contains(records.count))
        records.purge(now: MonotonicTime(nanoseconds: 30_000_000_000))
        #expect(records.count > 0)
        records.purge(now: MonotonicTime(nanoseconds: 61_000_000_000))
        records.purge(now: MonotonicTime(nanoseconds: 122_000_000_000))
        #expect(records.count == 0)
    }

    @Test("A large record is kept as it is served, a small one is put together anew")
    func large() throws {
        let records = FilledRecords(now: MonotonicTime(nanoseconds: 0))
        let now = MonotonicTime(nanoseconds: 1)
        for (version, name) in [(1, "small"), (2, String(repeating: "large", count: 2000))] {
            let first = try #require(records.record(of: track, entry(Int64(version), name), now: now))
            #expect(try #require(records.record(of: track, entry(Int64(version), name), now: now)) == first)
            #expect(String(decoding: first.body, as: UTF8.self).hasSuffix(#""popularity":0}"#))
        }
    }

    @Test("What the caches hold stays as Spotify said it")
    func plain() throws {
        let house = try House()
        try house.learn(track, Sample.track(1, by: 2))
        #expect(try house.composed(ObjectQuestion(track), filled: true).text.contains("popularity"))
        #expect(try !house.composed(ObjectQuestion(track)).text.contains("popularity"))
    }

    @Test("A record that says what it lacks is filled as one that does not, and when it is small nothing is kept for that")
    func stored() throws {
        let now = MonotonicTime(nanoseconds: 1)
        let list = #"{"items":[{"type":"album","artists":[],"album_type":"single"}],"total":1}"#
        for (resource, json) in [
            (track, Sample.track(1, by: 2)), (.object(.album, Sample.id(2), market: nil), Sample.album(2, tracks: 0..<2, total: 2)),
            (.object(.playlist, Sample.id(4), market: Market("SE")), Sample.playlist(4, items: nil) + "  \n"),
            (.artistAlbums(Sample.id(1), groups: AlbumGroups("single")!, offset: 0, market: nil), list),
            (.object(.album, Sample.id(2), market: nil), Sample.album(2, tracks: 0..<200, total: 200)),
        ] as [(Resource, String)] {
            let line = try #require(ParsedAnswer(resource, Array(json.utf8))?.lines.first)
            #expect(Record(encoded: line.encoded) == line.record)
            let records = FilledRecords(now: now)
            func record(_ value: [UInt8], _ version: Int64, isBusy: Bool) -> Record? {
                let entry = Entry(value: value, version: version, storedAt: 0, expiresAt: .max)
                return records.record(of: resource, entry, isBusy: isBusy, now: now)
            }
            let expected = try #require(record(line.record.encoded, 1, isBusy: false))
            let kept = records.count
            #expect(expected != line.record && kept == 1)
            #expect(record(line.encoded, 2, isBusy: false) == expected)
            #expect(records.count - kept == (json.utf8.count > 8192 ? 1 : 0))
            #expect(record(line.encoded, 3, isBusy: true) == expected && record(line.encoded, 3, isBusy: true) == expected)
            #expect(record(Array(line.encoded.dropLast(line.encoded.count / 2)), 4, isBusy: false)?.body != expected.body)
        }
    }
}
