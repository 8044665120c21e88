import Caching
import Platform
import Testing

@testable import Catalog

@Suite struct UsageLogTests {
    let house: House
    let caches: Caches
    let clock = ManualClock()

    init() throws {
        house = try House()
        caches = house.caches
        for number in 0..<1200 { try caches.put(.spotify, key(number), [1]) }
    }

    private func key(_ number: Int) -> [UInt8] { Array("use/\(number)".utf8) }
    private func noted() throws -> Int { try caches.due(before: .max, usedSince: 1, prefix: Array("use/".utf8), limit: 10_000).count }

    private func uses(_ numbers: Range<Int>) -> PendingUses {
        var uses = PendingUses()
        for number in numbers { uses.add(key(number)) }
        return uses
    }

    @Test("Many uses are written in few transactions, seldom, and none is lost")
    func many() throws {
        var notes = UsageLog(caches: caches, tolerance: .zero, apart: .seconds(21_600), clock: clock)
        #expect(notes.next == nil)
        notes.add(uses(0..<1200))
        var written: [(at: MonotonicTime, count: Int)] = []
        while let next = notes.next {
            clock.advance(max(.zero, next - clock.monotonic))
            notes.step()
            let count = try noted()
            if count != written.last?.count ?? 0 { written.append((clock.monotonic, count)) }
        }
        #expect(written.map(\.count) == [500, 1000, 1200])
        for (earlier, later) in zip(written, written.dropFirst()) { #expect(later.at >= earlier.at + UsageLog.writePause) }
    }

    @Test("A single use is written at the second step, a key without a record not at all")
    func few() throws {
        var notes = UsageLog(caches: caches, tolerance: .zero, apart: .seconds(21_600), clock: clock)
        notes.add(uses(1199..<1201))
        notes.step()
        #expect(try noted() == 0)
        clock.advance(UsageLog.pause - .nanoseconds(1))
        notes.step()
        #expect(try noted() == 0)
        clock.advance(.nanoseconds(1))
        notes.step()
        #expect(try noted() == 1)
        #expect(notes.next == nil)
    }
}
