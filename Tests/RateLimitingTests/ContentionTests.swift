import CSystem
import Foundation
import GRDB
import Synchronization
import Platform
import Testing

@testable import RateLimiting

/// Real clocks, a real disk, a connection for each worker as each process has one. What is measured is printed;
/// only what must hold on a busy machine as well is expected.
@Suite("Under contention", .serialized) struct ContentionTests {
    private struct Run {
        var grants: [BootTime] = []
        var granting: [Duration] = []
        var denying: [Duration] = []
    }

    private func median(_ lengths: [Duration]) -> Duration {
        lengths.isEmpty ? .zero : lengths.sorted()[lengths.count / 2]
    }

    private func processorTime() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    private func microseconds(_ length: Duration) -> Int {
        Int(length / .microseconds(1))
    }

    @Test("Eight workers keep one pace together, lose nothing and fetch nothing twice")
    func rateLimit() throws {
        let folder = try Folder(onDisk: true)
        let rateLimit = RateLimit(interval: .milliseconds(100))
        let keys = (0..<30).map { "key \($0)" }
        _ = try folder.open(rateLimit: rateLimit).enqueue(
            keys.map { Ask(key: $0, priority: .renewal, client: "", attendedUntil: 0) })
        let run = Mutex(Run())
        let fetched = Tally()
        concurrently(8) { index in
            do {
                let rateLimiter = try folder.open(rateLimit: rateLimit)
                while true {
                    let began = ContinuousClock.now
                    let turn = try rateLimiter.permitAndSend(worker: "\(index)")
                    let took = ContinuousClock.now - began
                    switch turn {
                    case .granted(let lease):
                        run.withLock {
                            $0.grants.append(lease.grantedAt)
                            $0.granting.append(took)
                        }
                        fetched.add(lease.key)
                        _ = try rateLimiter.finish(lease, .answered)
                    case .wait(_, .empty): return
                    case .wait(let length, _):
                        run.withLock { $0.denying.append(took) }
                        usleep(UInt32(min(length, .seconds(1)).wholeNanoseconds / 1000 + 1))
                    }
                }
            } catch {
                Issue.record(error)
            }
        }
        #expect(fetched.all.sorted() == keys.sorted())
        run.withLock { run in
            let grants = run.grants.sorted()
            let intervals = zip(grants.dropFirst(), grants).map { $0 - $1 }
            for interval in intervals { #expect(interval >= rateLimit.interval) }
            let mean = intervals.reduce(.zero, +) / max(1, intervals.count)
            print(
                "8 workers, pace \(microseconds(rateLimit.interval)): mean interval \(microseconds(mean));",
                "a granted turn \(microseconds(median(run.granting))),",
                "a denied one \(microseconds(median(run.denying))); medians in µs")
        }
    }

    @Test("What a turn, an ask and a look cost, with a full hour and a long queue")
    func cost() throws {
        for length in [10, 1000, 10_000] {
            let folder = try Folder(onDisk: true)
            let clock = ManualClock()
            let rateLimiter = try folder.open(queueLimit: 40_000, clock: clock)
            func ask(_ index: Int) -> Ask {
                Ask(
                    key: "key \(index)", priority: .caller, client: "client \(index % 8)",
                    attendedUntil: clock.wall.milliseconds + 100_000_000)
            }
            let now = clock.boot
            try folder.raw().write { db in
                for back in stride(from: Int64(990), to: 0, by: -1) {
                    try db.execute(
                        sql: "INSERT INTO grants (instant, background, worker) VALUES (?, 0, 'one')",
                        arguments: [now - .seconds(back * 2)])
                }
            }
            _ = try rateLimiter.enqueue((1...length).map(ask))
            /// Time that passed, and processor time, which other work on the machine does not change.
            func time(_ work: (Int) throws -> Void) rethrows -> String {
                var passed: [Duration] = []
                var used: [Duration] = []
                for index in 0..<21 {
                    let (began, processor) = (ContinuousClock.now, processorTime())
                    try work(index)
                    passed.append(ContinuousClock.now - began)
                    used.append(processorTime() - processor)
                }
                return "\(microseconds(median(passed))) (\(microseconds(median(used))))"
            }
            let enqueuing = try time { _ = try rateLimiter.enqueue([ask(100_000 + $0)]) }
            let peeking = try time { _ in _ = try rateLimiter.peek(worker: "one") }
            let granting = try time { _ in
                clock.advance(.seconds(3610))
                _ = try rateLimiter.permitAndSend(worker: "one")
            }
            let denying = try time { _ in _ = try rateLimiter.permitAndSend(worker: "one") }
            let looking = try time { _ = try rateLimiter.states(of: ["key \($0 + 5)"]) }
            let counting = try time { _ in _ = try rateLimiter.changeCounter() }
            print(
                "\(length) queued: turn \(granting), denied \(denying), peek \(peeking), enqueue \(enqueuing),",
                "state \(looking), change counter \(counting); medians in µs (processor time)")
        }
    }
}
