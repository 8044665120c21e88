import FastCGI
import Spotify
import Testing

@testable import Catalog
@testable import Gateway

@Suite struct MetadataRouteTests {
    static let id = "5111111111111111111111"
    let track = Resource.object(.track, SpotifyID(id)!, market: nil)
    let json = #"{"id":"\#(id)","type":"track","name":"T","album":{"id":"\#(id)","type":"album"}}"#

    @Test(
        "HEAD has the head of GET and no body, for hits, refusals and errors",
        arguments: [
            "/spotify/v1/tracks/\(id)", "/spotify/v1/tracks/x", "/spotify/v1/nothing", "/api/catalog/track/\(id)", "/api/catalog/track/x",
            "/spotify/v1/tracks/5222222222222222222222", "/nowhere",
        ])
    func head(_ path: String) throws {
        let stage = try RouterStage()
        try stage.learn(track, json)
        try stage.catalog.records.recordStore.store(
            NegativeEntry(status: 404, message: "no"), for: .object(.track, SpotifyID("5222222222222222222222")!, market: nil))
        let (got, head) = (try #require(stage.get(path)), try #require(stage.ask("HEAD", path)))
        #expect(head.status == got.status && head.omitsBody && head.body.count == got.body.count)
        #expect(head.header("ETag") == got.header("ETag"))
    }

    @Test("What Spotify no longer knows is served, and Cache-Status says so")
    func gone() throws {
        let stage = try RouterStage()
        try stage.learn(track, json)
        try stage.catalog.records.recordStore.store(NegativeEntry(status: 404, message: "no"), for: track)
        let response = try #require(stage.get("/spotify/v1/tracks/\(Self.id)"))
        #expect(response.status == 200 && response.text == json)
        #expect(response.header("Cache-Status") == "swingmusic-fcgi; hit; ttl=-1; detail=sqlite/404")
    }

    @Test("A fresh answer of records may be kept for a minute by who asked, where metadata is for anybody; nothing else may")
    func kept() throws {
        let stage = try RouterStage()
        try stage.learn(track, json)
        for path in ["/spotify/v1/tracks/\(Self.id)", "/api/catalog/track/\(Self.id)"] {
            #expect(stage.get(path)?.header("Cache-Control") == "private, max-age=60, stale-while-revalidate=600")
        }
        #expect(stage.get("/spotify/v1/tracks", "ids=\(Self.id)")?.header("Cache-Control")?.hasPrefix("private, max-age=60,") == true)
        // What a search has found may be other things at any time.
        #expect(!TopTracksQuestion(id: try #require(SpotifyID(Self.id)), market: nil).isOfRecords && ObjectQuestion(track).isOfRecords)
        #expect(stage.get("/spotify/v1/tracks/x")?.header("Cache-Control") == "no-store")
        let tag = try #require(stage.get("/spotify/v1/tracks/\(Self.id)")?.header("ETag"))
        let same = try #require(stage.ask("GET", "/spotify/v1/tracks/\(Self.id)", headers: [("HTTP_IF_NONE_MATCH", tag)]))
        #expect(same.status == 304 && same.header("Cache-Control")?.hasPrefix("private, max-age=60") == true)
        try stage.catalog.records.recordStore.store(NegativeEntry(status: 404, message: "no"), for: track)
        #expect(stage.get("/spotify/v1/tracks/\(Self.id)")?.header("Cache-Control") == "private, max-age=0")
        let closed = try RouterStage(isOpen: false)
        try closed.learn(track, json)
        #expect(closed.get("/spotify/v1/tracks/\(Self.id)")?.header("Cache-Control") == "private, max-age=0")
    }

    @Test("nginx's cache is told what it may keep where it says that it is one, of fresh hits alone, and nobody else is")
    func keptByNginx() throws {
        let stage = try RouterStage()
        try stage.learn(track, json)
        let mark = [("NGINX_MICROCACHE", "on")]
        let path = "/spotify/v1/tracks/\(Self.id)"
        let hit = try #require(stage.ask("GET", path, headers: mark))
        #expect(hit.header("X-Accel-Expires") == "3" && hit.header("Date")?.hasSuffix(" GMT") == true)
        let head = String(decoding: hit.head, as: UTF8.self)
        #expect(try #require(head.range(of: "X-Accel-Expires")).lowerBound < #require(head.range(of: "Cache-Control")).lowerBound)
        let tag = try #require(hit.header("ETag"))
        for response in [
            stage.get(path), stage.ask("GET", path, headers: [("HTTP_NGINX_MICROCACHE", "on")]),
            stage.ask("GET", path, headers: mark + [("HTTP_IF_NONE_MATCH", tag)]),
            stage.ask("GET", "/spotify/v1/tracks/x", headers: mark),
        ] {
            #expect(response != nil && response?.header("X-Accel-Expires") == nil && response?.header("Date") == nil)
        }
        let closed = try RouterStage(isOpen: false)
        try closed.learn(track, json)
        #expect(closed.ask("GET", path, headers: mark)?.header("X-Accel-Expires") == nil)
        try stage.catalog.records.recordStore.store(NegativeEntry(status: 404, message: "no"), for: track)
        #expect(stage.ask("GET", path, headers: mark)?.header("X-Accel-Expires") == nil)
    }

    @Test("Removed fields are filled in the mirror when that is asked for, and in nothing else")
    func filled() throws {
        for isOn in [false, true] {
            let stage = try RouterStage(fillsRemovedFields: isOn)
            try stage.learn(track, json)
            #expect(stage.get("/spotify/v1/tracks/\(Self.id)")?.text.contains("popularity") == isOn)
            #expect(stage.get("/spotify/v1/tracks", "ids=\(Self.id)")?.text.contains("popularity") == isOn)
            #expect(stage.get("/api/catalog/track/\(Self.id)")?.text.contains(#""popularity":0"#) == false)
        }
    }

    @Test("Preferences are the session's user's alone")
    func preferences() throws {
        let path = "/api/catalog/preferences/7"
        let nobody = try RouterStage()
        #expect(nobody.get(path)?.status == 401)
        let stage = try RouterStage(user: 7)
        #expect(stage.get("/api/catalog/preferences/8")?.status == 403)
        #expect(stage.get("/api/catalog/preferences/8")?.text == #"{"error":"Forbidden"}"#)
        #expect(stage.get("/api/catalog/preferences/x")?.status == 400)
        #expect(stage.get(path)?.text.hasPrefix(#"{"user_id":7,"max_search_results":20,"#) == true)
        // It may have to wait for the disk, so it is parked; what comes of it: Tests/nginx/test_sessions.py.
        #expect(stage.ask("POST", path, body: #"{"max_search_results":500}"#) == nil)
        for body in [
            "", "[]", #"{"max_top_tracks":"x"}"#, #"{"show_explicit":1}"#, #"{"preferred_markets":["S"]}"#, #"{"preferred_markets":"SE"}"#,
        ] {
            #expect(stage.ask("POST", path, body: body)?.status == 400, "\(body)")
        }
    }

    @Test(
        "Trending takes three types and clamps its limit",
        arguments: [("", 200), ("type=albums&limit=900", 200), ("type=playlists", 400), ("limit=x", 400)])
    func trending(_ query: String, _ status: Int) throws {
        let stage = try RouterStage()
        let response = stage.get("/api/catalog/trending", query)
        // In an empty house it would look something up.
        #expect(response?.status ?? 200 == status)
        if let response { #expect(response.text.hasPrefix(#"{"error":""#)) }
    }
}
