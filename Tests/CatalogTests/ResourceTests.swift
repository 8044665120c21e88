import Spotify
import Testing

@testable import Catalog

@Suite struct ResourceTests {
    static let id = SpotifyID("11dFghVXANMlKmJXsNCbNl")!
    static let resources: [Resource] = [
        .object(.track, id, market: nil), .object(.album, id, market: Market("se")), .albumTracks(id, offset: 50, market: nil),
        .artistAlbums(id, groups: .all, offset: 0, market: Market("DE")),
        .artistAlbums(id, groups: AlbumGroups("single,album")!, offset: 100, market: nil),
        .playlistItems(id, .tracks, offset: 100, market: nil), .topTracks(id, market: nil),
        .search(SearchTerm("a/b @SE  C")!, kinds: [.track, .album], offset: 20, market: Market("SE")),
        .search(SearchTerm("a")!, kinds: [.show, .episode, .audiobook], offset: 0, market: nil), .playlistImages(id),
        .object(.show, id, market: Market("SE")), .object(.chapter, id, market: nil), .parts(.showEpisodes, id, offset: 50, market: nil),
        .parts(.audiobookChapters, id, offset: 0, market: Market("SE")), .withEpisodes(.object(.playlist, id, market: Market("SE"))),
        .withEpisodes(.playlistItems(id, .items, offset: 50, market: nil)), .kept(.object(.playlist, id, market: Market("SE"))),
        .kept(.withEpisodes(.playlistItems(id, .items, offset: 50, market: nil))),
    ]

    @Test("Every resource is read back from its name", arguments: resources)
    func names(_ resource: Resource) {
        #expect(Resource(name: resource.name) == resource)
    }

    @Test(
        "What is no name of a resource is refused",
        arguments: [
            "", "track", "track/short", "tracks/11dFghVXANMlKmJXsNCbNl", "track@SWE/11dFghVXANMlKmJXsNCbNl",
            "album-tracks/11dFghVXANMlKmJXsNCbNl/-1",
            "playlist-images@SE/11dFghVXANMlKmJXsNCbNl", "with-episodes/track/11dFghVXANMlKmJXsNCbNl", "with-episodes/",
            "with-episodes/with-episodes/playlist/11dFghVXANMlKmJXsNCbNl", "show-chapters/11dFghVXANMlKmJXsNCbNl/0",
            "private/track/11dFghVXANMlKmJXsNCbNl", "private/private/playlist/11dFghVXANMlKmJXsNCbNl", "private/",
            "search/track/0/", "search/nothing/0/x", "playlist-items/11dFghVXANMlKmJXsNCbNl/others/0",
        ])
    func noNames(_ name: String) {
        #expect(Resource(name: name) == nil)
    }

    @Test("Targets carry the Web API's parameters, the account's market where none was asked, and are encoded")
    func targets() {
        let own = Market("SE")
        #expect(Resource.object(.track, Self.id, market: nil).target(market: nil) == "/v1/tracks/11dFghVXANMlKmJXsNCbNl")
        #expect(Resource.object(.track, Self.id, market: nil).target(market: own) == "/v1/tracks/11dFghVXANMlKmJXsNCbNl?market=SE")
        #expect(Resource.object(.artist, Self.id, market: nil).target(market: own) == "/v1/artists/11dFghVXANMlKmJXsNCbNl")
        #expect(
            Resource.search(SearchTerm("Björk & co")!, kinds: [.track], offset: 10, market: nil).target(market: nil)
                == "/v1/search?q=Bj%C3%B6rk%20%26%20co&type=track&limit=10&offset=10")
        #expect(
            Resource.withEpisodes(.playlistItems(Self.id, .items, offset: 50, market: own)).target(market: nil)
                == "/v1/playlists/\(Self.id.text)/items?additional_types=track,episode&limit=50&offset=50&market=SE")
        #expect(Resource.playlistImages(Self.id).target(market: own) == "/v1/playlists/\(Self.id.text)/images")
        #expect(
            Resource.parts(.audiobookChapters, Self.id, offset: 0, market: nil).target(market: own)
                == "/v1/audiobooks/\(Self.id.text)/chapters?limit=50&market=SE")
    }

    @Test("A market is two ASCII letters", arguments: ["S", "SWE", "s1", "ÅÄ", "@@", ""])
    func markets(_ text: String) {
        #expect(Market(text) == nil)
    }
}
