import FastCGI
import JSON
import Spotify
import Testing

@testable import Catalog
@testable import Gateway

/// Every link that the mirror writes is one that it reads, at both of its places.
@Suite struct LinkTests {
    static let id = "5111111111111111111111"
    static let name = SpotifyID(id)!
    static let routes = [
        "albums/\(id)", "albums/\(id)/tracks?limit=7", "albums/\(id)/tracks?limit=50&offset=3", "shows/\(id)", "shows/\(id)/episodes",
        "audiobooks/\(id)", "audiobooks/\(id)/chapters?limit=9", "artists/\(id)/albums?limit=49",
        "artists/\(id)/albums?include_groups=album,single",
        "playlists/\(id)", "playlists/\(id)?additional_types=track,episode", "playlists/\(id)/items?limit=33", "playlists/\(id)/tracks",
        "playlists/\(id)/items?limit=40&additional_types=track,episode&fields=items(item(id,uri)),href,next,previous,offset,limit,total",
        "search?q=NOT%20%22a%2Bb%22%20%26%20100%25%20%C4%B0&type=track,playlist,show&limit=7", "search?query=x&type=album&limit=50",
        "albums/\(id)?market=SE", "albums/\(id)/tracks?country=SE",
    ]

    private func page(_ items: [String], _ total: Int, offset: Int = 0, path: String = "x") -> String {
        func link(_ offset: Int) -> String { #""https://api.spotify.com/v1/\#(path)?offset=\#(offset)&limit=50""# }
        let end = offset + items.count
        let (next, previous) = (end < total ? link(end) : "null", offset > 0 ? link(max(0, offset - 50)) : "null")
        let place = #""limit":50,"next":\#(next),"offset":\#(offset),"previous":\#(previous),"total":\#(total)"#
        return #"{"href":\#(link(offset)),"items":[\#(items.joined(separator: ","))],\#(place)}"#
    }

    private func things(_ range: Range<Int>) -> [String] { range.map { #"{"id":"\#($0)","type":"thing"}"# } }

    private func object(_ kind: ObjectKind, _ part: String, _ page: String) -> String {
        #"{"id":"\#(Self.id)","type":"\#(kind.rawValue)","name":"x","\#(part)":\#(page)}"#
    }

    /// Long lists of everything.
    private func fill(_ stage: RouterStage) throws {
        for (parts, market) in [
            (ObjectParts.albumTracks, nil), (.albumTracks, Market("SE")), (.showEpisodes, nil), (.audiobookChapters, nil),
        ] {
            let first = page(things(0..<50), 120, path: "\(parts.parent.plural)/\(Self.id)/\(parts.name)")
            try stage.learn(.object(parts.parent, Self.name, market: market), object(parts.parent, parts.name, first))
            for offset in [50, 100] {
                try stage.learn(
                    .parts(parts, Self.name, offset: offset, market: market),
                    page(things(offset..<min(120, offset + 50)), 120, offset: offset))
            }
        }
        for groups in [AlbumGroups.all, try #require(AlbumGroups("album,single"))] {
            for offset in [0, 50, 100] {
                try stage.learn(
                    .artistAlbums(Self.name, groups: groups, offset: offset, market: nil),
                    page(things(offset..<min(120, offset + 50)), 120, offset: offset))
            }
        }
        try fillPlaylist(stage)
        for (query, kinds) in [("NOT \"a+b\" & 100% İ", [ObjectKind.track, .playlist, .show]), ("x", [.album])] {
            try fillSearch(stage, query, kinds)
        }
    }

    private func fillPlaylist(_ stage: RouterStage) throws {
        func items(_ range: Range<Int>) -> [String] {
            range.map { #"{"item":{"id":"\#($0)","type":"\#($0 == 7 ? "episode" : "track")"}}"# }
        }
        // As Spotify linked playlists until 2018.
        let first = page(items(0..<100), 230, path: "users/u/playlists/\(Self.id)/items")
        let playlist = Resource.object(.playlist, Self.name, market: nil)
        for resource in [playlist, .withEpisodes(playlist)] { try stage.learn(resource, object(.playlist, "items", first)) }
        for offset in [100, 150, 200] {
            try stage.learn(
                .playlistItems(Self.name, .items, offset: offset, market: nil),
                page(items(offset..<min(230, offset + 50)), 230, offset: offset))
        }
    }

    private func fillSearch(_ stage: RouterStage, _ query: String, _ kinds: [ObjectKind]) throws {
        for asked in [kinds] + (kinds.count > 1 ? kinds.map { [$0] } : []) {
            for offset in stride(from: 0, to: 1000, by: 10) {
                let pages = asked.map { #""\#($0.plural)":\#(page(things(offset..<offset + 10), 1500, offset: offset))"# }
                try stage.learn(
                    .search(try #require(SearchTerm(query)), kinds: asked, offset: offset, market: nil), "{\(pages.joined(separator: ","))}"
                )
            }
        }
    }

    private func get(_ stage: RouterStage, _ target: String) throws -> JSONNode {
        let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
        let path = try #require(parts[0].removingPercentEncoding)
        let response = try #require(stage.get(path, parts.count > 1 ? parts[1] : ""), "\(target) would be looked up")
        #expect(response.status == 200, "\(target): \(response.text)")
        return try JSONDocument(Array(response.body)).root
    }

    /// The mirror's own links at any depth, without the host.
    private func links(in node: JSONNode) -> [String] {
        if node.kind == .array { return node.elements.flatMap(links) }
        return node.members.flatMap { key, value in
            guard ["href", "next", "previous"].contains(key), let link = value.string else { return links(in: value) }
            return link.dropPrefix("http://music.example").map { [String($0)] } ?? []
        }
    }

    private func pages(in node: JSONNode) -> [JSONNode] {
        (node.has("next") ? [node] : []) + node.members.flatMap { pages(in: $0.value) }
    }

    @Test("Every link leads to an answer, from the first page to the last and back", arguments: ["/spotify/v1/", "/v1/"], routes)
    func followed(_ prefix: String, _ route: String) throws {
        let stage = try RouterStage()
        try fill(stage)
        let first = try get(stage, prefix + route)
        let found = links(in: first)
        #expect(!found.isEmpty && found.allSatisfy { $0.hasPrefix(prefix) })
        for link in found { _ = try get(stage, link) }
        for page in pages(in: first) where page["next"] != nil {
            var (current, seen, total) = (page, page["items"]?.elements.count ?? 0, page["total"]?.integer ?? 0)
            let start = page["offset"]?.integer ?? 0
            while let next = current["next"]?.string?.dropPrefix("http://music.example") {
                current = try #require(pages(in: try get(stage, String(next))).first)
                seen += current["items"]?.elements.count ?? 0
            }
            total = route.hasPrefix("search") ? ListLimits.searchResults : total
            #expect(start + seen == total, "no element twice, none left out")
            while let previous = current["previous"]?.string?.dropPrefix("http://music.example") {
                current = try #require(pages(in: try get(stage, String(previous))).first)
            }
            #expect(current["offset"]?.integer == 0)
        }
    }

    @Test("Records of before have links that are read: with an owner, and to the mirror's usual place")
    func stored() throws {
        let stage = try RouterStage()
        try fill(stage)
        for path in ["users/u/playlists/\(Self.id)/tracks", "users/some%20body/playlists/\(Self.id)/items", "users/u/playlists/\(Self.id)"]
        {
            for prefix in ["/spotify/v1/", "/v1/"] { _ = try get(stage, prefix + path) }
        }
        let body = Array(#"{"id":"\#(Self.id)","type":"album","tracks":{"href":"/spotify/v1/albums/\#(Self.id)/tracks","items":[]}}"#.utf8)
        let place = try #require(body.firstRange(of: Array("/spotify/v1".utf8))).lowerBound
        let old = Record(body: body, linkPlaces: [UInt32(place)])
        for (base, begin) in [
            (LinkBase("http://h"), "http://h/spotify/v1/albums"), (LinkBase("http://h", isBare: true), "http://h/v1/albums"),
            (LinkBase(""), "/spotify/v1/albums"),
        ] {
            let link = try JSONDocument(old.body(linkedTo: base)).root["tracks"]?["href"]?.string
            #expect(link?.hasPrefix(begin) == true)
        }
    }

    @Test("What was asked for stands in the links of the page that an object holds, even where Spotify's do not say it")
    func kept() throws {
        let stage = try RouterStage()
        try fill(stage)
        #expect(try get(stage, "/spotify/v1/albums/\(Self.id)?market=SE")["tracks"]?["next"]?.string?.hasSuffix("&market=SE") == true)
        let playlist = try get(stage, "/spotify/v1/playlists/\(Self.id)?additional_types=episode")
        for part in ["tracks", "items"] {
            let link = playlist[part]?["next"]?.string
            #expect(
                link == "http://music.example/spotify/v1/playlists/\(Self.id)/\(part)?offset=100&limit=50&additional_types=track,episode")
        }
    }

    @Test("A playlist without episodes in its first page is read on as it was asked for: a later page may have some")
    func laterEpisodes() throws {
        let stage = try RouterStage()
        let things = (0..<100).map { #"{"item":{"id":"\#($0)","type":"track"}}"# }
        let resource = Resource.object(.playlist, Self.name, market: Market("SE"))
        try stage.learn(resource, object(.playlist, "items", page(things, 130, path: "playlists/\(Self.id)/items")))
        func next(_ query: String) throws -> String? {
            try get(stage, "/spotify/v1/playlists/\(Self.id)?\(query)")["items"]?["next"]?.string
        }
        let plain = try #require(try next("market=SE"))
        #expect(try next("market=SE&additional_types=episode,track") == plain + "&additional_types=track,episode")
        #expect(!plain.contains("additional_types"))
        let tags = ["", "&additional_types=episode"].map {
            stage.get("/spotify/v1/playlists/\(Self.id)", "market=SE\($0)")?.header("ETag")
        }
        #expect(tags[0] != nil && tags[0] != tags[1])
        // Links with escapes in them, and without a query.
        let text = #"{"a":"/x","b":"/y?q=\"\\","c":"/z?additional_types=track"}"#
        let body = Array(text.utf8)
        let places = try ["/x", "/y", "/z"].map { UInt32(try #require(body.firstRange(of: Array($0.utf8))).lowerBound) }
        let linked = Record(body: body, linkPlaces: places).body(linkedTo: LinkBase("h"), naming: ("additional_types", "track,episode"))
        let expected =
            #"{"a":"h/x?additional_types=track,episode","b":"h/y?q=\"\\&additional_types=track,episode","c":"h/z?additional_types=track"}"#
        #expect(String(decoding: linked, as: UTF8.self) == expected)
    }

    @Test("A search without elements has a total and no neighbour")
    func limitZero() throws {
        let stage = try RouterStage()
        try fill(stage)
        let found = try get(stage, "/spotify/v1/search?q=x&type=album&limit=0")["albums"]
        #expect(found?["total"]?.integer == 1500 && found?["limit"]?.integer == 0 && found?["items"]?.elements.isEmpty == true)
        #expect(found?.has("next") == true && found?["next"] == nil && found?["previous"] == nil)
    }

    @Test("The bare place is the mirror's alone, and refuses as the other does")
    func bare() throws {
        let stage = try RouterStage()
        #expect(stage.get("/v1/tracks/x")?.status == 400)
        #expect(stage.get("/v1/nothing")?.text == #"{"error":{"status":404,"message":"Service not found"}}"#)
        #expect(stage.ask("POST", "/v1/search")?.status == 405)
        #expect(stage.get("/v1/api/catalog/track/\(Self.id)")?.status == 404)
        #expect(stage.get("/v1")?.status == 404)
    }
}
