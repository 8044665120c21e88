import Foundation
import Logging
import Platform
import Synchronization
import TestServers

@testable import Caching

typealias TemporaryFolder = TestServers.TemporaryFolder
typealias RedisServer = TestServers.RedisServer

// Instants as tests write them.
extension WallTime: ExpressibleByIntegerLiteral {
    /// Milliseconds since 1970.
    public init(integerLiteral value: Int64) { self.init(milliseconds: value) }
}
extension MonotonicTime: ExpressibleByIntegerLiteral {
    /// Nanoseconds.
    public init(integerLiteral value: UInt64) { self.init(nanoseconds: value) }
}

/// Log lines, kept.
final class LogLines: Sendable {
    private let kept = Mutex<[String]>([])
    var lines: [String] { kept.withLock { $0 } }
    func count(containing text: String) -> Int { lines.filter { $0.contains(text) }.count }
    fileprivate func append(_ line: String) { kept.withLock { $0.append(line) } }

    var logger: Logger {
        Logger(label: "test") { _ in Handler(lines: self) }
    }

    private struct Handler: LogHandler {
        let lines: LogLines
        var metadata = Logger.Metadata()
        var logLevel = Logger.Level.debug

        init(lines: LogLines) { self.lines = lines }

        subscript(metadataKey key: String) -> Logger.MetadataValue? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            lines.append("\(event.level) \(event.message) \(event.metadata ?? [:])")
        }
    }
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// Caches over SQLite and memory in a folder of their own.
struct Bench {
    let folder: TemporaryFolder
    let clock: ManualClock
    let log: LogLines
    let caches: Caches

    init(folder: TemporaryFolder = TemporaryFolder(), clock: ManualClock = ManualClock(), log: LogLines = LogLines()) throws {
        self.folder = folder
        self.clock = clock
        self.log = log
        caches = try Caches(
            CachesConfiguration(path: folder.file("cache.db"), threads: 2), log: log.logger, clock: clock)
    }

    /// Another worker on the same file.
    func another() throws -> Bench { try Bench(folder: folder, clock: clock, log: log) }
}

struct NeverCame: Error, CustomStringConvertible {
    var description: String
}

/// Looks every few milliseconds, for ten seconds at most.
func wait(for what: String, seconds: Double = 10, _ condition: () throws -> Bool) throws {
    let end = Date(timeIntervalSinceNow: seconds)
    while try !condition() {
        guard Date() < end else { throw NeverCame(description: "\(what) did not come within \(seconds) s") }
        usleep(3000)
    }
}
