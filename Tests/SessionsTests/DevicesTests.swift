import Testing

@testable import Sessions

/// The page of one's own devices, and paired devices as sessions of their own.
@Suite struct DevicesTests {
    private static let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

    private let house: Household
    private let worker: Sessions
    private let other: Sessions

    init() throws {
        house = try Household()
        (worker, other) = (house.worker(), house.worker())
    }

    /// A browser's request from the page at `https://music.example`.
    private func page(_ access: String, origin: String? = "https://music.example", fetchSite: String? = nil) -> Caller {
        var caller = Caller.cookie(access)
        (caller.origin, caller.fetchSite, caller.site) = (origin, fetchSite, .host("music.example"))
        caller.userAgent = Self.firefox
        return caller
    }

    private func pair(from access: String) throws -> String {
        let code = try worker.pairCode(.cookie(access)).member("code")
        let phone = Caller(address: "198.51.100.7", userAgent: "Dart/3.4 (dart:io)")
        return try other.pair(phone, code: code).member("accesstoken")
    }

    private func list(_ access: String) throws -> DeviceList {
        let outcome = worker.devices(page(access)).outcome
        guard case .list(let list) = outcome else { throw Unlisted(outcome: outcome) }
        return list
    }

    private struct Unlisted: Error { let outcome: DeviceOutcome }

    private func change(_ change: DeviceChange?, _ access: String, proof: String? = nil) throws -> (status: Int, cookie: String?) {
        let answer = other.changeDevices(change, proof: try proof ?? list(access).proof, page(access), scheme: "https")
        return (answer.outcome.status, answer.cookie)
    }

    private func status(_ access: String) -> Int { other.user(.bearer(access)).status }

    // MARK: A paired phone

    @Test("a paired device is listed with its own device and place, and its session is another one")
    func paired() throws {
        let browser = try worker.tokens(of: "bob").access
        let phone = try pair(from: browser)
        let shown = try list(browser).sessions
        #expect(shown.count == 2)
        #expect(shown.filter(\.isCurrent).map(\.device) == ["Firefox on Linux"])
        #expect(
            shown.filter { !$0.isCurrent }.map { [$0.device, $0.address, $0.userName] } == [["Swing Music app", "198.51.100.7", "bob"]])
        #expect(Set(try list(phone).sessions.map(\.id)) == Set(shown.map(\.id)))
        #expect(try list(phone).sessions.first(where: \.isCurrent)?.id != shown.first(where: \.isCurrent)?.id)
    }

    @Test("a lost phone is out at once and the browser stays; the other way round, too")
    func lost() throws {
        for isPhoneLost in [true, false] {
            let browser = try worker.tokens(of: "bob").access
            let phone = try pair(from: browser)
            let (lost, kept) = isPhoneLost ? (phone, browser) : (browser, phone)
            let id = try #require(try list(lost).sessions.first(where: \.isCurrent)?.id)
            #expect(try change(.end(id), kept) == (303, nil))
            #expect([status(lost), status(kept)] == [401, 200])
            #expect(worker.verify(.cookie(lost), method: "GET", role: nil).status == 401)
            #expect(worker.verify(.cookie(kept), method: "GET", role: nil).status == 204)
            #expect(try change(.endOthers, kept) == (303, nil))
        }
    }

    @Test("signing out in the browser leaves the phone, ending all others ends it, and a refresh goes on inside its session")
    func apart() throws {
        let browser = try worker.tokens(of: "bob").access
        let phone = try pair(from: browser)
        #expect(worker.logout(.cookie(browser)).status == 200)
        #expect([status(browser), status(phone)] == [401, 200])
        let next = try worker.tokens(of: "bob")
        #expect(worker.endOthers(.cookie(next.access)).status == 200)
        #expect([status(next.access), status(phone)] == [200, 401])
        #expect(worker.refresh(.bearer(next.refresh)).status == 200)
        #expect(try list(next.access).sessions.count == 1)
    }

    @Test("a code of a session that has ended opens none, and one user's codes open only so many")
    func bounded() throws {
        let browser = try worker.tokens(of: "bob").access
        let (first, second) = (try worker.pairCode(.cookie(browser)).member("code"), try worker.pairCode(.cookie(browser)).member("code"))
        try worker.database.write { rows in
            for number in 0..<(SessionTables.mostSessions - 1) { try rows.begin(session: "filler \(number)", userID: 2, now: house.now) }
        }
        #expect(other.pair(Caller(address: "192.0.2.9"), code: first).status == 400)
        #expect(
            other.pair(
                Caller(address: "192.0.2.9"), code: try worker.pairCode(.cookie(try worker.tokens(of: "carol").access)).member("code")
            ).status == 200)
        #expect(worker.logout(.cookie(browser)).status == 200)
        #expect(other.pair(Caller(address: "192.0.2.9"), code: second).status == 400)
    }

    // MARK: The page

    @Test("one sees one's own sessions alone, an admin too, and nobody sees any without a session")
    func own() throws {
        let (admin, bob) = (try worker.tokens(of: "admin").access, try worker.tokens(of: "bob").access)
        #expect(try list(admin).sessions.map(\.userName) == ["admin"])
        #expect(try list(bob).userName == "bob")
        #expect(worker.devices(Caller()).outcome.status == 401)
        #expect(worker.devices(.cookie("x")).outcome.status == 422)
        #expect(worker.devices(Caller(cookies: ["access_token_cookie=\(bob)", "access_token_cookie=\(bob)"])).outcome.status == 401)
        // Not by the page either: it is one's own.
        let id = try #require(try list(bob).sessions.first?.id)
        #expect(try change(.end(id), admin).status == 303)
        #expect(status(bob) == 200)
    }

    @Test("signing out forgets the cookie, and so does ending this very session; ending one twice is the same as once")
    func signOut() throws {
        let bob = try worker.tokens(of: "bob").access
        #expect(try change(.signOut, bob) == (303, SetCookie.cleared(for: Caller())))
        #expect(status(bob) == 401)
        let again = try worker.tokens(of: "bob").access
        let id = try #require(try list(again).sessions.first?.id)
        #expect(try change(.end(id), again).cookie == SetCookie.cleared(for: Caller()))
        let third = try worker.tokens(of: "bob").access
        #expect(try change(.end(id), third) == (303, nil))
        #expect(try change(nil, third).status == 400)
    }

    @Test("a form counts with the proof of its own session alone, also after its cookie was renewed")
    func proof() throws {
        let (bob, second) = (try worker.tokens(of: "bob").access, try worker.tokens(of: "bob").access)
        let proof = try list(bob).proof
        for wrong in ["", "x", proof + "A", String(proof.dropLast(4)), try list(second).proof] {
            #expect(try change(.endOthers, bob, proof: wrong).status == 403)
        }
        #expect(status(second) == 200)
        house.pass(seconds: 24 * 86_400)
        let cookie = try #require(worker.devices(page(bob)).cookie)
        let renewed = String(cookie.dropFirst("access_token_cookie=".count).prefix { $0 != ";" })
        #expect(renewed != bob)
        #expect(try list(renewed).proof == proof)
        #expect(try change(.endOthers, renewed, proof: proof).status == 303)
        #expect([status(second), status(bob), status(renewed)] == [401, 200, 200])
    }

    @Test(
        "a form must come from our own page: scheme, host and port of its Origin are ours",
        arguments: [
            ("https://music.example", nil, "https", true), ("https://music.example:443", nil, "https", true),
            ("HTTPS://Music.Example", nil, "https", true), ("http://music.example", nil, "http", true),
            ("https://music.example", nil, "http", false), ("http://music.example", nil, "https", false),
            ("https://music.example:8443", nil, "https", false), ("https://music.example:80", nil, "https", false),
            ("https://evil.example", nil, "https", false), ("https://music.example.evil", nil, "https", false),
            ("https://friend.example", nil, "https", false), ("null", nil, "https", false), ("", nil, "https", false),
            (nil, nil, "https", false), (nil, "same-origin", "https", false), ("https://music.example", nil, nil, false),
            // What the browser says of itself, where a proxy before nginx ended TLS without a word.
            ("https://music.example", "same-origin", "http", true), ("https://music.example", "same-origin", nil, true),
            ("https://evil.example", "same-origin", "https", false), ("https://music.example:8443", "same-origin", "https", false),
            ("https://music.example", "same-site", "https", false), ("https://music.example", "cross-site", "https", false),
            ("https://music.example", "none", "https", false),
        ] as [(String?, String?, String?, Bool)])
    func origin(origin: String?, fetchSite: String?, scheme: String?, isOwn: Bool) {
        #expect(page("", origin: origin, fetchSite: fetchSite).isOfOwnPage(scheme: scheme) == isOwn)
    }

    @Test("with SWINGMUSIC_FCGI_PUBLIC_URL that is our origin, whatever nginx says")
    func publicURL() {
        var caller = page("", origin: "https://music.example:8443")
        caller.site = .origin("https://music.example:8443")
        #expect(caller.isOfOwnPage(scheme: "http"))
        caller.origin = "http://music.example:8443"
        #expect(!caller.isOfOwnPage(scheme: "http"))
    }

    @Test("a form from elsewhere changes nothing")
    func foreign() throws {
        let (bob, second) = (try worker.tokens(of: "bob").access, try worker.tokens(of: "bob").access)
        let proof = try list(bob).proof
        for origin in ["https://evil.example", "http://music.example", nil] {
            let outcome = other.changeDevices(.endOthers, proof: proof, page(bob, origin: origin), scheme: "https").outcome
            #expect(outcome.status == 403)
        }
        #expect([status(bob), status(second)] == [200, 200])
    }
}

extension DeviceOutcome {
    fileprivate var status: Int {
        switch self {
        case .list: 200
        case .done: 303
        case .refused(let refused): refused.status
        }
    }
}
