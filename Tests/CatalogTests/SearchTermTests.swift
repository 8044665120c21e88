import Spotify
import Testing

@testable import Catalog

@Suite struct SearchTermTests {
    @Test("Case and spaces make no second lookup, and the query stays as it was typed")
    func merged() throws {
        let typed = try #require(SearchTerm("  Daft \t PUNK "))
        #expect(typed == SearchTerm("daft punk") && typed.hashValue == SearchTerm("daft punk")?.hashValue)
        #expect(typed.typed == "  Daft \t PUNK " && typed.key == "daft punk")
        #expect(SearchTerm("ARTIST") == SearchTerm("artist"))
        #expect(SearchTerm("Artist:ABBA Year:1980") == SearchTerm("Artist:abba Year:1980"))
        #expect(SearchTerm("Re:Zero 10:35 PM") == SearchTerm("re:zero 10:35 pm"))
    }

    @Test(
        "What Spotify tells apart has keys of its own",
        arguments: [
            ("roadhouse NOT blues", "roadhouse not blues"), ("a OR b", "a or b"), ("a AND b", "a and b"), ("(a OR b)", "(a or b)"),
            ("x NOT\"y\"", "x not\"y\""), ("Artist:abba", "artist:abba"), ("tag:new", "TAG:new"), ("tag:new", "tag:NEW"), ("a+b", "a b"),
            ("100%", "100"), ("İ", "i"), ("\"a b\"", "a b"), ("é", "e\u{301}"),
        ])
    func apart(_ one: String, _ other: String) throws {
        let (one, other) = (try #require(SearchTerm(one)), try #require(SearchTerm(other)))
        #expect(one != other)
        #expect(
            Resource.search(one, kinds: [.track], offset: 0, market: nil).cacheKey
                != Resource.search(other, kinds: [.track], offset: 0, market: nil).cacheKey)
    }

    @Test(
        "A key is its own key, and the key of a plain query is what it always was",
        arguments: [
            "Notorious B.I.G. NOT Nas", "İstanbul", "ΑΣ OR ß", "tag:NEW Year:2001", "NOT(blues)", "X\u{0}Y\r\nz", "ORANGE Android NOTE",
        ])
    func idempotent(_ query: String) throws {
        let term = try #require(SearchTerm(query))
        #expect(SearchTerm(term.key)?.key == term.key)
        let plain = query.lowercased()
        let old = plain.unicodeScalars.split { $0.properties.isWhitespace || $0.properties.generalCategory == .control }
        #expect(SearchTerm(plain)?.key == old.map { String($0) }.joined(separator: " "))
    }

    @Test("Spaces alone are no query, and 300 scalars the longest")
    func bounds() {
        #expect(SearchTerm(" \n ") == nil && SearchTerm("\u{0}\u{1}") == nil)
        #expect(SearchTerm(String(repeating: "x", count: 300)) != nil && SearchTerm(String(repeating: "x", count: 301)) == nil)
    }

    @Test(
        "Every process sends what was typed: the lookup's name has it, the record's key does not",
        arguments: [
            ("roadhouse NOT blues", "roadhouse%20NOT%20blues"), ("İ  ÅSA", "%C4%B0%20%20%C3%85SA"), ("a+b & 100%", "a%2Bb%20%26%20100%25"),
            (" x\ty\n", "%20x%09y%0A"), ("A/B\u{0}c", "A%2FB%20c"), ("\"Ü\":'x';", "%22%C3%9C%22%3A%27x%27%3B"),
        ])
    func sent(_ query: String, _ encoded: String) throws {
        let resource = Resource.search(try #require(SearchTerm(query)), kinds: [.track], offset: 0, market: nil)
        #expect(resource.target(market: nil) == "/v1/search?q=\(encoded)&type=track&limit=10")
        let read = try #require(Resource(name: resource.name))
        #expect(read == resource && read.target(market: nil) == resource.target(market: nil))
        #expect(read.cacheKey == resource.cacheKey && read.denialKey == resource.denialKey)
    }

    @Test("The log's name of a search has nothing of what was typed, and every other is the lookup's")
    func logged() throws {
        let search = Resource.search(try #require(SearchTerm("My Secret/NOT x")), kinds: [.track, .show], offset: 20, market: Market("SE"))
        #expect(search.loggedName == "search/track,show/20")
        let track = Resource.object(.track, Sample.id(1), market: nil)
        #expect(track.loggedName == track.name)
    }

    @Test("What was typed in another way is found, and what was refused, too")
    func found() throws {
        let house = try House()
        func search(_ query: String) throws -> SearchQuestion {
            SearchQuestion(term: try #require(SearchTerm(query)), query: query, kinds: [.track], offset: 0, limit: 10, market: nil)
        }
        func resource(_ query: String) throws -> Resource {
            .search(try #require(SearchTerm(query)), kinds: [.track], offset: 0, market: nil)
        }
        try house.learn(resource("Neon  Bones"), #"{"tracks":\#(Sample.page([Sample.track(1, by: 2)], total: 1))}"#)
        let answer = try house.composed(search("neon bones"))
        #expect(try answer.parsed()["tracks"]?["href"]?.string?.hasSuffix("query=neon%20bones&type=track") == true)
        try house.refuse(resource("Bad Words"), 400)
        guard case .denied = try house.answer(search("bad words")) else { throw House.Unreadable() }
        guard case .missing(let missing) = try house.answer(search("neon NOT bones")) else { throw House.Unreadable() }
        #expect(missing == [try resource("neon NOT bones")])
    }
}
