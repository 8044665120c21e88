import Platform
import Testing

@testable import Sessions

@Suite struct CredentialTests {
    private func search(_ cookies: [String] = [], _ headers: [String] = [], _ duplicates: DuplicateCookies = .firstCounts) -> String {
        switch Credential.search(Caller(cookies: cookies, authorization: headers), for: .access, duplicates: duplicates) {
        case .found(let found): return "\(found.place): " + String(decoding: found.text, as: UTF8.self)
        case .absent(let message): return message
        case .malformed(let refused): return "\(refused.status) \(refused.message)"
        }
    }

    static let noneAtAll = #"Missing JWT in cookies or headers (Missing cookie "access_token_cookie"; Missing Authorization Header)"#
    static let noBearer =
        #"Missing JWT in cookies or headers (Missing cookie "access_token_cookie"; Missing 'Bearer' type in 'Authorization' header. Expected 'Authorization: Bearer <JWT>')"#
    static let bad = "422 Bad Authorization header. Expected 'Authorization: Bearer <JWT>'"

    @Test(
        "Authorization headers are read as swingmusic's library reads them",
        arguments: [
            ("Bearer t", "header: t"), ("Bearer  t", "header: t"), ("Bearer\tt", "header: t"), ("Basic x, Bearer t", "header: t"),
            ("Bearer t, Basic x", "header: t"), ("Bearer t,", "header: t"), (",Bearer t", "header: t"), ("Bearer", bad), ("Bearer ", bad),
            ("Bearer t x", bad), ("Bearer, Basic y", bad), ("Basic x,,Bearer t", bad), ("bearer t", noBearer), ("t", noBearer),
            ("Basic x", noBearer), ("Bearer t,Bearer t", noBearer), ("Basic Bearer t", noBearer), (" ", noneAtAll), ("", noneAtAll),
            (",", noneAtAll),
        ])
    func headers(text: String, expected: String) { #expect(search([], [text]) == expected) }

    @Test(
        "cookies are read as swingmusic's library reads them",
        arguments: [
            ("access_token_cookie=t", "cookie: t"), ("access_token_cookie=\"t\"", "cookie: t"), ("access_token_cookie = t ", "cookie: t"),
            ("a=b;access_token_cookie=t", "cookie: t"), ("access_token_cookie=t; access_token_cookie=x", "cookie: t"),
            ("access_token_cookie=\"\\164\"", "cookie: t"), ("a=\"x;y\"; access_token_cookie=t", "cookie: t"),
            ("a b c; access_token_cookie=t", "cookie: t"), ("access_token_cookie=", noneAtAll), ("access_token_cookie", noneAtAll),
            ("access_token_cookie=; access_token_cookie=t", noneAtAll), ("a=b, access_token_cookie=t", noneAtAll),
            ("ACCESS_TOKEN_COOKIE=t", noneAtAll), ("access_token_cookie=\"t", noneAtAll), ("refresh_token_cookie=t", noneAtAll),
        ])
    func cookies(text: String, expected: String) { #expect(search([text]) == expected) }

    @Test("the cookie goes before the header; an empty one counts as absent")
    func precedence() {
        #expect(search(["access_token_cookie=c"], ["Bearer h"]) == "cookie: c")
        #expect(search(["access_token_cookie="], ["Bearer h"]) == "header: h")
        #expect(search(["a=b", "access_token_cookie=c"]) == "cookie: c")
    }

    @Test(
        "where somebody behind us is to use what was checked, whatever could be read as two cookies is refused",
        arguments: [
            ["access_token_cookie=a; access_token_cookie=b"], ["access_token_cookie=a", "access_token_cookie=b"],
            ["access_token_cookie=a; access_token_cookie=a"], ["access_token_cookie=a; ACCESS_TOKEN_COOKIE=b"], ["Access_Token_Cookie=a"],
            ["a=b, access_token_cookie=a"], ["access_token_cookie=a; x=\"; access_token_cookie=b\""],
            ["access_token_cookie=; access_token_cookie=b"],
        ])
    func duplicates(cookies: [String]) {
        #expect(search(cookies, ["Bearer h"], .refused) == "401 More than one access_token_cookie")
    }

    @Test(
        "where somebody behind us is to use what was checked, a cookie that nginx does not find, or finds with another value, is refused",
        arguments: [
            ["\taccess_token_cookie=a"], ["x=y;\taccess_token_cookie=a"], ["x=y; \taccess_token_cookie=a"], ["access_token_cookie\t=a"],
            ["access_token_cookie=\ta"], ["access_token_cookie=\"a\""], ["access_token_cookie=\"\\141\""], ["access_token_cookie=\"\""],
        ])
    func unclear(cookies: [String]) {
        #expect(search(cookies, ["Bearer h"], .refused) == "401 The access_token_cookie can be read in two ways")
    }

    @Test(
        "spaces around the cookie make no difference",
        arguments: ["access_token_cookie = t ", "x=y;access_token_cookie=t ;z", "x=\"y\"; access_token_cookie=t"])
    func clear(cookie: String) { #expect(search([cookie], ["Bearer h"], .refused) == "cookie: t") }

    @Test("other cookies whose name is longer are no second one")
    func longerNames() {
        #expect(search(["my_access_token_cookie=x; access_token_cookie=t; access_token_cookie2=y"], [], .refused) == "cookie: t")
        #expect(search(["access_token_cookie=t"], [], .refused) == "cookie: t")
        #expect(search([], ["Bearer h"], .refused) == "header: h")
    }

    @Test("the refresh route looks for its own cookie")
    func refresh() {
        let caller = Caller(cookies: ["access_token_cookie=a; refresh_token_cookie=r"])
        #expect(
            Credential.search(caller, for: .refresh, duplicates: .firstCounts) == .found(Credential(text: Array("r".utf8), place: .cookie)))
    }
}

@Suite struct OriginTests {
    private let policy = OriginPolicy(origins: ["https://friend.example"])

    private func caller(_ origin: String?, _ site: OwnSite? = .host("music.example"), _ fetchSite: String? = nil) -> Caller {
        Caller(cookies: ["access_token_cookie=t"], origin: origin, fetchSite: fetchSite, site: site)
    }

    @Test("our own origin and configured ones are known")
    func known() {
        #expect(policy.isKnown("https://music.example", .host("music.example")))
        #expect(policy.isKnown("HTTPS://Friend.example:443", nil) && policy.isAllowed("HTTPS://Friend.example:443"))
        #expect(!policy.isAllowed("https://music.example"))
        for origin in [
            "https://evil.example", "null", "https://music.example.evil", "https://music.example@evil", "https://music.example:8443", "x",
        ] {
            #expect(!policy.isKnown(origin, .host("music.example")))
        }
        #expect(!policy.isKnown("http://music.example", .origin("https://music.example")))
        #expect(policy.isKnown("http://music.example:8080", .host("music.example:8080")))
        #expect(policy.isKnown("http://[::1]:8080", .host("[::1]:8080")))
    }

    @Test("a cookie with a foreign Origin, or from another site, is not admitted; without a cookie nothing is refused")
    func admission() {
        #expect(policy.admits(caller(nil)))
        #expect(policy.admits(caller("https://music.example")))
        #expect(policy.admits(caller("https://friend.example", .host("music.example"), "cross-site")))
        #expect(!policy.admits(caller("https://evil.example")))
        #expect(!policy.admits(caller("null")))
        #expect(!policy.admits(caller(nil, .host("music.example"), "cross-site")))
        #expect(policy.admits(caller(nil, .host("music.example"), "none")))
        #expect(policy.admits(Caller(authorization: ["Bearer t"], origin: "https://evil.example")))
    }
}

@Suite struct AddressTests {
    @Test("an IPv6 caller is counted by the /64, an IPv4 one by the address")
    func blocks() {
        #expect(AddressBlock.name(of: "192.0.2.7") == "192.0.2.7")
        #expect(AddressBlock.name(of: "::ffff:192.0.2.7") == "192.0.2.7")
        #expect(AddressBlock.name(of: "2001:db8:1:2::1") == AddressBlock.name(of: "2001:db8:1:2:ffff::9"))
        #expect(AddressBlock.name(of: "2001:db8:1:2::1") != AddressBlock.name(of: "2001:db8:1:3::1"))
        #expect(AddressBlock.name(of: "") == "unknown")
    }

    @Test(
        "a device is named by a few words",
        arguments: [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36",
                "Chrome on Android"
            ),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605 Version/17.0 Mobile Safari/604.1", "Safari on iPhone"),
            ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/126.0 Safari/537.36 Edg/126.0", "Edge on Windows"),
            ("curl/8.0", "curl"), ("<script>x</script>/1", "scriptx"), ("", "Unknown device"),
        ])
    func devices(agent: String, name: String) { #expect(Device.name(userAgent: agent) == name) }
}
