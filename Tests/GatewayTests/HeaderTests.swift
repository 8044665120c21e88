import Caching
import Catalog
import FastCGI
import Sessions
import Testing

@testable import Gateway

@Suite struct HeaderTests {
    @Test(
        "Prefer names the wait, up to what the settings allow",
        arguments: [
            (nil, 4, false), ("wait=3", 3, false), ("wait=90", 25, false), ("respond-async", 4, true), ("respond-async, wait=5", 5, true),
            ("WAIT = 7; foo", 7, false), ("wait=x", 4, false), ("wait=-1", 4, false), ("wait=+9", 4, false), ("wait=", 4, false),
            ("wait=86401", 25, false), ("wait=99999999999999999999", 25, false), ("wait=3, wait=9", 3, false), ("wait=x, wait=9", 9, false),
        ] as [(String?, Int, Bool)])
    func patience(_ header: String?, _ seconds: Int, _ isAsync: Bool) {
        let patience = WaitPreference(header, usual: .seconds(4), most: .seconds(25))
        #expect(patience.wait == .seconds(seconds))
        #expect(patience.isAsync == isAsync)
    }

    @Test("If-None-Match compares weakly and knows the star")
    func tags() {
        let tag: UInt64 = 0x0123_4567_89ab_cdef
        var text: [UInt8] = []
        EntityTag.write(tag, to: &text)
        #expect(String(decoding: text, as: UTF8.self) == "\"0123456789abcdef\"")
        #expect(EntityTag.matches("\"x\", W/\"0123456789abcdef\"", tag))
        #expect(EntityTag.matches("*", tag))
        #expect(!EntityTag.matches("0123456789abcdef", tag))
    }

    @Test("Cache-Status names tier and age as RFC 9211 has them")
    func cacheStatus() {
        func text(_ status: CacheStatus) -> String {
            var bytes: [UInt8] = []
            status.write(to: &bytes)
            return String(decoding: bytes, as: UTF8.self)
        }
        #expect(text(.hit(.memory, ttl: 41020, .fresh, refusedWith: nil)) == "swingmusic-fcgi; hit; ttl=41020; detail=memory")
        #expect(text(.hit(.sqlite, ttl: -300, .stale, refusedWith: nil)) == "swingmusic-fcgi; hit; ttl=-300; detail=sqlite")
        #expect(text(.hit(.dragonfly, ttl: 0, .fresh, refusedWith: 404)) == "swingmusic-fcgi; hit; ttl=0; detail=dragonfly/404")
        #expect(text(.hit(.memory, ttl: 0, .stale, refusedWith: 403)) == "swingmusic-fcgi; hit; ttl=-1; detail=memory/403")
        #expect(text(.stored(joined: false)) == "swingmusic-fcgi; fwd=miss; stored")
        #expect(text(.stored(joined: true)) == "swingmusic-fcgi; fwd=miss; stored; collapsed")
    }

    @Test(
        "A cookie is to reach as far as the browser's connection and the listed origins say",
        arguments: [
            (nil, [], false, CookieReach.unsaid), (nil, [("REQUEST_SCHEME", "http")], true, .unsaid),
            (nil, [("REQUEST_SCHEME", "https")], false, .own), (nil, [("REQUEST_SCHEME", "https")], true, .foreign),
            (nil, [("REQUEST_SCHEME", "http"), ("HTTP_X_FORWARDED_PROTO", "https")], false, .own),
            (nil, [("HTTP_X_FORWARDED_PROTO", "HTTPS, http")], true, .foreign),
            (nil, [("HTTP_X_FORWARDED_PROTO", "http, https")], false, .unsaid),
            ("https://music.example", [("REQUEST_SCHEME", "http")], false, .own), ("http://music.example", [], true, .unsaid),
        ] as [(String?, [(String, String)], Bool, CookieReach)])
    func cookieReach(_ publicURL: String?, _ parameters: [(String, String)], _ letsForeign: Bool, _ reach: CookieReach) {
        let caller = Caller(
            Request(testing: [("REQUEST_METHOD", "GET")] + parameters), publicURL: publicURL.flatMap { BaseURL($0) },
            letsForeignOrigins: letsForeign)
        #expect(caller.reach == reach)
    }

    @Test("Query values are decoded, and what cannot be is said")
    func query() {
        let query = Query("q=a+b%26%C3%A9&empty=&flag&q=2")
        #expect(query["q"] == "a b&é" && query["empty"] == "" && query["flag"] == "" && query["none"] == nil)
        #expect(!query.isMalformed)
        #expect(Query("q=%zz").isMalformed && Query("q=%ff").isMalformed)
    }

    @Test(
        "A pasted link is one segment, with one slash or two and with a language",
        arguments: [
            ("tracks/https:/open.spotify.com/track/ID", ["tracks", "https:/open.spotify.com/track/ID"]),
            (
                "albums/https:/open.spotify.com/intl-de/album/ID/tracks",
                ["albums", "https:/open.spotify.com/intl-de/album/ID", "tracks"]
            ),
            ("tracks//ID/", ["tracks", "ID"]), ("tracks/https:/spotify.link/abc", ["tracks", "https:/spotify.link/abc"]),
            ("tracks/https:", ["tracks", "https:"]), ("", []),
        ])
    func links(_ path: String, _ parts: [String]) {
        #expect(PathTree.parts(of: path[...]) == parts)
    }
}
