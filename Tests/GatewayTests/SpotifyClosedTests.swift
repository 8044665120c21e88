import FastCGI
import Testing

@testable import Gateway

/// What the Web API has and the mirror has not is refused in Spotify's words, which say why.
@Suite struct SpotifyClosedTests {
    static let id = "5111111111111111111111"
    let stage: RouterStage
    init() throws { stage = try RouterStage() }

    @Test(
        "What is somebody's own needs a user: 401",
        arguments: [
            ("GET", "me"), ("GET", "me/tracks"), ("GET", "me/player/devices"), ("GET", "me/top/artists"), ("PUT", "me/tracks"),
            ("DELETE", "me/following"), ("POST", "me/player/queue"), ("HEAD", "me"), ("GET", "playlists/\(id)/followers/contains"),
            ("PUT", "playlists/\(id)/followers"), ("DELETE", "playlists/\(id)/followers"), ("PUT", "playlists/\(id)"),
            ("POST", "playlists/\(id)/tracks"), ("PUT", "playlists/\(id)/items"), ("DELETE", "playlists/\(id)/items"),
            ("PUT", "playlists/\(id)/images"), ("POST", "users/u/playlists"),
        ])
    func users(_ method: String, _ path: String) throws {
        for prefix in ["/spotify/v1/", "/v1/"] {
            let response = try #require(stage.ask(method, prefix + path))
            #expect(
                response.status == 401 && response.text.hasPrefix(#"{"error":{"status":401,"message":"Valid user authentication required"#))
        }
    }

    @Test(
        "What development mode took away and nothing else gives is 403",
        arguments: [
            "browse/new-releases", "browse/categories/pop/playlists", "markets", "recommendations", "recommendations/available-genre-seeds",
            "audio-features", "audio-features/\(id)", "audio-analysis/\(id)", "artists/\(id)/related-artists", "users/u",
            "users/u/playlists",
        ])
    func closed(_ path: String) throws {
        let response = try #require(stage.get("/spotify/v1/" + path))
        #expect(response.status == 403 && response.text.hasPrefix(#"{"error":{"status":403,"message":"Forbidden"#))
    }

    @Test(
        "What only reads is 405 for any other method, and what is nothing 404",
        arguments: [
            ("POST", "tracks/\(id)", 405), ("PUT", "search", 405), ("DELETE", "shows/\(id)/episodes", 405),
            ("PATCH", "playlists/\(id)", 405),
            ("POST", "nothing", 404), ("GET", "melody", 404), ("GET", "playlists/\(id)/owner", 404),
        ])
    func others(_ method: String, _ path: String, _ status: Int) throws {
        let response = try #require(stage.ask(method, "/spotify/v1/" + path))
        #expect(response.status == status && (response.header("Allow") == "GET, HEAD") == (status == 405))
    }
}
