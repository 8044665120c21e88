import Foundation
import GRDB
import Logging
import Platform
import Testing

@testable import RateLimiting

private let folderOfChild = ProcessInfo.processInfo.environment["TURNSTILE_TEST_FOLDER"]
private let rateLimit = RateLimit(interval: .milliseconds(50))

private func open(_ folder: String) throws -> FileRateLimiter {
    try FileRateLimiter(
        path: folder + "/limiter.db", rateLimit: rateLimit, queueLimit: 1000, leaseLifetime: .seconds(1),
        log: .init(label: "test"))
}

/// Workers as they are: processes, one of which is killed with a lookup in its hands. They run this test program
/// again, with the one test that is only for them.
@Suite("Several processes") struct ProcessTests {
    @Test("They keep one pace, and what a killed one had in its hands is done by another")
    func oneKilled() throws {
        let folder = try Folder(onDisk: true)
        let keys = (0..<20).map { "key \($0)" }
        _ = try open(folder.path).enqueue(
            keys.map { Ask(key: $0, priority: .renewal, client: "", attendedUntil: 0) })
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let workers = try (0..<4).map { index in
            let worker = Process()
            worker.executableURL = URL(fileURLWithPath: program)
            worker.arguments = ["--testing-library", "swift-testing", "--filter", "ProcessTests/worker"]
            worker.environment = ProcessInfo.processInfo.environment.merging([
                "TURNSTILE_TEST_FOLDER": folder.path, "TURNSTILE_TEST_DIES": index == 0 ? "yes" : "no",
            ]) { $1 }
            worker.standardOutput = FileHandle.nullDevice
            worker.standardError = FileHandle.nullDevice
            try worker.run()
            if index == 0 { worker.waitUntilExit() }
            return worker
        }
        for worker in workers { worker.waitUntilExit() }
        #expect(workers[0].terminationReason == .uncaughtSignal)
        #expect(workers.dropFirst().allSatisfy { $0.terminationStatus == 0 })
        let stored = try String(contentsOfFile: folder.path + "/stored", encoding: .utf8).split(separator: "\n")
        #expect(stored.map(String.init).sorted() == keys.sorted())
        let grants = try folder.raw().read { try Int64.fetchAll($0, sql: "SELECT instant FROM grants ORDER BY id") }
        #expect(grants.count == keys.count + 1)
        for (earlier, later) in zip(grants, grants.dropFirst()) {
            #expect(later - earlier >= rateLimit.interval.wholeNanoseconds)
        }
    }

    @Test("A worker", .enabled(if: folderOfChild != nil))
    func worker() throws {
        let folder = try #require(folderOfChild)
        let rateLimiter = try open(folder)
        let name = "\(getpid())"
        while true {
            switch try rateLimiter.permitAndSend(worker: name) {
            case .granted(let lease):
                if ProcessInfo.processInfo.environment["TURNSTILE_TEST_DIES"] == "yes" { kill(getpid(), SIGKILL) }
                _ = try rateLimiter.finish(lease, .answered) {
                    let file = try #require(fopen(folder + "/stored", "a"))
                    fputs(lease.key + "\n", file)
                    fclose(file)
                }
            case .wait(_, .empty): return
            case .wait(let length, _): usleep(UInt32(min(length, .seconds(1)).wholeNanoseconds / 1000 + 1))
            }
        }
    }
}
