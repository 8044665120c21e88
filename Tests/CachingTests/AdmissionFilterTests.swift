import Testing

@testable import Caching

@Suite("What was asked for lately") struct AdmissionFilterTests {
    @Test("a key is repeated when it comes again within its seconds, and new when it comes later")
    func repeated() {
        let asked = AdmissionFilter(span: .nanoseconds(100))
        #expect(!asked.isRepeated(7 << 32, now: 0))
        #expect(asked.isRepeated(7 << 32, now: 99))
        #expect(asked.isRepeated(7 << 32, now: 199))
        #expect(!asked.isRepeated(7 << 32, now: 400))
        #expect(asked.isRepeated(7 << 32, now: 401))
    }

    @Test("keys that share a place push each other out, and are never taken for each other")
    func shared() {
        let asked = AdmissionFilter(span: .nanoseconds(100))
        let (one, other): (UInt64, UInt64) = (1 << 40, 2 << 40)
        #expect(!asked.isRepeated(one, now: 0))
        #expect(!asked.isRepeated(other, now: 0))
        #expect(!asked.isRepeated(one, now: 0))
        #expect(!asked.isRepeated(1 << 16, now: 0))
        #expect(asked.isRepeated(one, now: 0))
    }
}
