import Crypto
import FastCGI
import Foundation
import RateLimiting
import Testing

@testable import Caching
@testable import Gateway

@Suite struct StatusPageTests {
    private func report() -> StatusReport {
        var counts = Counters()
        counts.values[Counter.place(.spotify, status: 200)] = 1_234_567
        counts.values[Counter.place(.memory)] = 3
        counts.values[Counter.place(.stored)] = 1
        return StatusReport(
            now: 1_795_375_980_000, version: "1.2.3", counts: counts, answersByMinute: Array(0..<60),
            workers: [WorkerLook(process: 4711, uptimeSeconds: 90_061, parked: 2, residentBytes: 21_400_000)], limiter: nil,
            limiterFault: "<b>locked</b>",
            caches: CacheStatistics(services: [], memoryEntries: 0, memoryBytes: 0, store: nil, writeRefusal: nil),
            files: [FileLook(name: "cache.db", bytes: 4096)],
            kinds: [NamespaceStatistics(name: Array("catalog:<script>".utf8), entries: 5, bytes: 10, lastUpdated: nil)],
            lines: [LoggedLine(time: 0, process: 1, level: "error", text: "</li><script>alert('x')</script>&\u{0}")],
            readiness: Readiness(complaints: [.init(trouble: .swingmusicDatabase, text: "\"quoted\" <i>")]))
    }

    @Test("Whatever comes from elsewhere is escaped")
    func escaping() {
        #expect(Markup.escaped("<a href=\"x\" class='y'>&\u{0}\n") == "&lt;a href=&quot;x&quot; class=&#39;y&#39;&gt;&amp;\u{FFFD}\n")
        let hostile = "<script>"
        let markup: Markup = "<p>\(hostile)\(7)\("<br>" as Markup)</p>"
        #expect(markup.source == "<p>&lt;script&gt;7<br></p>")
    }

    @Test("The policy names the hashes of what stands in the page, and allows nothing else to be loaded or to become HTML")
    func policy() throws {
        let page = String(decoding: StatusPage.html, as: UTF8.self)
        for (begin, tag, directive) in [("<style>", "style", "style-src"), ("<script type=\"module\">", "script", "script-src")] {
            let parts = page.components(separatedBy: begin)
            #expect(parts.count == 2)
            let text = try #require(parts.last?.components(separatedBy: "</\(tag)>").first)
            #expect(text.utf8.count > 1000)
            let hash = Data(SHA256.hash(data: Data(text.utf8))).base64EncodedString()
            #expect(StatusPage.policy(covers: false).contains("\(directive) 'sha256-\(hash)'"))
        }
        #expect(StatusPage.policy(covers: false).hasPrefix("default-src 'none';"))
        for words in ["require-trusted-types-for 'script'", "frame-ancestors 'none'", "form-action 'none'"] {
            #expect(StatusPage.policy(covers: false).contains(words))
        }
        #expect(!StatusPage.policy(covers: false).contains("unsafe"))
        #expect(!page.contains("style=\"") && !page.contains(" onclick"))
    }

    @Test("status.json is written byte for byte as ever: members sorted, slashes escaped, what there is not left out")
    func json() throws {
        var report = report()
        report.answersByMinute = [0, 7]
        report.limiterFault = "a/b \"c\" \\ é\u{1}\n"
        report.lines = []
        let none = #"{"2xx":0,"3xx":0,"4xx":0,"5xx":0}"#
        let answers = Counter.Family.allCases.map(\.label).sorted().map { label in
            "\"\(label)\":" + (label == Counter.Family.spotify.label ? none.replacing("2xx\":0", with: "2xx\":1234567") : none)
        }
        let expected =
            #"{"ages":[],"answers":{\#(answers.joined(separator: ","))},"answersByMinute":[0,7],"files":[{"bytes":4096,"name":"cache.db"}],"#
            + #""latestErrors":[],"limiterFault":"a\/b \"c\" \\ é\u0001\n","now":1795375980000,"parked":2,"#
            + #""readiness":{"details":[{"remedy":"\#(Trouble.swingmusicDatabase.remedy)","text":"\"quoted\" <i>","#
            + #""word":"swingmusic-database"}],"reasons":["swingmusic-database"],"status":"unavailable","warnings":[]},"#
            + #""records":[{"bytes":10,"entries":5,"kind":"<script>"}],"#
            + #""sources":{"collapsed":0,"dragonfly":0,"memory":3,"sqlite":0,"stale":0,"stored":1,"unanswered":0},"version":"1.2.3","#
            + #""workers":[{"parked":2,"pid":4711,"residentBytes":21400000,"uptimeSeconds":90061}]}"#
        #expect(text(DashboardReport.response(StatusJSON.value(of: report))) == expected)
    }

    @Test("The dashboard's figures are written byte for byte as ever")
    func dashboard() throws {
        #expect(
            text(DashboardReport.response(DashboardReport.health(nil)))
                == #"{"connected":false,"latency_ms":0,"message":"DRAGONFLYDB_HOST is not set; SQLite serves alone","status":"disabled"}"#)
        let health = StoreHealth(isConnected: true, latency: .microseconds(1250), message: "a/b")
        #expect(
            text(DashboardReport.response(DashboardReport.health(health)))
                == #"{"connected":true,"latency_ms":1.25,"message":"a\/b","status":"healthy"}"#)
        #expect(
            text(DashboardReport.response(DashboardReport.stats(["db0": "keys=12,expires=3", "used_memory_human": "1M"])))
                == #"{"clients":{"connected_clients":0},"keyspace":{"db0":{"keys":12}},"memory":{"used_memory_human":"1M","#
                + #""used_memory_peak_human":"0B"},"server":{"uptime_in_seconds":0}}"#)
        #expect(
            text(DashboardReport.response(DashboardReport.cleared(message: "done", count: nil)))
                == #"{"message":"done","success":true}"#)
        #expect(
            text(DashboardReport.response(DashboardReport.cleared(message: "done", count: 3)))
                == #"{"cleared_count":3,"message":"done","success":true}"#)
    }

    private func text(_ response: Response) -> String { String(decoding: response.body, as: UTF8.self) }

    @Test("Numbers are written for people")
    func numbers() {
        let words = StatusSection.all(of: report()).flatMap { [$0.title] + $0.rows.flatMap(\.self) }.joined(separator: "|")
        for text in ["1,234,567", "75 %", "1 d 1 h", "21.4 MB", "4.1 kB", "unavailable: swingmusic-database"] {
            #expect(words.contains(text), "\(text)")
        }
        #expect(Readable.length(0) == "0 s")
        #expect(Readable.length(3605) == "1 h")
        #expect(Readable.wait(0.2) == "in 1 s")
        #expect(Readable.bytes(999) == "999 B")
    }
}
