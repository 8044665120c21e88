import Testing

@testable import Catalog

@Suite struct PendingUsesTests {
    @Test("A record that is served again and again stands there once")
    func once() {
        var uses = PendingUses()
        for number in 0..<1000 { uses.add([UInt8(number % 10)]) }
        var more = PendingUses()
        more.add([9])
        more.add([10])
        uses.add(more)
        #expect(uses.count == 11)
        #expect(Set(uses.take(4) + uses.take(100)) == Set((0...10).map { [UInt8($0)] }))
        #expect(uses.isEmpty && uses.take(1).isEmpty)
    }

    @Test("What there is no room for is forgotten, and there is room again when some were taken")
    func bounded() {
        var uses = PendingUses()
        for number in 0..<(2 * PendingUses.most) { uses.add(Array("\(number)".utf8)) }
        #expect(uses.count == PendingUses.most)
        #expect(uses.take(50).count == 50)
        uses.add([1])
        #expect(uses.count == PendingUses.most - 49)
    }
}
