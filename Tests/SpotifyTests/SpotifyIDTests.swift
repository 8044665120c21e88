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
            "https://open.spotify.com/track/\(text)#0:30", "\(text)?si=f18f0afca2b34d84", "\(text)#x",
            "https://open.spotify.com/embed/track/\(text)", "https://open.spotify.com/embed/intl-de/track/\(text)?utm_source=oembed",
            "https://open.spotify.com/intl-de/embed/track/\(text)", "https://play.spotify.com/track/\(text)",
        ])
    func named(by name: String) {
        #expect(SpotifyID(name, kind: .track)?.text == Self.text)
        #expect(name.hasPrefix(Self.text) || SpotifyID(name, kind: .album) == nil)
    }

    @Test(
        "anything else names nothing",
        arguments: [
            "", "11dFghVXANMlKmJXsNCbN", "11dFghVXANMlKmJXsNCbNl1", "11dFghVXANMlKmJXsNCb-l", "１1dFghVXANMlKmJXsNCb", "spotify:track:",
            "spotify:user:u:track:\(text)", "spotify:user:playlist:\(text)", "spotify:user:u:v:playlist:\(text)",
            "https://open.spotify.com/user/u/track/\(text)", "https://open.spotify.com/user/u", "https://open.spotify.com/embed/\(text)",
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

    @Test(
        "a playlist may be named with its owner, as until 2018",
        arguments: [
            "spotify:user:napster:playlist:\(text)", "spotify:user:a%20b:playlist:\(text)?si=x",
            "https://open.spotify.com/user/napster/playlist/\(text)", "https:/open.spotify.com/user/1/playlist/\(text)/",
            "HTTPS://open.spotify.com/intl-pt/user/1/playlist/\(text)", "http://play.spotify.com/user/napster/playlist/\(text)",
        ])
    func owned(by name: String) {
        #expect(SpotifyID(name, kind: .playlist)?.text == Self.text)
        #expect(SpotifyID(name, kind: .track) == nil)
    }

    @Test("Spotify's own links call audiobooks shows and chapters episodes, and not the other way round")
    func books() {
        #expect(SpotifyID("spotify:show:\(Self.text)", kind: .audiobook) != nil)
        #expect(SpotifyID("https://open.spotify.com/episode/\(Self.text)", kind: .chapter) != nil)
        #expect(SpotifyID("spotify:audiobook:\(Self.text)", kind: .show) == nil)
        #expect(SpotifyID("spotify:chapter:\(Self.text)", kind: .episode) == nil)
    }

    @Test(
        "a link that begins a path takes the parts that are its own",
        arguments: [
            ("https:/open.spotify.com/track/\(text)", 4), ("open.spotify.com/track/\(text)/x", 3),
            ("HTTPS:/open.spotify.com/intl-de/embed/album/\(text)/tracks", 6), ("open.spotify.com/user/u/playlist/\(text)/items", 5),
            ("https:/example.org/track/\(text)", 4), ("https:", nil), ("tracks/\(text)", nil), ("", nil),
        ])
    func lengths(_ path: String, _ length: Int?) {
        #expect(SpotifyID.linkLength(path.split(separator: "/").map(String.init)[...]) == length)
    }

    @Test("what a link names is told with its kind", arguments: ObjectKind.allCases)
    func kinds(kind: ObjectKind) {
        let named = SpotifyID.named(by: "https://open.spotify.com/\(kind.rawValue)/\(Self.text)")
        #expect(named?.kind == kind && named?.id.text == Self.text)
        #expect(SpotifyID.named(by: Self.text) == nil, "a bare ID has no kind")
    }
}
