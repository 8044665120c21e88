import Logging
import Platform
import Synchronization
import Testing

@testable import FastCGI
@testable import Gateway

@Suite struct AccessLogTests {
    private let lines = KeptLines()

    private func request(_ parameters: [(String, String)] = []) -> Request {
        Request(
            testing: [
                ("REQUEST_METHOD", "GET"), ("REMOTE_ADDR", "192.0.2.7"), ("DOCUMENT_URI", "/auth/pair"), ("QUERY_STRING", "code=secret"),
            ] + parameters)
    }

    @Test(
        "What was not served or was throttled has a line with nginx's request id, the rest has none",
        arguments: [
            (200, false), (401, false), (404, false), (429, true), (503, true),
        ])
    func line(status: Int, isSaid: Bool) {
        let clock = ManualClock()
        let (log, began) = (AccessLog(log: lines.logger, clock: clock), clock.monotonic)
        clock.advance(.milliseconds(42))
        let subject = AccessLog.Subject(request([("REQUEST_ID", "5f1d")]), user: 7)
        _ = log.observe(.now(Response(status: status).because(.clientShare)), of: subject, since: began)
        let line = """
            info answered \(status) address=192.0.2.7 method=GET milliseconds=42 path=/auth/pair reason=client-share request=5f1d \
            status=\(status) user=7
            """
        #expect(lines.all == (isSaid ? [line] : []))
    }

    @Test("A reason stands in an answer's note beside where it came from, and neither changes the other")
    func reasons() {
        for reason in Reason.allCases {
            var response = Response(status: 503).because(reason)
            #expect(response.unserved == reason && CacheStatus.counted(response.note) == nil)
            response.add(CacheStatus.miss)
            #expect(response.unserved == reason && CacheStatus.counted(response.note)?.0 == .unanswered)
            response.unserved = nil
            #expect(response.unserved == nil && CacheStatus.counted(response.note)?.0 == .unanswered)
        }
        #expect(Response(status: 200).unserved == nil)
        #expect(Set(Reason.allCases.map(\.words)).count == Reason.allCases.count)
    }

    @Test("A parked request is named when its answer comes, and not when its caller left")
    func parked() {
        let clock = ManualClock()
        let log = AccessLog(log: lines.logger, clock: clock)
        let parkedRequest = ParkedRequest(deadline: .never, parked: { _ in }, ended: { _ in Response(status: 503) })
        guard case .parked(let observed) = log.observe(.parked(parkedRequest), of: .init(request(), user: nil), since: clock.monotonic)
        else {
            return #expect(Bool(false))
        }
        clock.advance(.milliseconds(1500))
        #expect(lines.all == [])
        _ = observed.finished(Response(status: 200))
        #expect(lines.all == [])
        _ = observed.finished(Response(status: 504))
        #expect(
            lines.all == [
                "info answered 504 address=192.0.2.7 method=GET milliseconds=1500 path=/auth/pair reason=- request=- status=504"
            ])
        _ = observed.end(.clientLeft)
        #expect(lines.all.count == 1)
    }

    @Test("Of a flood a second has its lines, and then what it left out is said")
    func flood() {
        let clock = ManualClock()
        let log = AccessLog(log: lines.logger, most: 3, clock: clock)
        for _ in 0..<10 { _ = log.observe(.now(Response(status: 503)), of: .init(request(), user: nil), since: clock.monotonic) }
        #expect(lines.all.count == 3)
        clock.advance(.seconds(1))
        for _ in 0..<2 { _ = log.observe(.now(Response(status: 503)), of: .init(request(), user: nil), since: clock.monotonic) }
        #expect(lines.all.count == 5)
        #expect(lines.all[3].contains("omitted=7") && !lines.all[4].contains("omitted"))
    }
}

/// Log lines in memory.
final class KeptLines: Sendable {
    private let kept = Mutex<[String]>([])
    var all: [String] { kept.withLock { $0 } }
    var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }

    private struct Handler: LogHandler {
        let lines: KeptLines
        var metadata = Logger.Metadata()
        var logLevel = Logger.Level.info

        init(lines: KeptLines) { self.lines = lines }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let extras = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
            lines.kept.withLock { $0.append("\(event.level) \(event.message)\(extras)") }
        }
    }
}
