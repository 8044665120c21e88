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

    @Test("What Spotify no longer knows is served, and Cache-Status says so (RFC 9211, fwd-status)")
    func gone() throws {
        let stage = try RouterStage()
        try stage.learn(track, json)
        try stage.catalog.records.recordStore.store(NegativeEntry(status: 404, message: "no"), for: track)
        let response = try #require(stage.get("/spotify/v1/tracks/\(Self.id)"))
        #expect(response.status == 200 && response.text == json)
        #expect(response.header("Cache-Status") == "swingmusic-fcgi; hit; ttl=0; detail=sqlite; fwd=stale; fwd-status=404")
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
