import Platform
import Testing

@testable import Catalog

/// The grammar of the Web API's `fields` (reference, get-playlist).
@Suite struct FieldFilterTests {
    static let playlist = Array(
        #"{"name":"P","tracks":{"total":2,"items":[{"added_at":"d","added_by":{"id":"u","type":"user"},"track":{"name":"T","href":"h","album":{"name":"A","href":"b","images":[]}}},null,{"track":null}]},"uri":1.0}"#
            .utf8)

    @Test(
        "Names, dots, parentheses and exclamation marks choose",
        arguments: [
            ("name,uri", #"{"name":"P","uri":1.0}"#), ("uri", #"{"uri":1.0}"#), ("nothing", "{}"), ("name.x", #"{"name":"P"}"#),
            ("tracks.total", #"{"tracks":{"total":2}}"#),
            (
                "tracks.items(added_at,added_by.id)",
                #"{"tracks":{"items":[{"added_at":"d","added_by":{"id":"u"}},null,{}]}}"#
            ),
            (
                "tracks.items(track(name,href,album(name,href)))",
                #"{"tracks":{"items":[{"track":{"name":"T","href":"h","album":{"name":"A","href":"b"}}},null,{"track":null}]}}"#
            ),
            ("tracks.items.track.album(!href,!images)", #"{"tracks":{"items":[{"track":{"album":{"name":"A"}}},null,{"track":null}]}}"#),
            ("tracks.items.track.album(!href,images)", #"{"tracks":{"items":[{"track":{"album":{"images":[]}}},null,{"track":null}]}}"#),
            ("!tracks", #"{"name":"P","uri":1.0}"#), ("!tracks,!uri", #"{"name":"P"}"#),
            ("!tracks.items", #"{"name":"P","tracks":{"total":2},"uri":1.0}"#),
            ("!tracks(items,total)", #"{"name":"P","tracks":{},"uri":1.0}"#),
            ("tracks.total,tracks.items.added_at", #"{"tracks":{"total":2,"items":[{"added_at":"d"},null,{}]}}"#),
            ("tracks.!items", #"{"tracks":{"total":2}}"#), ("name,name.x", #"{"name":"P"}"#),
        ])
    func chosen(_ fields: String, _ left: String) throws {
        let filter = try #require(FieldFilter(fields))
        #expect(String(decoding: filter.filtered(Self.playlist[...]), as: UTF8.self) == left)
    }

    @Test(
        "What is no filter is refused",
        arguments: [
            "", ",", "a,", ",a", "a.", ".a", "a(", "a)", "a()", "a(b", "a(b))", "(a)", "!", "!!a", "a b", "a, b", "a=b", "a[0]", "é",
            "a(b)c",
            String(repeating: "a.", count: 40) + "a", String(repeating: "a(", count: 40) + "a" + String(repeating: ")", count: 40),
            String(repeating: "(", count: 9000),
        ])
    func refused(_ fields: String) {
        #expect(FieldFilter(fields) == nil)
    }

    @Test("Thousands of names cost no more than they are long")
    func thousands() throws {
        let letters = (UInt8(ascii: "a")...UInt8(ascii: "z")).map { String(UnicodeScalar($0)) }
        let names = letters.flatMap { one in letters.map { "\(one)\($0)q" } }
        let filter = try #require(FieldFilter("items(" + names.joined(separator: ",") + ",name)," + names.joined(separator: ",")))
        let element = "{" + (0..<60).map { #""member\#($0)":\#($0)"# }.joined(separator: ",") + #","name":1}"#
        let body = Array(#"{"items":[\#(Array(repeating: element, count: 200).joined(separator: ","))]}"#.utf8)
        let began = SystemClock().monotonic
        #expect(filter.filtered(body[...]).count == #"{"items":[]}"#.utf8.count + 200 * #"{"name":1},"#.utf8.count - 1)
        #expect(SystemClock().monotonic - began < .seconds(2))
    }

    @Test("An answer whose members are chosen has a tag of its own")
    func tags() throws {
        let house = try House()
        let track = Resource.object(.track, Sample.id(1), market: nil)
        try house.learn(track, Sample.track(1, by: 2))
        let fields = FieldsQuestion(ObjectQuestion(track), fields: try #require(FieldFilter("name")))
        #expect(try house.composed(fields).text == #"{"name":"Track 1"}"#)
        #expect(try house.composed(fields).tag != house.composed(ObjectQuestion(track)).tag)
    }
}
