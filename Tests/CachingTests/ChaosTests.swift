import Foundation
import Glibc
import Platform
import Synchronization
import Testing

@testable import Caching

/// What has been acknowledged of one key.
final class Acknowledged: Sendable {
    let version = Atomic<Int64>(0)

    func note(_ new: Int64) {
        var old = version.load(ordering: .sequentiallyConsistent)
        while old < new {
            let (exchanged, original) = version.compareExchange(
                expected: old, desired: new, ordering: .sequentiallyConsistent)
            if exchanged { return }
            old = original
        }
    }
}

/// Counts of one run, and what went wrong.
final class Chaos: Sendable {
    let reads = Atomic<Int>(0), writes = Atomic<Int>(0), slow = Atomic<Int>(0), fromStore = Atomic<Int>(0)
    let isOver = Atomic<Bool>(false)
    let faults = Mutex<[String]>([])
    private let latest = Locked(Duration.zero)

    /// How long the machine has held up a thread at most that only sleeps.
    var heldUp: Duration { latest.withLock { $0 } }

    func feelPulse() {
        while !isOver.load(ordering: .relaxed) {
            let begin = SystemClock().monotonic
            usleep(5000)
            let late = SystemClock().monotonic - begin - .milliseconds(5)
            latest.withLock { $0 = max($0, late) }
        }
    }

    func fault(_ text: String) { faults.withLock { $0.append(text) } }
}

@Suite("Under a steady load, whatever happens to DragonflyDB", .enabled(if: RedisServer.isInstalled), .serialized)
struct ChaosTests {
    private static let keys = 8
    private static let timeout = Duration.milliseconds(250)

    @Test("no read returns anything older than the last acknowledged write, and none fails or waits long")
    func chaos() throws {
        let house = try Household(["--dbfilename", "dump.rdb"], timeout: Self.timeout)
        let workers = try (0..<3).map { _ in try house.worker(memory: .seconds(3)) }
        let chaos = Chaos()
        let caches: [CacheName] = [.spotify, .session]
        let acknowledged = caches.map { _ in (0..<Self.keys).map { _ in Acknowledged() } }
        let threads = DispatchGroup()
        Thread { chaos.feelPulse() }.start()
        for (number, worker) in workers.enumerated() {
            for (index, cache) in caches.enumerated() {
                for isWriter in [true, false] {
                    threads.enter()
                    Thread {
                        Self.work(worker, cache, acknowledged[index], chaos, isWriter: isWriter, name: "\(number)")
                        threads.leave()
                    }.start()
                }
            }
        }
        try disturb(house)
        chaos.isOver.store(true, ordering: .sequentiallyConsistent)
        threads.wait()
        let faults = chaos.faults.withLock { $0 }
        let count = faults.count
        #expect(count == 0, "\(faults.prefix(5))")
        #expect(chaos.slow.load(ordering: .relaxed) == 0)
        #expect(chaos.fromStore.load(ordering: .relaxed) > 100)
        print(
            "chaos: \(chaos.reads.load(ordering: .relaxed)) reads, \(chaos.writes.load(ordering: .relaxed)) writes, \(chaos.fromStore.load(ordering: .relaxed)) from the store"
        )
    }

    private func disturb(_ house: Household) throws {
        usleep(700_000)
        house.server.command("SAVE")
        usleep(300_000)
        house.server.kill()
        usleep(300_000)
        try house.server.start()
        usleep(1_500_000)
        house.server.freeze()
        usleep(1_500_000)
        house.server.thaw()
        usleep(1_500_000)
        house.server.kill()
        unlink(house.server.folder.file("dump.rdb"))
        try house.server.start()
        usleep(1_500_000)
        house.server.command("FLUSHALL")
        usleep(200_000)
    }

    private static func work(
        _ worker: Caches, _ cache: CacheName, _ keys: [Acknowledged], _ chaos: Chaos, isWriter: Bool, name: String
    ) {
        var random = SystemRandomNumberGenerator()
        while !chaos.isOver.load(ordering: .relaxed) {
            let index = Int.random(in: 0..<keys.count, using: &random)
            let key = bytes("chaos/\(index)")
            let begin = SystemClock().monotonic
            do {
                if isWriter {
                    let entry = try worker.put(cache, key, bytes(name))
                    keys[index].note(entry.version)
                    chaos.writes.add(1, ordering: .relaxed)
                } else {
                    let last = keys[index].version.load(ordering: .sequentiallyConsistent)
                    let found = try look(worker, cache, key)
                    if found?.entry.version ?? 0 < last {
                        chaos.fault(
                            "\(cache) \(index): \(found?.entry.version ?? 0) from \(found.map { "\($0.tier)" } ?? "nowhere") after \(last)")
                    }
                    if found?.tier == .dragonfly { chaos.fromStore.add(1, ordering: .relaxed) }
                    chaos.reads.add(1, ordering: .relaxed)
                }
            } catch {
                chaos.fault("\(cache) \(isWriter ? "write" : "read"): \(error)")
            }
            // Beyond twice the deadline, for a write what it may wait for others, and what this busy machine adds.
            let longest = timeout * 2 + (isWriter ? .milliseconds(1500) : .zero) + .milliseconds(500)
            if SystemClock().monotonic - begin > longest + chaos.heldUp { chaos.slow.add(1, ordering: .relaxed) }
            usleep(isWriter ? 3000 : 200)
        }
    }
}
