import JSON

/// `/swingmusic-fcgi/openapi.json`: what all routes take and answer, in OpenAPI 3.1, made from what they are served from.
enum OpenAPIDocument {
    static func bytes(of families: [any RouteFamily]) -> [UInt8] { JSONWriter.bytes(of: tree(families)) }

    private static func tree(_ families: [any RouteFamily]) -> JSONValue {
        [
            "openapi": "3.1.0",
            "info": [
                "title": "swingmusic-fcgi", "version": "1", "license": ["name": "MIT", "identifier": "MIT"],
                "description": .string(about),
            ],
            "servers": [["url": "/"]],
            "tags": .array(families.map { ["name": .string($0.tag), "description": .string($0.about)] }),
            "paths": .object(families.flatMap(paths)),
            "components": [
                "schemas": .object(families.flatMap { $0.schemas.map { JSONMember($0.key, $0.value.described(as: $0.key)) } }),
                "headers": .object(DescribedHeader.allCases.map { JSONMember($0.rawValue, $0.tree) }),
                "securitySchemes": Access.schemes,
            ],
        ]
    }

    /// A family's paths in the order in which they were declared, each with its methods.
    private static func paths(_ family: any RouteFamily) -> [JSONMember] {
        var paths: [(template: String, methods: [JSONMember])] = []
        for route in family.routes {
            let method = JSONMember(route.method.rawValue, route.tree(in: family))
            if let place = paths.firstIndex(where: { $0.template == route.template }) {
                paths[place].methods.append(method)
            } else {
                paths.append((route.template, [method]))
            }
        }
        return paths.map { JSONMember(family.prefix + $0.template, .object($0.methods)) }
    }

    private static let about = """
        A FastCGI responder that stands behind nginx in front of the music server swingmusic.

        What holds for every route: HEAD is answered wherever GET is. A path that is none is 404, a method that a path does not have is 405 \
        with Allow, a body over 64 KiB (1 MiB below /cache) is 413, all in the family's own shape of errors. For pages of origins that SWINGMUSIC_FCGI_CORS_ORIGINS allows every answer has the headers of \
        the CORS protocol, and their preflights are 200. Members may be added to answers \
        of Spotify's objects at any time, as Spotify does.
        """
}

extension Route {
    fileprivate func tree(in family: any RouteFamily) -> JSONValue {
        .object([
            "operationId": .string(id), "summary": .string(summary),
            "description": .string([about, access.words].compactMap(\.self).joined(separator: " ")),
            "tags": [.string(family.tag)],
            "parameters": parameters.isEmpty ? nil : .array(parameters.map(\.tree)), "requestBody": body?.tree,
            "responses": .object(allAnswers(in: family).map { JSONMember("\($0.status)", $0.tree) }), "security": access.tree,
        ])
    }
}

extension Schema {
    /// With what it is, and one of it.
    fileprivate func described(as name: String) -> JSONValue {
        var members = tree.members ?? []
        if let about = SchemaExamples.about(name) { members.insert(JSONMember("description", .string(about)), at: 0) }
        if let example = SchemaExamples.example(name) { members.append(JSONMember("examples", [example])) }
        return .object(members)
    }
}

/// What the named schemas are, and one of each, for who reads the description.
private enum SchemaExamples {
    /// By the schema's name.
    static func about(_ name: String) -> String? { all[name]?.about }
    static func example(_ name: String) -> JSONValue? { all[name]?.example }

    private static let all = spotify.merging(items) { $1 }.merging(sessions) { $1 }.merging(figures) { $1 }
    private typealias Entries = [String: (about: String, example: JSONValue)]

    // MARK: Spotify's objects

    private static let spotify: Entries = [
        "SpotifyError": ("The Web API's error.", ["error": ["status": 404, "message": "Non existing id: 'spotify:track:...'"]]),
        "Image": ("A picture; sizes in pixels.", image),
        "SimplifiedArtist": ("An artist as it stands in other objects.", artist),
        "Artist": ("An artist.", artist),
        "SimplifiedAlbum": ("An album without its tracks.", album()),
        "Album": ("An album with its first page of tracks.", album(["tracks": page(track())])),
        "SimplifiedTrack": ("A track without its album.", track()),
        "Track": ("A track.", track(["album": album()])),
        "SimplifiedShow": ("A show without its episodes.", spoken("show")),
        "Show": ("A show with its first page of episodes.", spoken("show", ["episodes": page(spoken("episode"))])),
        "SimplifiedEpisode": ("An episode without its show.", spoken("episode")),
        "Episode": ("An episode.", spoken("episode")),
        "SimplifiedAudiobook": ("An audiobook without its chapters.", spoken("audiobook")),
        "Audiobook": ("An audiobook with its first page of chapters.", spoken("audiobook", ["chapters": page(spoken("chapter"))])),
        "SimplifiedChapter": ("A chapter without its audiobook.", spoken("chapter")),
        "Chapter": ("A chapter.", spoken("chapter")),
        "SimplifiedPlaylist": ("A playlist without its items.", spoken("playlist")),
        "Playlist": ("A playlist with its first page of items.", spoken("playlist", ["tracks": page(playlistItem)])),
        "PlaylistItem": ("A place in a playlist; what was removed is null.", playlistItem),
    ]

    private static let id: JSONValue = "11dFghVXANMlKmJXsNCbNl"
    private static let image: JSONValue = ["url": "https://i.scdn.co/image/ab67616d00001e02", "height": 300, "width": 300]
    private static let artist: JSONValue = ["type": "artist", "id": "6sFIWsNpZYqfjUpaCgueju", "name": "Carly Rae Jepsen"]
    private static let playlistItem: JSONValue = ["added_at": "2026-11-22T19:33:00Z", "is_local": false, "track": track()]

    private static func object(_ type: JSONValue, _ id: JSONValue, _ name: JSONValue, _ more: [JSONMember]) -> JSONValue {
        .object([JSONMember("type", type), JSONMember("id", id), JSONMember("name", name)] + more)
    }

    private static func album(_ more: KeyValuePairs<String, JSONValue> = [:]) -> JSONValue {
        object(
            "album", "0tGPJ0bkWOUmH7MEOR77qc", "Cut To The Feeling",
            [JSONMember("artists", [artist]), JSONMember("release_date", "2017-05-26")] + members(more))
    }

    private static func track(_ more: KeyValuePairs<String, JSONValue> = [:]) -> JSONValue {
        object("track", id, "Cut To The Feeling", [JSONMember("artists", [artist]), JSONMember("duration_ms", 207_959)] + members(more))
    }

    private static func spoken(_ type: JSONValue, _ more: KeyValuePairs<String, JSONValue> = [:]) -> JSONValue {
        object(type, "5v5ETK9WFXAnGQ3MRubKuE", "A name", [JSONMember("description", "A few words.")] + members(more))
    }

    private static func members(_ pairs: KeyValuePairs<String, JSONValue>) -> [JSONMember] { pairs.map { JSONMember($0.key, $0.value) } }

    private static func page(_ item: JSONValue) -> JSONValue {
        [
            "href": "https://music.example/spotify/v1/...", "items": [item], "limit": 20, "next": .null, "offset": 0, "previous": .null,
            "total": 1,
        ]
    }

    // MARK: The web client's

    private static let items: Entries = [
        "TokenError": (
            "An error of accounts.spotify.com's form.", ["error": "invalid_client", "error_description": "Invalid client secret"]
        ),
        "Error": ("What went wrong, in words.", ["error": "Track not found"]),
        "CatalogItem": ("Anything that can be shown in a list.", item()),
        "ExtendedItem": ("The same with what the extended search adds.", item(["id": id, "type": "track", "source": "global"])),
        "NumberedItem": ("A track with its place on the album.", item(number)),
        "CatalogAlbum": ("An album with all of its tracks.", item(["tracks": [item(number)]])),
        "CatalogPlaylist": (
            "A playlist with its tracks.",
            item([
                "tracks": [item(number)], "owner": "anna", "description": .null, "tracks_total": 1, "public": true, "collaborative": false,
            ])
        ),
        "CatalogArtist": (
            "An artist's page. `pending` names what is still looked up.",
            [
                "spotify_id": "6sFIWsNpZYqfjUpaCgueju", "name": "Carly Rae Jepsen", "image_url": .null, "followers": .null,
                "popularity": .null, "genres": ["pop"], "top_tracks": [item()], "albums": [], "discography_sections": sections,
                "related_artists": [], "this_is_artist": [], "artist_radio": [], "pending": ["albums"],
            ]
        ),
        "Sections": ("An artist's albums by their kind.", sections),
        "Target": ("A page of the web client's.", target),
        "Navigation": (
            "Where the web client goes from an item.",
            [
                "item_type": "track", "spotify_id": id, "spotify_url": "https://open.spotify.com/track/11dFghVXANMlKmJXsNCbNl",
                "target": target,
            ]
        ),
        "Preferences": (
            "How much of what a user wants to see.",
            [
                "user_id": 1, "max_search_results": 20, "max_top_tracks": 15, "max_albums_per_artist": 50, "max_trending_results": 20,
                "max_recommendations": 20, "show_explicit": true, "preferred_markets": ["DE"],
            ]
        ),
        "LocalResults": (
            "What swingmusic itself has.",
            ["tracks": [], "albums": [], "artists": [["id": "1a2b", "type": "artist", "title": "Carly Rae Jepsen", "source": "local"]]]
        ),
    ]

    private static let number: KeyValuePairs<String, JSONValue> = ["track_number": 1, "disc_number": 1]
    private static let sections: JSONValue = ["albums": [], "singles": [], "compilations": [], "other": []]
    private static let target: JSONValue = ["route": "spotify-track", "params": ["id": id]]

    private static func item(_ more: KeyValuePairs<String, JSONValue> = [:]) -> JSONValue {
        let common: KeyValuePairs<String, JSONValue> = [
            "spotify_id": id, "item_type": "track", "title": "Cut To The Feeling", "artist": "Carly Rae Jepsen",
            "album": "Cut To The Feeling", "duration_ms": 207_959, "popularity": .null, "preview_url": .null, "image_url": .null,
            "release_date": "2017-05-26", "explicit": false, "data": .object([]),
            "navigation": [
                "item_type": "track", "spotify_id": id, "spotify_url": "https://open.spotify.com/track/11dFghVXANMlKmJXsNCbNl",
                "target": target,
            ],
        ]
        return .object(members(common) + members(more))
    }

    // MARK: swingmusic's

    private static let sessions: Entries = [
        "Message": ("What happened, in swingmusic's words.", ["msg": "Token has expired"]),
        "FieldErrors": (
            "What is wrong with a body, as pydantic says it.",
            [
                [
                    "type": "missing", "loc": ["username"], "msg": "Field required", "input": .object([]),
                    "url": "https://errors.pydantic.dev/",
                ]
            ]
        ),
        "User": ("A user of swingmusic's.", ["extra": .null, "id": 1, "image": .null, "roles": ["admin"], "username": "anna"]),
        "SimplifiedUser": ("A user as the sign-in page shows them.", ["firstname": "", "id": 1, "username": "anna"]),
        "Tokens": (
            "An access and a refresh token; `maxage` in seconds.",
            ["accesstoken": "eyJ.eyJ.x", "maxage": 2_592_000, "msg": "Logged in as anna", "refreshtoken": "eyJ.eyJ.y"]
        ),
        "Session": (
            "A login and the tokens that descend from it; times in seconds since 1970.",
            [
                "id": "uq3f", "user": ["id": 1, "username": "anna"], "device": "Firefox on Linux", "user_agent": "Mozilla/5.0",
                "address": "192.0.2.7", "created": 1_795_600_000, "last_seen": 1_795_682_037, "current": true,
            ]
        ),
    ]

    // MARK: Our own

    private static let figures: Entries = [
        "KeyPage": (
            "Keys in the order of their bytes; `expires` in seconds since 1970.",
            ["keys": [["key": "a", "expires": 1_795_642_546]], "next": .null]
        ),
        "Readiness": ("Whether it can serve, by fixed words.", ["status": "degraded", "reasons": [], "warnings": ["cooldown"]]),
        "Worker": ("A living worker process.", worker),
        "RecordFigures": ("Records of a kind.", ["kind": "track", "entries": 4711, "bytes": 9_000_000, "lastUpdated": instant]),
        "LogLine": (
            "A line of the log at warning or above.", ["time": instant, "pid": 4711, "level": "warning", "text": "a lookup failed"]
        ),
        "Limiter": ("The pace and the queue.", limiter),
        "Hosts": (
            "The other hosts of one account, as this one knows them; instants in milliseconds since 1970.",
            [
                "turn": 4711, "silent": 0, "mixed": [], "others": [["name": "attic", "alive": true, "heardAt": instant]], "host": "cellar",
                "roundTripMicroseconds": 180, "seenAt": instant, "lastCaller": "attic",
            ]
        ),
        "Pause": ("Until when nothing is asked, and why.", ["endsAt": instant, "reason": "429: too many requests"]),
        "ClientKey": (
            "A client key, without its secret; instants in milliseconds since 1970.",
            ["name": "kitchen", "id": key, "createdAt": instant, "usedAt": .null]
        ),
        "NewClientKey": (
            "A client key that was just made.",
            ["name": "kitchen", "id": key, "secret": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"]
        ),
        "History": (
            "How it went, step by step; null where the program did not run.",
            ["span": "hour", "step": 60_000, "now": instant, "figures": ["memory": .array(Array(repeating: 12, count: 60))]]
        ),
        "Status": ("All figures; instants are milliseconds since 1970.", status),
    ]

    private static let instant: JSONValue = 1_795_682_037_985
    private static let key: JSONValue = "0123456789abcdef0123456789abcdef"
    private static let worker: JSONValue = ["pid": 4711, "uptimeSeconds": 90, "parked": 0, "residentBytes": 21_400_000]
    private static let limiter: JSONValue = [
        "lastHour": ["calls": 12, "budget": 1000], "nextSlotAt": instant,
        "queue": ["caller": 0, "unattended": 0, "renewal": 3, "warming": 0], "leased": 1, "failed": 0,
    ]
    private static let status: JSONValue = [
        "now": instant, "version": "0.1.0", "readiness": ["status": "ok", "reasons": [], "warnings": []],
        "answers": ["spotify": ["2xx": 40, "3xx": 2, "4xx": 1, "5xx": 0]],
        "sources": ["memory": 30, "dragonfly": 0, "sqlite": 8, "stored": 4, "collapsed": 0, "unanswered": 0, "stale": 1],
        "answersByMinute": .array((0..<60).map { _ in 0 }), "parked": 0, "limiter": limiter, "workers": [worker],
        "files": [["name": "cache.db", "bytes": 9_000_000]], "records": [], "ages": [], "latestErrors": [],
    ]
}
