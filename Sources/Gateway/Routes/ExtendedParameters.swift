import Catalog
import FastCGI
import JSON
import Sessions
import Spotify

/// What a search of the extended web client asks for.
struct ExtendedSearch {
    let term: SearchTerm
    let query: String
    let kinds: [ObjectKind]
    let limit: Int
    let includesLocal: Bool
    let includesGlobal: Bool

    private static let text = BodyMember("query", .text(pattern: "\\S", least: 1, most: 300))
    private static let type = BodyMember("type", .oneOf(["all", "tracks", "albums", "artists", "playlists"]))
    private static let count = BodyMember("limit", WholeNumber.inBody)
    private static let local = BodyMember("include_local", .boolean.orNull)
    private static let global = BodyMember("include_global", .boolean.orNull)

    static let body = DescribedBody.object(
        [text], optional: [type, count], example: ["query": "Carly Rae Jepsen", "type": "all", "limit": 5])
    static let combinedBody = DescribedBody.object(
        [text], optional: [type, count, local, global],
        example: ["query": "Carly Rae Jepsen", "include_local": true, "include_global": false])

    init(_ routed: RoutedRequest) throws(BadRequest) {
        let body = try routed.object()
        query = body.string(Self.text) ?? ""
        guard query.contains(where: { !$0.isWhitespace }) else { throw BadRequest(400, "Search query is required") }
        guard let term = SearchTerm(query) else { throw BadRequest(400, "The search query is too long") }
        self.term = term
        kinds = try Self.kinds(body.has(Self.type) ? body.string(Self.type) ?? "" : "all")
        limit = min(max(try body.integer(Self.count) ?? 20, 1), 50)
        includesLocal = try body.bool(Self.local) ?? true
        includesGlobal = try body.bool(Self.global) ?? true
    }

    private static func kinds(_ type: String) throws(BadRequest) -> [ObjectKind] {
        if type == "all" { return ObjectKind.music }
        guard let kind = ObjectKind.music.first(where: { $0.plural == type }) else {
            throw BadRequest(400, "Invalid type. Must be one of: all, tracks, albums, artists, playlists")
        }
        return [kind]
    }

    // MARK: Suggestions

    private static let typed = Parameter.query("q", "What has been typed; two letters at least.", .text, example: "carly")
    private static let suggested = Parameter.query(
        "type", "What, all when left out.", .oneOf(["all", "tracks", "albums", "artists", "playlists"]), example: "tracks")
    private static let most = ClampedLimit(usual: 10, most: 20)

    static let suggestionParameters = [typed, suggested, most.parameter]

    static func suggestions(_ routed: RoutedRequest) throws(BadRequest) -> any Question {
        let limit = try CatalogParameters(routed).limit(most)
        return SuggestionsQuestion(text: routed.given[typed] ?? "", kinds: try kinds(routed.given[suggested] ?? "all"), limit: limit)
    }
}

/// A link that names something of Spotify's that a music server has pages for.
struct SpotifyLink {
    let url: String
    let kind: ObjectKind
    let id: SpotifyID

    private static let longest = 2000
    private static let member = BodyMember("url", .text(pattern: "\\S", least: 1, most: longest))
    static let body = DescribedBody.object(
        [member], optional: [], example: ["url": "https://open.spotify.com/track/11dFghVXANMlKmJXsNCbNl"])

    /// - Throws: 400 for what is no such link.
    init(_ routed: RoutedRequest) throws(BadRequest) {
        url = try Self.url(routed)
        guard let named = Self.named(by: url) else { throw BadRequest(400, "Unsupported URL format") }
        (kind, id) = named
    }

    private static func named(by url: String) -> (kind: ObjectKind, id: SpotifyID)? {
        SpotifyID.named(by: url).flatMap { ObjectKind.music.contains($0.kind) ? $0 : nil }
    }

    static func url(_ routed: RoutedRequest) throws(BadRequest) -> String {
        let text = try routed.object().string(member) ?? ""
        let url = String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
        guard !url.isEmpty else { throw BadRequest(400, "URL is required") }
        guard text.unicodeScalars.count <= longest else { throw BadRequest(400, "The URL is too long") }
        return url
    }

    static func validity(_ url: String) -> Response {
        let answer: JSONValue =
            if let named = named(by: url) {
                [
                    "valid": true, "service": "spotify", "item_type": .string(named.kind.rawValue), "id": .string(named.id.text),
                    "metadata": .object([] as [JSONMember]),
                ]
            } else {
                ["valid": false, "error": "Unsupported URL format"]
            }
        var response = Response(status: 200, contentType: ErrorFormat.json, body: JSONWriter.bytes(of: answer))
        response.add("Cache-Control", "no-store")
        return response
    }
}

/// What swingmusic's own songs have of a search.
struct LocalResults {
    private var found: [(kind: ObjectKind, items: [JSONValue])] = []

    init() {}

    init(_ index: Library.Index, _ asked: ExtendedSearch) {
        let songs = index.songs(with: asked.query, atMost: asked.limit)
        var (albums, artists) = (Set<String>(), Set<String>())
        found = [
            (.track, songs.map(Self.track)),
            (.album, songs.filter { albums.insert($0.albumHash).inserted }.map(Self.album)),
            (.artist, songs.filter { artists.insert($0.artists).inserted }.map(Self.artist)),
        ].filter { asked.kinds.contains($0.kind) }
    }

    var count: Int { found.reduce(0) { $0 + $1.items.count } }

    var json: JSONValue {
        .object(
            [ObjectKind.track, .album, .artist].map { kind in
                JSONMember(kind.plural, .array(found.first { $0.kind == kind }?.items ?? []))
            })
    }

    /// Where nothing else was asked for.
    func answer(to query: String) -> [UInt8] {
        let nothing = JSONValue.object(ObjectKind.music.map { JSONMember($0.plural, []) })
        return JSONWriter.bytes(of: ["query": .string(query), "local": json, "global": nothing, "total": .integer(count)])
    }

    private static func track(_ song: Library.Song) -> JSONValue {
        [
            "id": .string(song.trackHash ?? song.storedHash), "trackhash": song.trackHash.map(JSONValue.string) ?? .null, "type": "track",
            "title": .string(song.title), "artist": .string(song.artists), "album": .string(song.album),
            "albumhash": .string(song.albumHash),
            "duration_ms": .integer(song.duration * 1000), "source": "local",
        ]
    }

    private static func album(_ song: Library.Song) -> JSONValue {
        [
            "id": .string(song.albumHash), "albumhash": .string(song.albumHash), "type": "album", "title": .string(song.album),
            "artist": .string(song.albumArtists), "source": "local",
        ]
    }

    private static func artist(_ song: Library.Song) -> JSONValue {
        ["id": .string(song.artists), "type": "artist", "title": .string(song.artists), "source": "local"]
    }
}

/// `POST /api/catalog/availability`: which of a page's tracks swingmusic has, asked in one batch.
struct AvailabilityRoute: Sendable {
    let library: Library?
    let blockingWorker: BlockingWorker
    let errorFormat: ErrorFormat

    private static let most = 300
    private static let tracks = BodyMember(
        "tracks",
        .list(
            of: .object(
                ["title": .text, "artist": .text],
                optional: ["spotify_id": .text.orNull, "album": .text.orNull, "duration_ms": .integer(0, 1_000_000_000).orNull],
                isOpen: true),
            most: most))

    var route: Route {
        Route(
            .post, "availability", id: "availability", access: .metadata, summary: "Which of these tracks swingmusic has.",
            about: """
                By title, artist and length, or album in place of length, capitals, accents and signs aside. In the order in which they were asked; \
                at most \(Self.most), with the members of a catalog's track, of which these are read. `trackhash` is what swingmusic's routes \
                know the song by; it is left out where swingmusic may show another title or album than the tags have, as of remasters, editions \
                and featured artists.
                """,
            body: .object(
                [Self.tracks], optional: [],
                example: [
                    "tracks": [["spotify_id": "11dFghVXANMlKmJXsNCbNl", "title": "Cut To The Feeling", "artist": "Carly Rae Jepsen"]]
                ]),
            answers: [
                .json(200, "One for each.", Self.schema), .json(400, "A malformed body.", .named("Error")),
                .json(503, "swingmusic's songs cannot be read.", .named("Error"), headers: [.retryAfter]),
            ]
        ) { routed throws(BadRequest) in try answer(routed) }
    }

    private static let schema = Schema.object([
        "tracks": .list(
            of: .object(
                ["spotify_id": .text.orNull, "availability": .object(["state": .oneOf(["available", "missing"])])],
                optional: ["trackhash": .text, "albumhash": .text, "play_count": .integer(), "last_played": .integer()])),
        "available": .integer(0),
    ])

    private func answer(_ routed: RoutedRequest) throws(BadRequest) -> Outcome {
        let asked = try routed.object().objects(Self.tracks)
        guard asked.count <= Self.most else { throw BadRequest(400, "tracks has more than \(Self.most)") }
        var wanted: [(id: String?, track: Library.Wanted)] = []
        for track in asked {
            guard let title = track["title"]?.text, let artist = track["artist"]?.text else {
                throw BadRequest(400, "A track has title and artist")
            }
            let length = try Self.length(track)
            wanted.append(
                (
                    try Self.text(track, "spotify_id"),
                    Library.Wanted(title: title, artists: artist, album: try Self.text(track, "album"), milliseconds: length)
                ))
        }
        // Where the songs have changed all of them are read: never on an event thread.
        return blockingWorker.run(errorFormat) { [wanted] in
            guard let library else {
                return errorFormat.unavailable("SWINGMUSIC_CONFIG_DIR is not set", .noSessions, retryAfter: .seconds(60))
            }
            do throws(LibraryFault) {
                let index = try library.index()
                return response(wanted.map { ($0.id, index.song(like: $0.track)) })
            } catch {
                return errorFormat.unavailable("swingmusic's songs: \(error.reason)", .swingmusic, retryAfter: .seconds(5))
            }
        }
    }

    /// nil when it is missing or null.
    private static func text(_ track: JSONValue, _ name: String) throws(BadRequest) -> String? {
        guard let value = track[name], value != .null else { return nil }
        guard let text = value.text else { throw BadRequest(400, "\(name) must be a text") }
        return text
    }

    private static func length(_ track: JSONValue) throws(BadRequest) -> Int? {
        guard let value = track["duration_ms"], value != .null else { return nil }
        guard let length = value.integer, (0...1_000_000_000).contains(length) else {
            throw BadRequest(400, "duration_ms must be a whole number")
        }
        return Int(length)
    }

    private func response(_ found: [(id: String?, song: Library.Song?)]) -> Response {
        let tracks = found.map { id, song -> JSONValue in
            .object([
                "spotify_id": id.map(JSONValue.string) ?? JSONValue.null,
                "availability": ["state": song == nil ? "missing" : "available"],
                "trackhash": song?.trackHash.map { .string($0) }, "albumhash": song.map { .string($0.albumHash) },
                "play_count": song.map { .integer($0.playCount) }, "last_played": song.map { .integer($0.lastPlayed) },
            ])
        }
        let answer: JSONValue = ["tracks": .array(tracks), "available": .integer(found.count { $0.song != nil })]
        var response = Response(status: 200, contentType: ErrorFormat.json, body: JSONWriter.bytes(of: answer))
        response.add("Cache-Control", "no-store")
        return response
    }
}
