import CSystem
import Glibc
import Logging
import Platform
import Synchronization

@testable import FastCGI

/// An event loop on a Unix socket in a directory of its own, served by threads until the test ends.
final class Stage {
    let path: String
    let loop: EventLoop
    let socket: ListeningSocket
    private let directory: String
    private let runner: WorkerThread
    let hasReturned = Flag()

    init(_ handler: any Handler, threads: Int = 2, limits: Limits = Limits()) throws {
        var template = Array("/tmp/fastcgi-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Client.Failure.connect(errno) }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        path = directory + "/s"
        socket = try ListeningSocket.bind(.unix(path: path), mode: 0o600, group: nil)
        var log = Logger(label: "test")
        log.logLevel = .critical
        let loop = try EventLoop(sockets: [socket], threads: threads, limits: limits, handler: handler, log: log)
        self.loop = loop
        runner = try WorkerThread.start(named: "stage") { [hasReturned] in
            loop.run()
            hasReturned.raise()
        }
    }

    func client() throws -> Client { try Client(path: path) }

    /// Ends the loop, as `stop` or `drain` has been called already.
    func finish() {
        runner.join()
        socket.close()
        unlink(path)
        rmdir(directory)
    }

    func stop(within duration: Duration = .seconds(5)) {
        loop.stop(within: duration)
        finish()
    }
}

/// Something that happens once in one thread and is waited for, up to 5 s, in another.
final class Flag: Sendable {
    private let raised = Atomic(false)

    func raise() { raised.store(true, ordering: .sequentiallyConsistent) }
    var isRaised: Bool { raised.load(ordering: .sequentiallyConsistent) }
}

/// Polls every millisecond until it holds; false after 5 s.
func eventually(_ holds: () -> Bool) -> Bool {
    for _ in 0..<5000 {
        if holds() { return true }
        usleep(1000)
    }
    return holds()
}

/// Answers by path: what each test needs in one place.
final class Script: Handler {
    /// Replies of requests for /park, in the order they came.
    let replies = Mutex<[ResponseHandle]>([])
    let endings = Mutex<[ParkedRequest.Ending]>([])
    let wait: Duration
    /// What is made of each ticket.
    let change = Mutex<@Sendable (ParkedRequest) -> ParkedRequest>({ $0 })

    init(wait: Duration = .seconds(20)) { self.wait = wait }

    func bodyPolicy(for request: Request) -> BodyPolicy {
        request.parameter("PATH_INFO") == "/verify" ? .ignore : .read(limit: request.parameter("PATH_INFO") == "/big" ? 1 << 20 : 65536)
    }

    func handle(_ request: Request) -> Outcome {
        switch request.parameter("PATH_INFO") ?? "" {
        case "/park": return .parked(changed(parkedRequest()))
        case "/at-once":
            return .parked(
                changed(
                    ParkedRequest(
                        deadline: SystemClock().monotonic + wait, parked: { $0.send(text("at once")) }, ended: { _ in text("ended") })
                ))
        case "/tcp": return .now(text(request.cameByTCP ? "by TCP" : "not by TCP"))
        case "/large": return .now(text(String(repeating: "x", count: 3_000_000)))
        case "/head":
            var response = text("unseen")
            response.omitsBody = true
            return .now(response)
        case "/304": return .now(Response(status: 304))
        case "/cookies": return .now(text(request.parameters("HTTP_COOKIE").joined(separator: "|")))
        default: break
        }
        switch request.body {
        case .none: return .now(text("none"))
        case .bytes(let bytes): return .now(Response(status: 200, contentType: "text/plain", body: bytes))
        case .tooLarge: return .now(Response(status: 413, body: Array("too large".utf8)))
        case .ignored: return .now(text("ignored"))
        }
    }

    private func changed(_ parkedRequest: ParkedRequest) -> ParkedRequest { change.withLock { $0 }(parkedRequest) }

    private func parkedRequest() -> ParkedRequest {
        ParkedRequest(
            deadline: SystemClock().monotonic + wait,
            parked: { [self] reply in replies.withLock { $0.append(reply) } },
            ended: { [self] ending in
                endings.withLock { $0.append(ending) }
                return text("ended: \(ending)", status: 503)
            })
    }
}

func text(_ text: String, status: Int = 200) -> Response {
    Response(status: status, contentType: "text/plain", body: Array(text.utf8))
}
