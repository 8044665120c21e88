import Foundation
import Synchronization
import Testing

@testable import Caching

@Suite("Copies that nobody waits for") struct BackfillTests {
    private func item(_ key: String, bytes count: Int = 1) -> Backfill.Item {
        Backfill.Item(
            key: bytes(key), entry: Entry(value: [UInt8](repeating: 0, count: count), version: 1, storedAt: 0, expiresAt: 0), copyEpoch: 0)
    }

    @Test("what is added while the store is told travels together, in order, and nothing twice")
    func together() throws {
        let backfill = Backfill()
        defer { backfill.close() }
        let told = Mutex<[[String]]>([])
        let gate = DispatchSemaphore(value: 0)
        backfill.start { items in
            told.withLock { $0.append(items.map { String(decoding: $0.key, as: UTF8.self) }) }
            gate.wait()
        }
        backfill.add(item("a"))
        try wait(for: "the first") { told.withLock { $0.count } == 1 }
        for key in ["b", "c", "d"] { backfill.add(item(key)) }
        gate.signal()
        gate.signal()
        backfill.drain()
        #expect(told.withLock { $0 } == [["a"], ["b", "c", "d"]])
    }

    @Test("what does not fit is left out, whoever adds it waits for nothing")
    func bounded() throws {
        let backfill = Backfill()
        defer { backfill.close() }
        for number in 0..<10 { backfill.add(item("\(number)", bytes: 1 << 20)) }
        let count = Atomic(0)
        backfill.start { count.add($0.count, ordering: .relaxed) }
        backfill.drain()
        #expect(count.load(ordering: .relaxed) == 4)
        backfill.add(item("again"))
        backfill.drain()
        #expect(count.load(ordering: .relaxed) == 5)
    }

    @Test("a hit that the store lacked is there for the next, and the one that asked has not waited for that")
    func next() throws {
        let house = try Household()
        let worker = try house.worker()
        try worker.put(.spotify, bytes("k"), bytes("v"))
        _ = worker.removeCopies(.spotify, [bytes("k")])
        #expect(try look(worker, .spotify, bytes("k"))?.tier == .sqlite)
        #expect(try look(worker, .spotify, bytes("k"))?.tier == .dragonfly)
    }
}
