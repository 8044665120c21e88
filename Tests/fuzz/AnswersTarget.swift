import JSON
import Spotify

@testable import Catalog

/// Spotify's answers, to a question that the first byte chooses: what is kept of them is JSON, is what was asked for, and has its links in
/// their places.
@Sendable func fuzzAnswers(_ bytes: [UInt8]) {
    var choices = Choices(bytes)
    guard let resource = Resource(name: asked[Int(choices.next()) % asked.count]) else { return }
    let body = Array(choices.rest)
    guard let answer = ParsedAnswer(resource, body) else { return }
    expect((try? JSONDocument(body)) != nil, "an answer is JSON")
    expect(answer.lines.first?.resource == resource, "the first that is kept is what was asked for")
    for line in answer.lines {
        expect(JSONDocument.isComplete(Array(line.record.body)), "what is kept is an object or a list")
        expect(Record(encoded: line.record.encoded) == line.record, "a record reads back")
        for base in [LinkBase("https://music.example"), LinkBase("https://music.example", isBare: true)] {
            let served = line.record.body(linkedTo: base, naming: (name: "market", value: "SE"))
            expect(JSONDocument.isComplete(Array(served)), "what is served is JSON")
            expect(links(in: Array(served), base) >= line.record.linkPlaces.count, "each place of a link has one")
        }
    }
}

/// How often the mirror's own links stand in a text.
private func links(in body: [UInt8], _ base: LinkBase) -> Int {
    let link = Array(base.root.utf8)
    guard body.count >= link.count else { return 0 }
    return (0...(body.count - link.count)).count { body[$0..<($0 + link.count)].elementsEqual(link) }
}

private let asked =
    ["album", "playlist", "track", "show", "artist", "audiobook", "chapter"].map { "\($0)/\(id)" } + [
        "playlist@SE/\(id)", "with-episodes/playlist/\(id)", "album-tracks/\(id)/0", "playlist-items/\(id)/items/50",
        "artist-albums/\(id)//0", "top-tracks/\(id)", "search/track,artist/0/x", "playlist-images/\(id)",
    ]
private let id = "4uLU6hMCjMI75M1A2tKUQC"
