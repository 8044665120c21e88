import Testing

@testable import Gateway

@Suite struct SettingsTests {
    @Test("Without any variable the defaults hold")
    func defaults() throws {
        let settings = try Settings(environment: [:])
        #expect(settings.missWait == .seconds(25))
        #expect(settings.queueLimit == 1000)
        #expect(settings.minInterval == .seconds(2))
        #expect(settings.callsPerHour == 1000)
        #expect(settings.ttl.spotify == .seconds(12 * 3600))
        #expect(settings.metadataAuth == .off)
        #expect(settings.adoption == .safe)
        #expect(settings.dragonfly == nil && settings.credentials == nil)
    }

    @Test("With swingmusic's folder the metadata routes ask for a session")
    func metadataAuth() throws {
        #expect(try Settings(environment: ["SWINGMUSIC_CONFIG_DIR": "/x"]).metadataAuth == .session)
    }

    @Test(
        "A value that does not parse is named",
        arguments: [
            ("SWINGMUSIC_FCGI_LISTEN", "relative.sock"), ("SWINGMUSIC_FCGI_SOCKET_MODE", "rw"), ("SWINGMUSIC_FCGI_WORKERS", "0"),
            ("SWINGMUSIC_FCGI_MISS_WAIT", "25"), ("SWINGMUSIC_FCGI_MISS_WAIT", "s"), ("SPOTIFY_TIMEOUT", "1.5s"),
            ("SPOTIFY_MARKET", "sweden"),
            ("SWINGMUSIC_FCGI_PUBLIC_URL", "music.example"), ("SWINGMUSIC_FCGI_CORS_ORIGINS", "https://a, b"),
            ("SWINGMUSIC_FCGI_CORS_ORIGINS", "https://a, *"), ("SWINGMUSIC_FCGI_CORS_ORIGINS", "*.example"),
            ("DRAGONFLYDB_PORT", "70000"),
            ("SWINGMUSIC_FCGI_METADATA_AUTH", "maybe"), ("SWINGMUSIC_FCGI_ADOPT_TOKENS", "always"), ("SWINGMUSIC_FCGI_LOG_LEVEL", "loud"),
            ("SPOTIFY_CALLS_PER_HOUR", "-1"),
            ("SPOTIFY_API_URL", "https://api.spotify.com/v1"), ("TEMP_CACHE_TTL", "0s"),
        ])
    func bad(_ name: String, _ value: String) {
        let error = #expect(throws: SettingErrors.self) { try Settings(environment: [name: value]) }
        #expect(error?.all.map(\.name) == [name])
    }

    private static let beside = ["SWINGMUSIC_FCGI_PEERS": "10.0.0.2"]

    @Test(
        "It listens at several addresses, beside another one at private ones alone",
        arguments: [
            ("/a.sock", 1, true), ("203.0.113.5:9000", 1, true), ("0.0.0.0:9000", 1, true),
            ("/a.sock,10.0.0.1:9000", 2, true), (" /a.sock , [fd00::1]:9000,127.0.0.1:9000 ", 3, true), ("10.0.0.1:1,10.0.0.1:2", 2, true),
            ("/a.sock,music.example:9000", 2, true), ("/a.sock,203.0.113.5:9000", 1, false), ("/a.sock,0.0.0.0:9000", 1, false),
            ("/a.sock,[::]:9000", 1, false), ("10.0.0.1:9000,203.0.113.5:9000", 1, false), ("/a.sock,/b.sock", 1, false),
            ("/a.sock,/a.sock", 1, false), ("/a.sock,", 1, false), ("/a.sock,,10.0.0.1:9000", 1, false),
        ])
    func addresses(_ text: String, _ count: Int, _ isGood: Bool) {
        let (settings, errors) = Settings.reading(Self.beside.merging(["SWINGMUSIC_FCGI_LISTEN": text]) { $1 })
        #expect(settings.listen.count == count)
        #expect(errors.map(\.name) == (isGood ? [] : ["SWINGMUSIC_FCGI_LISTEN"]))
    }

    @Test("TCP beside another address wants to know who may connect, alone it does not")
    func peers() throws {
        let error = #expect(throws: SettingErrors.self) { try Settings(environment: ["SWINGMUSIC_FCGI_LISTEN": "/a.sock,10.0.0.1:9000"]) }
        #expect(error?.all.map(\.name) == ["SWINGMUSIC_FCGI_PEERS"])
        #expect(try Settings(environment: ["SWINGMUSIC_FCGI_LISTEN": "10.0.0.1:9000"]).peers == nil)
        #expect(try Settings(environment: ["SWINGMUSIC_FCGI_PEERS": "10.0.0.2, fd00::/8"]).peers?.count == 2)
        for wrong in ["10.0.0.2,", "10.0.0.2/8", "host.example"] {
            #expect(Settings.reading(["SWINGMUSIC_FCGI_PEERS": wrong]).errors.map(\.name) == ["SWINGMUSIC_FCGI_PEERS"], "\(wrong)")
        }
    }

    @Test("A host that knows the sessions itself takes users from nobody else")
    func nginxBesideSessions() throws {
        let nginx = ["SWINGMUSIC_FCGI_METADATA_AUTH": "nginx"]
        #expect(try Settings(environment: nginx).metadataAuth == .nginx)
        let errors = Settings.reading(nginx.merging(["SWINGMUSIC_CONFIG_DIR": "/x"]) { $1 }).errors
        #expect(errors.map(\.name) == ["SWINGMUSIC_FCGI_METADATA_AUTH"])
    }

    @Test("Origins are named, or all are meant")
    func origins() throws {
        func origins(_ text: String) throws -> AllowedOrigins {
            try Settings(environment: ["SWINGMUSIC_FCGI_CORS_ORIGINS": text]).corsOrigins
        }
        #expect(try origins("") == .named([]))
        #expect(try origins(" * ") == .anyone)
        #expect(try origins("https://a, http://b:8080").named.map(\.text) == ["https://a", "http://b:8080"])
    }

    @Test("One half of the credentials is an error that names the other")
    func halves() {
        for (set, missing) in [("SPOTIFY_CLIENT_ID", "SPOTIFY_CLIENT_SECRET"), ("SPOTIFY_CLIENT_SECRET", "SPOTIFY_CLIENT_ID")] {
            let error = #expect(throws: SettingErrors.self) { try Settings(environment: [set: "x"]) }
            #expect(error?.all.map(\.name) == [missing])
        }
    }

    @Test("All that do not parse are named, each once, and the others hold")
    func all() {
        let environment = [
            "SWINGMUSIC_FCGI_WORKERS": "0", "SPOTIFY_MARKET": "Sweden", "SPOTIFY_CLIENT_SECRET_FILE": "/nowhere/secret",
            "SPOTIFY_CLIENT_ID": "x",
            "SWINGMUSIC_FCGI_PUBLIC_URL": "nowhere", "SWINGMUSIC_FCGI_THREADS": "2",
        ]
        let (settings, errors) = Settings.reading(environment)
        #expect(
            errors.map(\.name) == [
                "SWINGMUSIC_FCGI_WORKERS", "SWINGMUSIC_FCGI_PUBLIC_URL", "SPOTIFY_CLIENT_SECRET_FILE", "SPOTIFY_MARKET",
            ])
        #expect(settings.threads == 2 && settings.market == nil && settings.credentials == nil)
    }

    @Test("What others may know of an environment holds no secret, but says that there is one, and where its file is")
    func open() {
        let (settings, withheld) = Settings.open([
            "SPOTIFY_CLIENT_ID": "an id", "SPOTIFY_CLIENT_SECRET": "hush", "SWINGMUSIC_FCGI_ADMIN_TOKEN_FILE": "/run/secrets/token",
            "SWINGMUSIC_FCGI_WORKERS": "3", "SPOTIFY_MARKET": "", "HOME": "/root",
        ])
        #expect(settings == ["SWINGMUSIC_FCGI_WORKERS": "3", "SWINGMUSIC_FCGI_ADMIN_TOKEN_FILE": "/run/secrets/token"])
        #expect(withheld == [.spotifyClientID, .spotifyClientSecret])
    }

    @Test("A secret shows itself nowhere and is compared in full")
    func secret() {
        let secret = Secret("hush")
        #expect("\(secret)" == "(secret)" && String(reflecting: secret) == "(secret)")
        #expect(secret.equals("hush") && !secret.equals("hus") && !secret.equals(""))
    }

    @Test(
        "Only a scheme, a host and a port are a base URL",
        arguments: [
            ("https://music.example", true), ("http://[::1]:8080", true), ("http://127.0.0.1:80/", true), ("ftp://x", false),
            ("https://", false),
            ("https://a b", false), ("https://a/b", false), ("https://user@a", false), ("https://a:port", false), ("https://a\"b", false),
            ("https://a:123456", false), ("http://[::1", false),
        ])
    func baseURLs(_ text: String, _ isOne: Bool) {
        #expect((BaseURL(text) != nil) == isOne)
    }

    @Test("The shared store is host:port, a host alone, an address in brackets, or a socket")
    func sharedStore() throws {
        func store(_ text: String) throws -> String? {
            try Settings(environment: ["SWINGMUSIC_FCGI_SHARED_STORE": text]).sharedStore.map { "\($0.host) \($0.port)" }
        }
        #expect(try store("10.8.0.1:6390") == "10.8.0.1 6390")
        #expect(try store("store") == "store 6379")
        #expect(try store("[fd00::1]:6390") == "fd00::1 6390")
        #expect(try store("unix:/run/store.sock") == "unix:/run/store.sock 6379")
        for text in ["fd00::1", "store:", "store:0", ":6379", "unix:store", "/run/store.sock", "[fd00::1]", "store:99999"] {
            #expect(throws: SettingErrors.self, "\(text)") { try store(text) }
        }
    }

    @Test("A host has a name without spaces, and hosts that share are no quicker than they can agree")
    func hosts() throws {
        #expect(try Settings(environment: ["SWINGMUSIC_FCGI_HOST_NAME": "attic-2.lan"]).hostName == "attic-2.lan")
        #expect(throws: SettingErrors.self) { try Settings(environment: ["SWINGMUSIC_FCGI_HOST_NAME": "the attic"]) }
        let quick = ["SPOTIFY_MIN_INTERVAL": "50ms"]
        #expect(try Settings(environment: quick).minInterval == .milliseconds(50))
        #expect(throws: SettingErrors.self) { try Settings(environment: quick.merging(["SWINGMUSIC_FCGI_SHARED_STORE": "store"]) { $1 }) }
    }

    @Test("Without credentials there is no account to share")
    func noAccount() throws {
        #expect(try Settings(environment: ["SWINGMUSIC_FCGI_SHARED_STORE": "store"]).sharedAccount == nil)
    }
}
