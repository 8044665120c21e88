import Foundation
import Testing

@testable import Gateway
@testable import Sessions

@Suite struct DevicesPageTests {
    private static let now: Int64 = 1_795_400_000_000

    private func shown(_ id: String, _ device: String, secondsAgo: Int64, current: Bool = false) -> ShownSession {
        ShownSession(
            id: id, userID: 1, userName: "x", device: device, userAgent: "", address: "192.0.2.\(id.utf8.count)",
            createdAt: Self.now - secondsAgo * 1000, seenAt: Self.now - secondsAgo * 1000, isCurrent: current)
    }

    private func page(_ sessions: [ShownSession], name: String = "bob") -> String {
        let list = DeviceList(userName: name, sessions: sessions, proof: "a-proof", now: Self.now)
        return String(decoding: DevicesPage.response(.list(list)).body, as: UTF8.self)
    }

    @Test("names are text, never markup")
    func names() {
        let evil = #"<script>alert(1)</script>"'&"#
        let page = page([shown(evil, evil, secondsAgo: 1), shown("b", evil, secondsAgo: 1, current: true)], name: evil)
        #expect(!page.contains("<script") && !page.contains(#"""'"#))
        #expect(page.contains("<bdi>&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;</bdi>"))
    }

    @Test("this device comes first, is marked and signs out by itself; each other has a button that says which it is")
    func order() throws {
        let page = page([shown("phone", "App", secondsAgo: 59), shown("here", "Firefox", secondsAgo: 3 * 86_400 + 5, current: true)])
        let (here, phone) = (try #require(page.range(of: "this device")), try #require(page.range(of: "App</bdi>")))
        #expect(here.lowerBound < phone.lowerBound)
        #expect(page.contains("3 days ago") && page.contains("just now") && page.contains(#"<time datetime="2026-11-"#))
        #expect(page.contains(#"aria-label="Sign out: App, 192.0.2.5""#) && page.contains(#"name="session" value="phone""#))
        #expect(!page.contains(#"value="here""#) && page.contains(">Sign out here<") && page.contains(">Sign out all other devices<"))
        #expect(!self.page([shown("here", "Firefox", secondsAgo: 1, current: true)]).contains("all other"))
    }

    @Test("times are said in their largest unit", arguments: [(60, "1 minute"), (7199, "1 hour"), (86_399, "23 hours"), (86_400, "1 day")])
    func ages(seconds: Int64, words: String) { #expect(page([shown("x", "App", secondsAgo: seconds)]).contains(">\(words) ago<")) }

    @Test("every page holds to a policy without scripts and is kept by nobody; a done change goes back to the list")
    func heads() {
        let list = DeviceOutcome.list(DeviceList(userName: "x", sessions: [], proof: "", now: 0))
        let refusals = [401, 422, 403, 400, 503].map { DeviceOutcome.refused(Refused(status: $0, message: "words")) }
        #expect(([list] + refusals).map { DevicesPage.response($0).status } == [200, 401, 401, 403, 400, 503])
        for response in ([list] + refusals).map({ DevicesPage.response($0) }) {
            #expect(response.header("Content-Type") == "text/html; charset=utf-8")
            #expect(response.header("Cache-Control") == "no-store")
            #expect(response.header("Referrer-Policy") == "same-origin")
            #expect(response.header("X-Content-Type-Options") == "nosniff")
            let policy = response.header("Content-Security-Policy") ?? ""
            #expect(policy.hasPrefix("default-src 'none';") && !policy.contains("script") && policy.contains("frame-ancestors 'none'"))
        }
        let done = DevicesPage.response(.done)
        #expect(done.status == 303 && done.header("Location") == "/auth/devices" && done.header("Cache-Control") == "no-store")
        #expect(DevicesPage.response(refusals[4]).header("Retry-After") == "5")
    }

    @Test(
        "a form is read as browsers send it",
        arguments: [
            ("action=end&session=a%2Bb&proof=p", .end("a+b")), ("proof=p&action=end-others", .endOthers),
            ("action=sign-out&proof=p", .signOut),
            ("action=end&proof=p", nil), ("action=other&proof=p", nil), ("proof=p", nil),
        ] as [(String, DeviceChange?)])
    func forms(body: String, change: DeviceChange?) {
        func form(_ type: String) -> DeviceForm { DeviceForm(FormBody(bytes: Array(body.utf8), contentType: type)) }
        #expect(form("application/x-www-form-urlencoded").change == change)
        #expect(form("Application/X-WWW-Form-Urlencoded ; charset=utf-8").proof == "p")
        #expect(form("text/plain").change == nil && form("text/plain").proof.isEmpty)
    }
}
