import Foundation
import GRDB
import Logging
import Platform
import RESP
import Synchronization
import TestServers

@testable import RateLimiting

/// A clock that moves on by the same step each time the limiter reads it.
final class SteppingClock: HostClock {
    private let clock = ManualClock()
    private let step: Duration

    init(step: Duration) { self.step = step }

    var wall: WallTime { clock.wall }
    var monotonic: MonotonicTime { clock.monotonic }
    var bootID: String { clock.bootID }
    var boot: BootTime {
        defer { clock.advance(step) }
        return clock.boot
    }

    func advance(_ length: Duration) { clock.advance(length) }
}

extension BootTime: ExpressibleByIntegerLiteral {
    /// Nanoseconds.
    public init(integerLiteral value: Int64) { self.init(nanoseconds: value) }

    /// So many seconds after the boot.
    static func at(_ seconds: Int64) -> BootTime { BootTime(nanoseconds: seconds * 1_000_000_000) }
}

/// A folder with a limiter's file, gone when the test is over. In memory where the host has a place for that: with
/// a clock that stands still, nothing is gained by waiting for a disk.
final class Folder: Sendable {
    let path: String
    var limiter: String { path + "/limiter.db" }

    init(onDisk: Bool = false) throws {
        let memory = "/dev/shm/"
        let parent = !onDisk && FileManager.default.isWritableFile(atPath: memory) ? memory : NSTemporaryDirectory()
        path = parent + "turnstile-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func open(
        rateLimit: RateLimit = RateLimit(), queueLimit: Int = 1000, leaseLifetime: Duration = .seconds(15), batches: Batches? = nil,
        clock: any HostClock = SystemClock(), creating: Bool = true, isOurs: @escaping @Sendable (String) -> Bool = { _ in true }
    ) throws -> FileRateLimiter {
        try FileRateLimiter(
            path: limiter, rateLimit: rateLimit, queueLimit: queueLimit, leaseLifetime: leaseLifetime, batches: batches, isOurs: isOurs,
            clock: clock,
            creating: creating, log: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    }

    /// A connection past the limiter, as another program would have it.
    /// As another program would open it: the limiter's own threads may be writing.
    func raw() throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.busyMode = .timeout(10)
        return try DatabaseQueue(path: limiter, configuration: configuration)
    }
}

/// A limiter on a clock of its own.
struct Bench {
    let folder: Folder
    let clock: ManualClock
    let rateLimiter: FileRateLimiter

    init(rateLimit: RateLimit = RateLimit(), queueLimit: Int = 1000, batches: Batches? = nil) throws {
        folder = try Folder()
        clock = ManualClock()
        rateLimiter = try folder.open(rateLimit: rateLimit, queueLimit: queueLimit, batches: batches, clock: clock)
    }

    /// An ask that somebody waits for during the next `patience`.
    func ask(
        _ key: String, _ priority: Priority = .caller, client: String = "anna", patience: Duration = .seconds(25)
    ) -> Ask {
        Ask(
            key: key, priority: priority, client: client,
            attendedUntil: clock.wall.milliseconds + patience.wholeNanoseconds / 1_000_000)
    }

    @discardableResult
    func enqueue(_ asks: Ask...) throws -> [Admission] { try rateLimiter.enqueue(asks) }

    /// Waits as long as it is told to and takes the next permit.
    func next(worker: String = "one") throws -> Lease {
        for _ in 0..<100 {
            switch try rateLimiter.permitAndSend(worker: worker) {
            case .granted(let lease): return lease
            case .wait(let length, _): clock.advance(length)
            }
        }
        throw Stuck()
    }

    struct Stuck: Error {}
}

extension Permit {
    var lease: Lease? {
        if case .granted(let lease) = self { lease } else { nil }
    }
}

/// Runs a closure on so many threads at once, each with its number, and waits for all.
func concurrently(_ count: Int, _ work: @escaping @Sendable (Int) -> Void) {
    let group = DispatchGroup()
    for index in 0..<count {
        group.enter()
        Thread.detachNewThread {
            work(index)
            group.leave()
        }
    }
    group.wait()
}

/// What several threads have to say.
final class Tally: Sendable {
    private let entries = Mutex<[String]>([])
    func add(_ entry: String) { entries.withLock { $0.append(entry) } }
    var all: [String] { entries.withLock { $0 } }
}

extension FileRateLimiter {
    /// As one of several hosts.
    func shared(
        _ host: String, over server: RedisServer, secret: String = "secret", api: String = "https://api.spotify.com",
        exchange: SharedRateLimiter.RecordExchange = .init(lifetime: .seconds(3600), export: { _ in nil }, adopt: { _, _ in false })
    ) throws -> SharedRateLimiter {
        let account = SharedAccount(
            endpoint: RedisEndpoint(host: "unix:" + server.socket, timeout: .seconds(1)), host: host, clientID: "test", secret: secret,
            apiURL: api)
        return try SharedRateLimiter(
            self, sharing: account, exchange: exchange,
            log: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    }
}

extension RateLimiter {
    /// A permit whose request leaves at once.
    func permitAndSend(worker: String) throws(RateLimiterError) -> Permit {
        let permit = try permit(worker: worker)
        if permit.lease != nil { endSending(wasSent: true) }
        return permit
    }
}
