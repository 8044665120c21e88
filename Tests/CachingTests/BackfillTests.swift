import Foundation
import Platform
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
        let told = Locked<[[String]]>([])
        let gate = DispatchSemaphore(value: 0)
        func add(_ key: String) {
            backfill.add(item(key)) { items in
                told.withLock { $0.append(items.map { String(decoding: $0.key, as: UTF8.self) }) }
                gate.wait()
            }
        }
        add("a")
        try wait(for: "the first") { told.withLock { $0.count } == 1 }
        for key in ["b", "c", "d"] { add(key) }
        gate.signal()
        gate.signal()
        backfill.drain()
        #expect(told.withLock { $0 } == [["a"], ["b", "c", "d"]])
    }

    @Test("what does not fit is left out, whoever adds it waits for nothing")
    func bounded() throws {
        let backfill = Backfill()
        defer { backfill.close() }
        let count = Locked(0)
        let gate = DispatchSemaphore(value: 0)
        func add(_ key: String, bytes: Int) {
            backfill.add(item(key, bytes: bytes)) { items in
                count.withLock { $0 += items.count }
                gate.wait()
            }
        }
        add("first", bytes: 1)
        try wait(for: "the first") { count.withLock { $0 } == 1 }
        for number in 0..<10 { add("\(number)", bytes: 1 << 20) }
        for _ in 0..<3 { gate.signal() }
        backfill.drain()
        #expect(count.withLock { $0 } == 1 + 4)
        add("again", bytes: 1)
        backfill.drain()
        #expect(count.withLock { $0 } == 1 + 4 + 1)
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
