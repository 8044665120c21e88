import Testing

@testable import Spotify

@Suite struct SpotifyIDTests {
    static let text = "11dFghVXANMlKmJXsNCbNl"

    @Test(
        "an ID, a URI and a link of the kind all name it",
        arguments: [
            text, "spotify:track:\(text)", "SPOTIFY:track:\(text)", "spotify:track:\(text)?si=x",
            "https://open.spotify.com/track/\(text)", "http://open.spotify.com/track/\(text)", "https:/open.spotify.com/track/\(text)",
            "open.spotify.com/track/\(text)", "https://open.spotify.com/track/\(text)?si=ab&utm=c",
            "HTTPS://Open.Spotify.com/track/\(text)",
            "https://open.spotify.com/intl-de/track/\(text)?si=1", "https:/open.spotify.com/intl-pt-BR/track/\(text)/",
            "https://open.spotify.com/track/\(text)#0:30",
        ])
    func named(by name: String) {
        #expect(SpotifyID(name, kind: .track)?.text == Self.text)
        #expect(name == Self.text || SpotifyID(name, kind: .album) == nil)
    }

    @Test(
        "anything else names nothing",
        arguments: [
            "", "11dFghVXANMlKmJXsNCbN", "11dFghVXANMlKmJXsNCbNl1", "11dFghVXANMlKmJXsNCb-l", "１1dFghVXANMlKmJXsNCb", "spotify:track:",
            "spotify:song:\(text)", "spotify:track:\(text):x", "spotify:\(text)", "https://spotify.link/abcdef",
            "https://spotify.app.link/x",
            "https://open.spotify.com/\(text)", "https://open.spotify.com.evil.example/track/\(text)",
            "ftp://open.spotify.com/track/\(text)",
            "https://evil.example/open.spotify.com/track/\(text)", "https:///open.spotify.com/track/\(text)", " \(text)", "\(text)\n",
            "https://open.spotify.com/track/\(text)/x", "https://open.spotify.com//track/\(text)",
            "https://open.spotify.com/intl-de/\(text)",
            "https://u@open.spotify.com/track/\(text)", "https://open.spotify.com/track/\(text)//", "spotify:", "https://", "intl-de",
        ])
    func nothing(_ text: String) {
        #expect(SpotifyID(text, kind: .track) == nil)
        #expect(SpotifyID(text) == nil)
    }

    @Test("what a link names is told with its kind", arguments: ObjectKind.allCases)
    func kinds(kind: ObjectKind) {
        let named = SpotifyID.named(by: "https://open.spotify.com/\(kind.rawValue)/\(Self.text)")
        #expect(named?.kind == kind && named?.id.text == Self.text)
        #expect(SpotifyID.named(by: Self.text) == nil, "a bare ID has no kind")
    }
}
