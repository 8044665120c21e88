import Testing

@testable import Catalog

@Suite struct RemovedFieldsTests {
    func fill(_ json: String) -> String { String(decoding: RemovedFields.filled(Array(json.utf8)[...]), as: UTF8.self) }

    @Test(
        "Each object gets what its form has in extended mode, at every depth",
        arguments: [
            (#"{"type":"track","name":"simplified"}"#, #"{"type":"track","name":"simplified","available_markets":[]}"#),
            (
                #"{"type":"track","album":{"type":"album"}}"#,
                #"{"type":"track","album":{"type":"album","available_markets":[]},"available_markets":[],"popularity":0}"#
            ),
            (
                #"{"type":"album","is_playable":true,"tracks":{"items":[{"type":"track","is_playable":true}]}}"#,
                #"{"type":"album","is_playable":true,"tracks":{"items":[{"type":"track","is_playable":true}]},"popularity":0,"label":""}"#
            ),
            (#"{"type":"artist","name":"link"}"#, #"{"type":"artist","name":"link"}"#),
            (#"{"type":"artist","genres":[]}"#, #"{"type":"artist","genres":[],"followers":{"href":null,"total":0},"popularity":0}"#),
            (
                #"{"type":"playlist","tracks":{"items":[{"track":{"type":"track","is_playable":true}}]}}"#,
                #"{"type":"playlist","tracks":{"items":[{"track":{"type":"track","is_playable":true,"episode":false,"track":true}}]},"followers":{"href":null,"total":0}}"#
            ),
            (#"{"type":"playlist","tracks":{"total":3}}"#, #"{"type":"playlist","tracks":{"total":3}}"#),
            (#"[null,1.50,"\u00e9"]"#, #"[null,1.50,"\u00e9"]"#),
        ])
    func fields(_ given: String, _ expected: String) {
        #expect(fill(given) == expected)
    }

    @Test("What is there stays as it is, null included; filling twice adds nothing")
    func kept() {
        let full = #"{"type":"artist","genres":[],"followers":null,"popularity":77}"#
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
        let answer = try house.composed(FilledQuestion(ObjectQuestion(resource))).parsed()
        #expect(answer["tracks"]?["href"]?.string?.hasPrefix("http://one/spotify/v1/albums/x/tracks?") == true)
        #expect(answer["popularity"]?.integer == 0)
    }
}
