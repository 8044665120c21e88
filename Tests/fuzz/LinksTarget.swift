import Platform
import Spotify

@testable import Catalog
@testable import Gateway

/// IDs, URIs and links, names of resources, queries, percent-encoding.
@Sendable func fuzzLinks(_ bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    links(text)
    resources(text)
    encodings(text)
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)[...]
    if let length = SpotifyID.linkLength(parts) { expect((1...parts.count).contains(length), "a link is a part of its path") }
}

private func links(_ text: String) {
    if let id = SpotifyID(text) {
        expect(id.text == text && text.utf8.count == 22, "an ID is its own 22 characters")
        for kind in ObjectKind.allCases { expect(SpotifyID(text, kind: kind) == id, "a bare ID is of any kind") }
    }
    if let named = SpotifyID.named(by: text) {
        expect(text.contains(named.id.text) && text.contains(named.kind.rawValue), "a link says the ID and the kind")
        for other in [
            "spotify:\(named.kind.rawValue):\(named.id)", "https://open.spotify.com/\(named.kind.rawValue)/\(named.id)",
            "HTTP:/play.Spotify.com/intl-de/embed/\(named.kind.rawValue)/\(named.id)/?si=x#y",
        ] {
            let again = SpotifyID.named(by: other)
            expect(again?.kind == named.kind && again?.id == named.id, "all spellings name the same")
        }
        let decorated = SpotifyID.named(by: text + "?si=x")
        expect(decorated?.kind == named.kind && decorated?.id == named.id, "what sharing adds says nothing")
        expect(SpotifyID(text, kind: named.kind) == named.id, "what is named is that kind's")
    }
}

private func resources(_ text: String) {
    if let resource = Resource(name: text) {
        expect(Resource(name: resource.name) == resource, "a resource's name reads back")
        let key = resource.cacheKey
        expect(key.count <= 512 && resource.denialKey.count <= 512, "a key fits")
        if let again = Resource(cacheKey: key) { expect(again.cacheKey == key, "a key reads back") }
        let target = resource.target(market: Market("SE"))
        expect(target.hasPrefix("/v1/") && target.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "a target can stand in a request")
    }
    if let term = SearchTerm(text) {
        expect(SearchTerm(term.typed) == term, "a query is the query that was typed")
        expect(!term.typed.utf8.contains(0), "no query holds a NUL")
        if let key = SearchTerm(term.key) { expect(key.key.utf8.elementsEqual(term.key.utf8), "what is a key is its own key") }
    }
    if let market = Market(text) { expect(Market(market.code) == market && market.code.utf8.count == 2, "a country reads back") }
}

private func encodings(_ text: String) {
    for also in ["", "/", ",:"] {
        let encoded = PercentEncoding.encode(text, keeping: also)
        expect(PercentEncoding.decode(encoded).map { $0.utf8.elementsEqual(text.utf8) } ?? false, "what was encoded decodes")
        expect(encoded.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "what is encoded is plain ASCII")
    }
    let query = Query(text)
    _ = (query["q"], query["offset"].flatMap(WholeNumber.read), Query("q=" + PercentEncoding.encode(text)).isMalformed)
    let asked = Query("a=1&q=\(PercentEncoding.encode(text))&b=2")
    expect(asked["q"].map { $0.utf8.elementsEqual(text.utf8) } ?? false && !asked.isMalformed, "a value of a query reads back")
    if let number = WholeNumber.read(text) { expect(WholeNumber.read(String(number)) == number, "a whole number reads back") }
}
