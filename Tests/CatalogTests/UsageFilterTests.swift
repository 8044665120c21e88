import Platform
import Testing

@testable import Catalog

@Suite struct UsageFilterTests {
    private let key = Array("catalog:track/11dFghVXANMlKmJXsNCbNl".utf8)

    @Test("A use is news once in a 24th of the ttl")
    func once() {
        let uses = UsageFilter(ttl: .seconds(12 * 3600))
        func isNews(minute: UInt64) -> Bool { uses.isNews(key, now: MonotonicTime(nanoseconds: minute * 60_000_000_000)) }
        #expect(isNews(minute: 0))
        #expect(!isNews(minute: 29))
        #expect(isNews(minute: 30))
        #expect(!isNews(minute: 59))
    }

    @Test("Each of many records is news at first, and hardly any a second time")
    func many() {
        let uses = UsageFilter(ttl: .seconds(12 * 3600))
        let keys = (0..<32_000).map { Array("catalog:track/\($0)".utf8) }
        #expect(keys.allSatisfy { uses.isNews($0, now: MonotonicTime(nanoseconds: 1)) })
        #expect(keys.count { uses.isNews($0, now: MonotonicTime(nanoseconds: 2)) } < 3200)
    }
}
