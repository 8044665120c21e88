import CSystem
import Foundation
import Synchronization
import Testing

@testable import Turnstile

/// Real clocks, a real disk, a connection for each worker as each process has one. What is measured is printed;
/// only what must hold on a busy machine as well is expected.
@Suite("Under contention", .serialized) struct ContentionTests {
    private struct Run {
        var grants: [UInt64] = []
        var granting: [Duration] = []
        var denying: [Duration] = []
    }

    private func median(_ lengths: [Duration]) -> Duration {
        lengths.isEmpty ? .zero : lengths.sorted()[lengths.count / 2]
    }

    @Test("Eight workers keep one pace together, lose nothing and fetch nothing twice")
    func pace() throws {
        let folder = try Folder(onDisk: true)
        let pace = Pace(interval: .milliseconds(100))
        let keys = (0..<30).map { "key \($0)" }
        _ = try folder.open(pace: pace).enqueue(
            keys.map { Ask(key: $0, priority: .renewal, client: "", attendedUntil: 0) })
        let run = Mutex(Run())
        let fetched = Tally()
        concurrently(8) { index in
            do {
                let turnstile = try folder.open(pace: pace)
                while true {
                    let began = ContinuousClock.now
                    let turn = try turnstile.turn(worker: "\(index)")
                    let took = ContinuousClock.now - began
                    switch turn {
                    case .granted(let lease):
                        run.withLock {
                            $0.grants.append(lease.grantedBoot)
                            $0.granting.append(took)
                        }
                        fetched.add(lease.key)
                        _ = try turnstile.finish(lease, .answered)
                    case .wait(_, .empty): return
                    case .wait(let length, _):
                        run.withLock { $0.denying.append(took) }
                        usleep(UInt32(min(length, .seconds(1)).inNanoseconds / 1000 + 1))
                    }
                }
            } catch {
                Issue.record(error)
            }
        }
        #expect(fetched.all.sorted() == keys.sorted())
        run.withLock { run in
            let grants = run.grants.sorted()
            let intervals = zip(grants.dropFirst(), grants).map { Duration.nanoseconds(Int64($0 - $1)) }
            for interval in intervals { #expect(interval >= pace.interval) }
            let mean = intervals.reduce(.zero, +) / max(1, intervals.count)
            print("8 workers, pace \(pace.interval): mean interval \(mean);",
                "a granted turn \(median(run.granting)), a denied one \(median(run.denying)) (medians)")
        }
    }

    @Test("What a turn, an ask and a look cost, with a full hour and a long queue")
    func cost() throws {
        for length in [10, 1000, 10_000] {
            let folder = try Folder(onDisk: true)
            let clock = FakeClock()
            let turnstile = try folder.open(queueLimit: 40_000, clock: clock)
            func ask(_ index: Int) -> Ask {
                Ask(
                    key: "key \(index)", priority: .caller, client: "client \(index % 8)",
                    attendedUntil: clock.now().wall + 100_000_000)
            }
            for _ in 0..<990 {
                _ = try turnstile.enqueue([ask(0)])
                if case .granted(let lease) = try turnstile.turn(worker: "one") {
                    _ = try turnstile.finish(lease, .answered)
                }
                clock.advance(.seconds(2))
            }
            _ = try turnstile.enqueue((1...length).map(ask))
            func time(_ work: (Int) throws -> Void) rethrows -> Duration {
                var lengths: [Duration] = []
                for index in 0..<21 {
                    let began = ContinuousClock.now
                    try work(index)
                    lengths.append(ContinuousClock.now - began)
                }
                return median(lengths)
            }
            let enqueuing = try time { _ = try turnstile.enqueue([ask(100_000 + $0)]) }
            let peeking = try time { _ in _ = try turnstile.peek(worker: "one") }
            let granting = try time { _ in
                clock.advance(.seconds(3610))
                _ = try turnstile.turn(worker: "one")
            }
            let denying = try time { _ in _ = try turnstile.turn(worker: "one") }
            let looking = try time { _ = try turnstile.states(of: ["key \($0 + 5)"]) }
            let counting = try time { _ in _ = try turnstile.changeCounter() }
            print("\(length) queued: turn \(granting), denied \(denying), peek \(peeking), enqueue \(enqueuing),",
                "state \(looking), change counter \(counting) (medians)")
        }
    }
}
