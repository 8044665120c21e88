import FastCGI
import Foundation
import Logging
import Testing

@testable import Gateway

@Suite struct ScoreboardTests {
    private let path = FileManager.default.temporaryDirectory.appendingPathComponent("figures-\(UUID().uuidString)").path

    @Test("The sum is over all workers, and a slot's next holder counts on")
    func sums() {
        var first: Scoreboard? = Scoreboard(path: path)
        let second = Scoreboard(path: path)
        first?.add(Counter.place(.spotify, status: 200))
        second.add(Counter.place(.spotify, status: 404))
        #expect(second.workers.count == 2)
        first = nil
        #expect(second.workers.count == 1)
        let third = Scoreboard(path: path)
        third.add(Counter.place(.spotify, status: 200))
        #expect(third.sum[.spotify, 2] == 2)
        #expect(third.sum[.spotify, 4] == 1)
        #expect(third.sum.answered == 3)
        unlink(path)
    }

    @Test("Who died with parked callers leaves none behind")
    func parked() {
        var first: Scoreboard? = Scoreboard(path: path)
        first?.park()
        #expect(first?.workers.first?.parked == 1)
        first = nil
        #expect(Scoreboard(path: path).workers.map(\.parked) == [0])
        unlink(path)
    }

    @Test("Who only reads is no worker, counts nothing, and leaves a file of another make as it is")
    func reading() throws {
        let worker = Scoreboard(path: path)
        worker.add(Counter.place(.spotify, status: 200))
        let reader = Scoreboard(reading: path)
        reader.add(Counter.place(.spotify, status: 200))
        #expect(reader.sum[.spotify, 2] == 1 && worker.sum[.spotify, 2] == 1)
        #expect(reader.workers == worker.workers && reader.workers.count == 1)
        let other = path + ".other"
        #expect(Scoreboard(reading: other).sum.answered == 0 && access(other, F_OK) != 0)
        let content = Data(repeating: 7, count: 1 << 20)
        try content.write(to: URL(filePath: other))
        #expect(Scoreboard(reading: other).workers.isEmpty)
        #expect(try Data(contentsOf: URL(filePath: other)) == content)
        unlink(other)
        unlink(path)
    }

    @Test("Words stand where they stood in the first release: workers of two versions count into one file")
    func layout() throws {
        let firstSlot = 4096 + 64 * 512
        var words = [UInt64](repeating: 0, count: (firstSlot + 512 * 512) / 8)
        words[0] = 0x5347_4649_4755_0001
        words[16 / 8] = 1_800_000_000_000  // a request without its raw path
        words[firstSlot / 8] = 4711
        words[(firstSlot + 64) / 8] = 5  // 2xx of the first family
        try words.withUnsafeBytes { Data($0) }.write(to: URL(filePath: path))
        let scoreboard = Scoreboard(path: path, now: 1_800_000_000_500)
        #expect(scoreboard.sum[.spotify, 2] == 5 && scoreboard.rawPathMissedAt == 1_800_000_000_000)
        scoreboard.add(Counter.place(.spotify, status: 200))
        scoreboard.note(LoggedLine(time: 7, process: 4711, level: "error", text: "x"), isError: true)
        let after = try Data(contentsOf: URL(filePath: path))
        func word(_ offset: Int) -> UInt64 { after.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self) } }
        // What came later stands behind.
        #expect(after.count == words.count * 8 + 512 * 4096)
        #expect(after[(words.count * 8)...].allSatisfy { $0 == 0 })
        #expect(word(firstSlot) == UInt64(getpid()) && word(firstSlot + 8) == 1_800_000_000_500 && word(firstSlot + 64) == 6)
        #expect(word(8) == 1 && word(4096 + 512) == 1 && word(4096 + 512 + 8) == 7 && after[4096 + 512 + 40] == UInt8(ascii: "x"))
        unlink(path)
    }

    @Test("Who reads a file of workers of the first release finds their counters, and no timings")
    func readingFirstLayout() throws {
        let firstSlot = 4096 + 64 * 512
        var words = [UInt64](repeating: 0, count: (firstSlot + 512 * 512) / 8)
        (words[0], words[firstSlot / 8], words[(firstSlot + 64) / 8]) = (0x5347_4649_4755_0001, 4711, 5)
        let content = words.withUnsafeBytes { Data($0) }
        try content.write(to: URL(filePath: path))
        let reader = Scoreboard(reading: path)
        #expect(reader.sum[.spotify, 2] == 5 && reader.timingSums == TimingSums())
        #expect(try Data(contentsOf: URL(filePath: path)) == content)
        unlink(path)
    }

    @Test("Without a file a worker counts for itself")
    func unmapped() {
        let page = Scoreboard(path: "/nowhere/figures.shared")
        page.add(Counter.place(.auth, status: 500))
        #expect(page.sum[.auth, 5] == 1)
        #expect(page.workers.count == 1)
    }

    @Test("The last hour is told by the minute, and a minute without a program has nothing")
    func minutes() {
        let page = Scoreboard(path: "/nowhere/figures.shared")
        let minute: Int64 = 60_000
        let begin: Int64 = 29_000_000 * minute
        page.sample(now: begin)
        for _ in 0..<5 { page.add(0) }
        page.sample(now: begin + minute)
        for _ in 0..<2 { page.add(0) }
        let picture = page.answersByMinute(now: begin + 3 * minute)
        #expect(picture.count == 60)
        #expect(Array(picture.suffix(4)) == [0, 5, 0, 2])
        #expect(page.answersByMinute(now: begin + 90 * minute).allSatisfy { $0 == 0 })
    }

    @Test("The latest lines are kept, bounded, the newest first, without secrets")
    func lines() {
        let page = Scoreboard(path: "/nowhere/figures.shared")
        let quiet = ErrorLog(Silence(), page: page, redaction: Redaction(secrets: ["hunter2hunter2", "ab", nil]))
        let log = Logger(label: "test") { _ in quiet }
        log.notice("not kept")
        for number in 0..<100 { log.warning("line \(number)") }
        log.error("token hunter2hunter2 refused", metadata: ["password": "hunter2hunter2"])
        let lines = page.latestLines(1000)
        #expect(lines.count == LogRing.entries)
        #expect(lines.first?.text == "token (secret) refused password=(secret)")
        #expect(lines.first?.level == "error")
        #expect(lines.dropFirst().first?.text == "line 99")
        #expect(page.sum.warnings == 100)
        log.warning("\(String(repeating: "x", count: 5000))")
        #expect(page.latestLines(1).first?.text.utf8.count == LogRing.longestText)
    }

    /// Says nothing at any level (the library's own no-op lets nothing but critical through).
    private struct Silence: LogHandler {
        var logLevel = Logger.Level.info
        var metadata: Logger.Metadata = [:]
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) {}
    }

    @Test(
        "Where an answer came from is counted as its header says",
        arguments: [
            ("hit; ttl=3; detail=memory", .hit(.memory, ttl: 3, .fresh, refusedWith: nil), .memory, false),
            ("hit; ttl=-3; detail=sqlite", .hit(.sqlite, ttl: -3, .stale, refusedWith: nil), .sqlite, true),
            ("hit; ttl=3; detail=dragonfly/403", .hit(.dragonfly, ttl: 3, .fresh, refusedWith: 403), .dragonfly, false),
            ("fwd=miss; stored", .stored(joined: false), .stored, false),
            ("fwd=miss; stored; collapsed", .stored(joined: true), .collapsed, false),
            ("fwd=miss", .miss, .unanswered, false),
        ] as [(String, CacheStatus, Counter.Source, Bool)])
    func sources(_ text: String, _ status: CacheStatus, _ source: Counter.Source, _ isStale: Bool) {
        var response = Response(status: 200, contentType: "application/json")
        response.add(status)
        response.add("ETag", "\"x\"")
        #expect(response.header("Cache-Status") == "swingmusic-fcgi; \(text)")
        let read = CacheStatus.counted(response.note)
        #expect(read?.0 == source)
        #expect(read?.isStale == isStale)
        #expect(CacheStatus.counted(Response(status: 200).note) == nil)
    }

    @Test("The router counts by family and class, unknown paths too")
    func router() throws {
        let page = Scoreboard(path: "/nowhere/figures.shared")
        let router = Router(
            families: [OneAnswer(prefix: "/auth/", status: 401, label: .auth), OneAnswer(prefix: "/cache/", status: 204, label: .cache)],
            accessControl: AccessControl(authenticator: NobodyKnown(), metadataNeedsSession: false, adminToken: nil), scoreboard: page)
        for path in ["/auth/x", "/cache/y", "/cache/z", "/nothing"] {
            _ = router.handle(Request(testing: [("REQUEST_METHOD", "GET"), ("DOCUMENT_URI", path)]))
        }
        #expect(page.sum[.auth, 4] == 1)
        #expect(page.sum[.cache, 2] == 2)
        #expect(page.sum[.none, 4] == 1)
        #expect(page.sum.answered == 4)
    }

    private struct OneAnswer: RouteFamily {
        let prefix: String
        let status: Int
        let tag = "", about = ""
        let label: Counter.Family
        let errorFormat = ErrorFormat.plain
        var routes: [Route] { [] }
        func answerUnserved(_ routed: RoutedRequest, _ paths: PathTree) -> Outcome? { .now(Response(status: status)) }
    }

    @Test("That nginx hands no raw path on is noted for all, said once, and over with the next that it does")
    func rawPath() throws {
        let folder = NSTemporaryDirectory() + "raw-path-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let lines = KeptLines()
        #expect(IncludeFiles(dataDirectory: folder).outdatedAt == nil)
        let watch = IncludeWatch(scoreboard: Scoreboard(path: folder + "/figures.shared"), log: lines.logger)
        watch.saw(rawPath: true)
        #expect(IncludeFiles(dataDirectory: folder).outdatedAt == nil && lines.all == [])
        for _ in 0..<3 { watch.saw(rawPath: false) }
        #expect(IncludeFiles(dataDirectory: folder).outdatedAt != nil)
        #expect(lines.all.count == 1 && lines.all[0].contains("pass.conf"))
        watch.saw(rawPath: true)
        #expect(IncludeFiles(dataDirectory: folder).outdatedAt == nil)
    }

    @Test("A turn is counted under the first bound that it does not exceed")
    func turns() {
        let page = Scoreboard(path: "/nonexistent/figures")
        for microseconds: UInt64 in [1, 1000, 1001, 4000, 9000, 300_000] { page.add(turn: microseconds * 1000) }
        let counts = page.sum
        #expect(counts.turns.map(\.count) == [2, 3, 4, 5, 5, 5, 6])
        #expect(counts.turns.map(\.bound) == Counter.turnBounds + [nil])
        #expect(counts.turnMicroseconds == 315_002)
        #expect(counts.calls == 0 && Counter.count * 8 + 64 <= 512)
    }

    @Test("Labels and help are escaped as the text format asks")
    func metricsText() {
        var text = MetricsText()
        text.metric("x", .gauge, "a\nb\\c\"")
        text.sample("x", [("kind", "a\"b\\c\nd")], 1)
        #expect(
            text.text
                == "# HELP swingmusic_fcgi_x a\\nb\\\\c\"\n# TYPE swingmusic_fcgi_x gauge\nswingmusic_fcgi_x{kind=\"a\\\"b\\\\c\\nd\"} 1\n")
    }
}
