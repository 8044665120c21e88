import JSON
import Spotify
import Testing

@testable import Catalog

@Suite struct RecordTests {
    @Test("A record is read back as it was stored, its links put in at their places")
    func roundTrip() throws {
        let body = Array(#"{"href":"/spotify/v1/a","next":"/spotify/v1/b"}"#.utf8)
        let places = [UInt32(9), UInt32(body.count - 15)]
        let record = Record(body: body, linkPlaces: places, refusedWith: 404, isExtended: true)
        let read = try #require(Record(encoded: record.encoded))
        #expect(read == record)
        #expect(
            String(decoding: read.body(linkedTo: LinkBase("https://h")), as: UTF8.self)
                == #"{"href":"https://h/spotify/v1/a","next":"https://h/spotify/v1/b"}"#)
    }

    @Test("A record with a part that is older than the rest says since when, and one that is whole is stored as it always was")
    func parts() throws {
        let body = Array(#"{"href":"/spotify/v1/a"}"#.utf8)
        let record = Record(body: body, linkPlaces: [9], wholeAt: 1_700_000_000_123)
        let read = try #require(Record(encoded: record.encoded))
        #expect(read == record && read.wholeAt == 1_700_000_000_123 && Record.tag(ofEncoded: record.encoded) == record.tag)
        let whole = Record(body: body, linkPlaces: [9])
        #expect(whole.encoded[1] == 1 && record.encoded[1] == 2 && record.encoded.count == whole.encoded.count + 8)
        #expect(Record(encoded: whole.encoded)?.wholeAt == nil)
    }

    @Test(
        "Bytes of another layout, cut bytes, places beyond the body and places that do not ascend are no record",
        arguments: [
            [], Array("R".utf8), [0x52, 3] + [UInt8](repeating: 0, count: 20), [0x52, 1, 0, 9] + [UInt8](repeating: 0, count: 12),
            [0x52, 2] + [UInt8](repeating: 0, count: 17),
            [0x52, 1, 0, 1] + [UInt8](repeating: 0, count: 8) + [255, 0, 0, 0] + Array("{}".utf8),
            [0x52, 1, 0, 2] + [UInt8](repeating: 0, count: 8) + [2, 0, 0, 0, 1, 0, 0, 0] + Array("{}".utf8),
            [0x52, 1, 0, 2] + [UInt8](repeating: 0, count: 8) + [1, 0, 0, 0, 1, 0, 0, 0] + Array("{}".utf8),
        ] as [[UInt8]])
    func foreign(_ bytes: [UInt8]) {
        #expect(Record(encoded: bytes) == nil)
    }

    @Test("A stored place that lies in the link before it is none", arguments: [false, true])
    func placesInALink(_ isBare: Bool) throws {
        let body = Array(#"{"href":"/spotify/v1/a"}"#.utf8)
        let record = try #require(Record(encoded: Record(body: body, linkPlaces: [9, 12, 23]).encoded))
        for parameter in [nil, (name: "market", value: "SE")] {
            let linked = record.body(linkedTo: LinkBase("https://h", isBare: isBare), naming: parameter)
            #expect(String(decoding: linked, as: UTF8.self).hasPrefix(#"{"href":"https://h/"#))
        }
    }

    @Test("An album's page links point to the mirror, its own href stays Spotify's")
    func albumLinks() throws {
        let body =
            #"{"type":"album","href":"https://api.spotify.com/v1/albums/X","tracks":{"href":"https://api.spotify.com/v1/albums/X/tracks?offset=0&limit=50","items":[{"id":1.50}],"next":null,"total":1}}"#
        let document = try JSONDocument(Array(body.utf8))
        let record = ListRecord.make(of: .album, document)
        #expect(record.linkPlaces.count == 1)
        #expect(
            String(decoding: record.body(linkedTo: LinkBase("http://h:1")), as: UTF8.self)
                == body.replacing("https://api.spotify.com/v1/albums/X/tracks?", with: "http://h:1/spotify/v1/albums/X/tracks?"))
    }

    @Test(
        "A playlist has its items under the old and the new name, whichever Spotify used",
        arguments: [
            (#"{"type":"playlist","items":{"items":[{"item":{"id":"a"}}],"total":1}}"#, false),
            (#"{"type":"playlist","tracks":{"items":[{"track":{"id":"a"}}],"total":1}}"#, true),
        ])
    func playlistNames(_ body: String, _ isExtended: Bool) throws {
        let record = ListRecord.make(of: .playlist, try JSONDocument(Array(body.utf8)))
        let document = try JSONDocument(record.body)
        #expect(document.root["tracks"]?["items"]?.elements.first?["track"] != nil)
        #expect(document.root["items"]?["items"]?.elements.first?["item"] != nil)
        #expect(record.isExtended == isExtended)
    }
}
