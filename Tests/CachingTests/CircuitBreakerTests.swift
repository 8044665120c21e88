import Platform
import Testing

@testable import Caching

@Suite("The circuit breaker decides from what it is told")
struct CircuitBreakerTests {
    @Test("it begins open, closes at the first probe, opens at the first fault and says each once")
    func story() {
        var breaker = CircuitBreaker(now: 0)
        #expect(breaker.isOpen)
        #expect(breaker.close(now: 10) == .recovered)
        #expect(breaker.trip(.silent, batch: breaker.batch, now: 20) == .fault(.silent))
        #expect(breaker.isOpen && breaker.since == 20)
        #expect(breaker.trip(.silent, batch: breaker.batch, now: 30) == nil)
        #expect(breaker.trip(.loading, batch: breaker.batch, now: 40) == .fault(.loading))
        #expect(breaker.close(now: 50) == .recovered)
        #expect(!breaker.isOpen && breaker.since == 50)
    }

    @Test("a connection of an earlier batch is no news")
    func earlierBatch() {
        var breaker = CircuitBreaker(now: 0)
        _ = breaker.close(now: 0)
        let old = breaker.batch
        _ = breaker.trip(.silent, batch: old, now: 1)
        _ = breaker.close(now: 2)
        #expect(breaker.trip(.unreachable("reset"), batch: old, now: 3) == nil)
        #expect(!breaker.isOpen)
    }

    @Test("one that comes and goes with the same fault is said once a minute")
    func flapping() {
        var breaker = CircuitBreaker(now: 0)
        _ = breaker.close(now: 0)
        #expect(breaker.trip(.silent, batch: breaker.batch, now: 1000) != nil)
        #expect(breaker.close(now: 2000) == .recovered)
        #expect(breaker.trip(.silent, batch: breaker.batch, now: 3000) == nil)
        #expect(breaker.close(now: 4000) == nil)
        #expect(breaker.trip(.silent, batch: breaker.batch, now: 62_000) != nil)
    }

    @Test("copies that are refused are offered again after a second")
    func refusal() {
        var breaker = CircuitBreaker(now: 0)
        #expect(breaker.refused("OOM", now: 100) == .refusesWrites("OOM"))
        #expect(breaker.refused("OOM", now: 200) == nil)
        #expect(!breaker.mayWrite(now: 1199))
        #expect(breaker.mayWrite(now: 1200))
        #expect(breaker.accepted() == .takesWrites)
        #expect(breaker.accepted() == nil)
        #expect(breaker.mayWrite(now: 0))
    }
}

@Suite("Small decisions")
struct DecisionTests {
    @Test("a copy stays in the store for the time that is left, and never forever")
    func copyLifetime() {
        func length(_ cache: CacheName, _ expiresAt: Int64) -> Int64? {
            CopyLifetime.milliseconds(cache, expiresAt: expiresAt, now: 1000, standard: .seconds(60))
        }
        #expect(length(.session, 3500) == 2500)
        #expect(length(.session, 1000) == nil)
        #expect(length(.spotify, 900) == 60_000)
        #expect(length(.spotify, 3500) == 2500)
        #expect(length(.user, .max) == 60_000)
        #expect(length(.user, .max - 1) == CopyLifetime.longest)
    }

    @Test("a copy is read back as it was written, and nothing else is taken for one")
    func copy() {
        let copy = StoredCopy(
            entry: Entry(value: bytes("value"), version: 7, storedAt: 8, expiresAt: .max), epoch: -9, copyEpoch: 10, key: 11)
        var written: [UInt8] = []
        copy.append(to: &written)
        #expect(written.count == copy.size)
        #expect(written.withUnsafeBytes { StoredCopy($0) } == copy)
        for length in 0..<written.count { #expect(written[..<length].withUnsafeBytes { StoredCopy($0) } == nil) }
        for place in written.indices {
            var changed = written
            changed[place] ^= 1 << UInt8(place % 8)
            #expect(changed.withUnsafeBytes { StoredCopy($0) } == nil, "byte \(place)")
        }
        written.append(0)
        #expect(written.withUnsafeBytes { StoredCopy($0) } == nil)
        // Two changes that could undo each other.
        let words = (0..<4096).map { UInt8(truncatingIfNeeded: $0 * 7) }
        let sum = words.withUnsafeBytes { KeyHash.checksum($0, seed: 1) }
        for (first, second) in [(7, 15), (7, 39), (7, 71), (7, 4095), (0, 32), (0, 64), (39, 71)] {
            var changed = words
            for place in [first, second] { changed[place] ^= 0x80 }
            #expect(changed.withUnsafeBytes { KeyHash.checksum($0, seed: 1) } != sum)
            changed = words
            for offset in 0..<8 { changed.swapAt(first & ~7 + offset, second & ~7 + offset) }
            #expect(changed.withUnsafeBytes { KeyHash.checksum($0, seed: 1) } != sum)
        }
        #expect([UInt8](repeating: 0, count: 60).withUnsafeBytes { StoredCopy($0) } == nil)
    }

    @Test("a copy is served unasked only for spotify, in this era, of this file, over a page that is shared")
    func trust() {
        let copy = StoredCopy(entry: Entry(value: [], version: 1, storedAt: 1, expiresAt: 2), epoch: 5, copyEpoch: 6, key: 0)
        func verdict(_ cache: CacheName, epoch: Int64 = 5, copyEpoch: UInt64 = 6, isShared: Bool = true) -> CopyValidity.Verdict {
            CopyValidity.verdict(copy, of: cache, epoch: epoch, copyEpoch: copyEpoch, isShared: isShared)
        }
        #expect(verdict(.spotify) == .served)
        #expect(verdict(.spotify, copyEpoch: 7) == .doubtful)
        #expect(verdict(.spotify, isShared: false) == .doubtful)
        #expect(verdict(.spotify, epoch: 4) == .useless)
        #expect(verdict(.session) == .doubtful)
        #expect(CopyValidity.verdict(nil, of: .spotify, epoch: 5, copyEpoch: 6, isShared: true) == .useless)
    }

    @Test("the end of a prefix's keys")
    func prefixes() {
        #expect(Namespace.end(of: bytes("ab")) == bytes("ac"))
        #expect(Namespace.end(of: [1, 0xFF, 0xFF]) == [2])
        #expect(Namespace.end(of: [0xFF]) == nil)
        #expect(Namespace.end(of: []) == nil)
        #expect(Namespace.of(bytes("a/b/c")) == bytes("a"))
        #expect(Namespace.named(by: bytes("a/")) == bytes("a"))
        #expect(Namespace.named(by: bytes("a/b")) == nil)
    }

    @Test("the log is carried over when it is large, or once a minute, and not again at once when readers prevented it")
    func checkpointPlan() {
        var plan = CheckpointPlan()
        func at(_ seconds: UInt64) -> MonotonicTime { MonotonicTime(nanoseconds: seconds * 1_000_000_000) }
        #expect(!plan.isDue(size: 0, now: at(1)))
        #expect(plan.isDue(size: 1, now: at(1)))
        plan.note(isDone: true, now: at(1))
        #expect(!plan.isDue(size: 1, now: at(60)))
        #expect(plan.isDue(size: CheckpointPlan.large + 1, now: at(2)))
        plan.note(isDone: false, now: at(2))
        #expect(!plan.isDue(size: CheckpointPlan.large + 1, now: at(6)))
        #expect(plan.isDue(size: 1, now: at(7)))
    }

    @Test("memory stays within its bytes, the oldest go first")
    func memoryBound() throws {
        let folder = TemporaryFolder()
        let shared = try SharedState(path: folder.file("page"))
        let memory = MemoryStore(bytes: 160_000, lifetime: .seconds(1), shared: shared)
        for number in 0..<1000 {
            let key = memory.key(bytes("key \(number)"))
            let entry = Entry(value: [UInt8](repeating: 1, count: 800), version: 1, storedAt: 0, expiresAt: 1)
            memory.put(key, entry, invalidations: shared.invalidations(key.hash), now: 0)
        }
        #expect(memory.bytes <= 160_000)
        #expect(memory.count > 50)
        #expect(memory.find(memory.key(bytes("key 999")), now: 1) != nil)
        #expect(memory.find(memory.key(bytes("key 0")), now: 1) == nil)
        memory.purge(now: 1_000_000_000)
        #expect(memory.count == 0 && memory.bytes == 0)
    }
}
