import Testing

@testable import Catalog

@Suite struct UsageFilterTests {
    private let key = Array("catalog:track/11dFghVXANMlKmJXsNCbNl".utf8)

    @Test("A use is news once in a 24th of the ttl")
    func once() {
        let uses = UsageFilter(ttl: .seconds(12 * 3600))
        let minute: UInt64 = 60_000_000_000
        #expect(uses.isNews(key, now: 0))
        #expect(!uses.isNews(key, now: 29 * minute))
        #expect(uses.isNews(key, now: 30 * minute))
        #expect(!uses.isNews(key, now: 59 * minute))
    }

    @Test("Each of many records is news at first, and hardly any a second time")
    func many() {
        let uses = UsageFilter(ttl: .seconds(12 * 3600))
        let keys = (0..<32_000).map { Array("catalog:track/\($0)".utf8) }
        #expect(keys.allSatisfy { uses.isNews($0, now: 1) })
        #expect(keys.count { uses.isNews($0, now: 2) } < 3200)
    }
}
