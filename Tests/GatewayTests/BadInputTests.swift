import FastCGI
import Testing

@testable import Gateway

/// Whatever is asked amiss is answered at once in the dialect's shape, and nothing is looked up.
@Suite struct BadInputTests {
    let stage: RouterStage
    init() throws { stage = try RouterStage(user: 7) }

    static let id = "5111111111111111111111"
    static let badIDs = [
        "x", String(id.dropLast()), id + "1", "51111111111111111111-1", "5111111111111111111\u{e9}1", "\u{FFFD}", "..", "%", "null",
        " \(id)",
        "spotify:album:\(id)x", "spotify:user:\(id)", "spotify:\(id)", String(repeating: "a", count: 5000), "'; DROP TABLE", "${jndi}",
    ]

    func isError(_ response: Response?, _ statuses: Set<Int>, spotify: Bool) -> Bool {
        guard let response, statuses.contains(response.status) else { return false }
        let start = spotify ? #"{"error":{"status":\#(response.status),"message":""# : #"{"error":""#
        return response.text.hasPrefix(start) && response.header("Content-Type")?.hasPrefix("application/json") == true
            && response.header("Cache-Control") == "no-store"
    }

    @Test("A malformed id is 400 in the mirror", arguments: badIDs)
    func mirrorIDs(_ id: String) {
        for path in ["tracks/\(id)", "albums/\(id)", "artists/\(id)", "playlists/\(id)"] + [
            "albums/\(id)/tracks", "artists/\(id)/albums", "artists/\(id)/top-tracks", "playlists/\(id)/items", "playlists/\(id)/tracks",
        ] {
            #expect(isError(stage.get("/spotify/v1/" + path), [400, 404], spotify: true), "\(path)")
        }
    }

    @Test("A malformed id is 400 for the web client", arguments: badIDs)
    func itemIDs(_ id: String) {
        for path in ["track/\(id)", "album/\(id)", "artist/\(id)", "playlist/\(id)", "artist/\(id)/albums", "artist/\(id)/top-tracks"] {
            #expect(isError(stage.get("/api/catalog/" + path), [400, 404], spotify: false), "\(path)")
        }
    }

    @Test(
        "A link of another kind, a short link and one of another host are 400",
        arguments: [
            "https:/open.spotify.com/album/\(id)", "https:/spotify.link/abc", "https:/evil.example/track/\(id)", "spotify:album:\(id)",
            "https:/open.spotify.com/track/short", "http:/open.spotify.com@evil.example/track/\(id)",
        ])
    func links(_ link: String) {
        #expect(isError(stage.get("/spotify/v1/tracks/\(link)"), [400, 404], spotify: true))
        #expect(isError(stage.get("/api/catalog/track/\(link)"), [400, 404], spotify: false))
    }

    @Test(
        "A link of the right kind is taken, with and without its language",
        arguments: [
            "https:/open.spotify.com/track/\(id)", "https://open.spotify.com/track/\(id)", "https:/open.spotify.com/intl-de/track/\(id)",
            "spotify:track:\(id)", id,
        ])
    func goodLinks(_ link: String) throws {
        try stage.learn(.object(.track, .init(Self.id)!, market: nil), #"{"id":"\#(Self.id)","type":"track","name":"T"}"#)
        #expect(stage.get("/spotify/v1/tracks/\(link)")?.status == 200)
        #expect(stage.get("/api/catalog/track/\(link)/")?.status == 200)
    }

    @Test(
        "A bad parameter is 400",
        arguments: [
            "limit=0", "limit=51", "limit=-1", "limit=x", "limit=", "limit=1.5", "limit=1e1", "limit=%2B5", "limit=99999999999999999999",
            "offset=-1",
            "offset=100001", "offset=x", "offset=%00", "market=se", "market=SWE", "market=%C3%85%C3%85", "market=", "limit=%zz",
            "market=%ff", "a=%",
        ])
    func parameters(_ query: String) {
        #expect(isError(stage.get("/spotify/v1/albums/\(Self.id)/tracks", query), [400], spotify: true))
        #expect(isError(stage.get("/spotify/v1/artists/\(Self.id)/albums", query), [400], spotify: true))
        #expect(query == "limit=0" || isError(stage.get("/spotify/v1/search", "q=a&type=track&" + query), [400], spotify: true))
    }

    @Test(
        "Searches and batches have their own bounds",
        arguments: [
            ("search", ""), ("search", "q=&type=track"), ("search", "q=%20%09&type=track"), ("search", "q=%00%01&type=track"),
            ("search", "q=a"),
            ("search", "q=a&type="), ("search", "q=a&type=chapter"), ("search", "q=a&type=Episode"), ("search", "q=a&type=track,,x"),
            ("search", "q=a&type=track&offset=1001"),
            ("search", "q=a&type=track&offset=1001"), ("search", "q=" + String(repeating: "a", count: 301) + "&type=track"),
            ("tracks", ""), ("tracks", "ids="), ("tracks", "ids=,,"), ("tracks", "ids=x"), ("albums", "ids=\(id),x"),
            ("tracks", "ids=" + Array(repeating: id, count: 51).joined(separator: ",")),
            ("albums", "ids=" + Array(repeating: id, count: 21).joined(separator: ",")),
            ("playlists/\(id)", "fields=a("), ("playlists/\(id)/items", "fields=,"), ("playlists/\(id)/items", "country=se"),
            ("shows", "ids=x"), ("chapters", "ids=" + Array(repeating: id, count: 51).joined(separator: ",")),
            ("artists/\(id)/albums", "include_groups=foo"), ("artists/\(id)/albums", "include_groups=album,,foo"),
        ])
    func bounds(_ path: String, _ query: String) {
        #expect(isError(stage.get("/spotify/v1/" + path, query), [400], spotify: true))
    }

    @Test(
        "An unknown path is 404",
        arguments: [
            "", "x", "tracks/\(id)/x", "albums/\(id)/tracks/x", "playlists/\(id)/owner",
            "shows/\(id)/chapters", "audiobooks/\(id)/episodes", "episodes/\(id)/x", "mel",
            "tracks/\(id)/audio", "playlists", "track/\(id)", "../tracks/\(id)",
        ])
    func paths(_ path: String) {
        #expect(isError(stage.get("/spotify/v1/" + path), [400, 404], spotify: true))
    }

    @Test(
        "An unknown path of the web client is 404",
        arguments: [
            "", "x", "tracks/\(id)", "album/\(id)/tracks", "home", "home/x", "preferences", "preferences/7/x", "trending/x", "artist",
            "search/x",
        ])
    func itemPaths(_ path: String) {
        #expect(isError(stage.get("/api/catalog/" + path), [404, 405], spotify: false))
    }

    @Test(
        "A body that is no JSON object, or has members of another type, is 400",
        arguments: [
            "", "x", "[]", "null", "1", "{", #"{"query":"#, #"{"query":1}"#, #"{"query":""}"#, #"{"query":"  "}"#,
            #"{"query":"a","type":"x"}"#,
            #"{"query":"a","type":1}"#, #"{"query":"a","limit":"x"}"#, #"{"query":"a","limit":1.5}"#, #"{"query":"a","limit":true}"#,
            #"{"query":"a","limit":{}}"#, #"{"query":"a","offset":-1}"#, #"{"query":"a","offset":951}"#, #"{"query":"a","offset":1e300}"#,
            String(repeating: "[", count: 60_000), String(repeating: #"{"a":"#, count: 10_000),
        ])
    func bodies(_ body: String) {
        #expect(isError(stage.ask("POST", "/api/catalog/search", body: body), [400], spotify: false))
    }

    @Test("In a body null is as good as missing, a whole number is one however it is written, and the last of two members counts")
    func members() throws {
        let text = #"{"none":null,"a":7.0,"b":1e1,"c":"7","d":-0,"yes":true,"list":["x","é"],"twice":1,"twice":2,"\u0061b":3}"#
        let names = ["none", "a", "b", "c", "d", "yes", "list", "twice", "ab", "missing"]
        let members = Dictionary(uniqueKeysWithValues: names.map { ($0, BodyMember($0, .anything)) })
        func member(_ name: String) -> BodyMember { members[name] ?? BodyMember("", .anything) }
        let object = try #require(JSONObject(Array(text.utf8), Array(members.values)))
        for name in ["none", "missing"] {
            let member = member(name)
            #expect(try object.integer(member) == nil && object.bool(member) == nil && object.strings(member).isEmpty)
        }
        #expect(object.has(member("none")) && !object.has(member("missing")) && object.string(member("none")) == nil)
        #expect(try ["a", "b", "c", "d", "twice", "ab"].map { try object.integer(member($0)) } == [7, 10, 7, 0, 2, 3])
        #expect(try object.bool(member("yes")) == true && object.strings(member("list")) == ["x", "é"])
    }

    @Test(
        "A member of another type is refused, and so is a number that is none or too large",
        arguments: [
            "1.5", "1e15", "-1e300", "-9223372036854775808", "99999999999999999999", "true", "[]", "{}", #""x""#, #""+5""#, #""05""#,
            #""1000000000000000""#, #""""#, #"["a",1]"#,
        ])
    func otherMembers(_ value: String) throws {
        let x = BodyMember("x", .anything)
        let object = try #require(JSONObject(Array("{\"x\":\(value)}".utf8), [x]))
        #expect(throws: BadRequest.self) { try object.integer(x) }
        if value != "true" { #expect(throws: BadRequest.self) { try object.bool(x) } }
        if value != "[]" { #expect(throws: BadRequest.self) { try object.strings(x) } }
    }

    @Test(
        "A body is read strictly",
        arguments: ["{\"a\":[1,]}", "\u{feff}{}", "{\"a\":01}", #"{"a":"\ud800"}"#, "{} x", "{\"a\":1,}", "{'a':1}", "{\"a\":NaN}"])
    func strictly(_ body: String) {
        #expect(JSONObject(Array(body.utf8), []) == nil)
        #expect(JSONObject(body.utf16.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }, []) == nil)
    }

    @Test(
        "Seeds that are none are 400",
        arguments: [
            "", "[]", #"{"seed_artists":"x"}"#, #"{"seed_artists":["x"]}"#, #"{"seed_tracks":[1]}"#, #"{"seed_genres":{}}"#,
            #"{"seed_genres":["\""]}"#,
            #"{"limit":"x"}"#, #"{"seed_artists":["spotify:track:\#(id)"]}"#,
        ])
    func seeds(_ body: String) {
        #expect(isError(stage.ask("POST", "/api/catalog/recommendations", body: body), [400], spotify: false))
    }

    @Test("A wrong method is 405 and says which are right", arguments: ["PUT", "DELETE", "PATCH", "", "BREW"])
    func methods(_ method: String) {
        for (path, allowed) in [
            ("/spotify/v1/tracks/\(Self.id)", "GET, HEAD"), ("/api/catalog/search", "POST"),
            ("/api/catalog/preferences/7", "GET, HEAD, POST"),
        ] {
            let response = stage.ask(method, path)
            #expect(response?.status == 405 && response?.header("Allow") == allowed)
        }
        #expect(stage.ask("POST", "/api/catalog/trending")?.status == 405)
        #expect(stage.ask("GET", "/api/catalog/recommendations")?.status == 405)
    }

    @Test("Random bytes in path and query never fail and never reach the queue")
    func random() throws {
        var generator = SystemRandomNumberGenerator()
        let pieces = [
            "tracks", "albums", "artists", "playlists", "search", "track", Self.id, "..", "%2e", ":", "spotify:track:", "https:", "\u{0}",
            "é", "limit=", "&", "=", "ids=", ",", "9", "-", "open.spotify.com", "intl-", "items",
        ]
        for _ in 0..<2000 {
            let path = (0..<Int.random(in: 0...4, using: &generator)).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined(
                separator: "/")
            let query = (0..<Int.random(in: 0...5, using: &generator)).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
            for prefix in ["/spotify/v1/", "/api/catalog/"] {
                guard let response = stage.get(prefix + path, query) else { continue }  // well formed by chance
                #expect([400, 404, 405].contains(response.status), "\(prefix + path)?\(query): \(response.status)")
            }
        }
    }
}
