import Foundation
import JSON
import Testing

@testable import Gateway

@Suite struct StatusHistoryTests {
    private let path = NSTemporaryDirectory() + "history-\(UUID().uuidString)"
    /// A minute's and an hour's beginning.
    private let start: Int64 = 1_795_636_800_000

    private func look(hits: UInt64, records: UInt64 = 0, queued: UInt64 = 0) -> StatusHistory.Sample {
        var sample = StatusHistory.Sample()
        (sample[.memory], sample[.records], sample[.queued], sample[.workers]) = (hits, records, queued, 2)
        return sample
    }

    private func figures(_ history: StatusHistory, _ span: HistorySpan, _ name: String, now: Int64) -> [Int64?] {
        (span.json(history, now: now)["figures"]?[name]?.items ?? []).map(\.integer)
    }

    @Test("What was counted stands in the minute in which it was, and nothing before the first look is anybody's")
    func minutes() {
        defer { unlink(path) }
        let history = StatusHistory(path: path)
        history.note(look(hits: 1_000_000, queued: 7), now: start + 10_000)
        history.note(look(hits: 1_000_005, queued: 2), now: start + 50_000)
        history.note(look(hits: 1_000_105, records: 3), now: start + 60_000)
        let hits = figures(history, .hour, "memory", now: start + 70_000)
        #expect(hits.count == 60)
        #expect(hits.suffix(3) == [nil, 5, 100])
        #expect(figures(history, .hour, "queued", now: start + 70_000).suffix(2) == [7, 0])
        #expect(figures(history, .hour, "records", now: start + 70_000).suffix(2) == [0, 3])
        #expect(figures(history, .month, "memory", now: start + 70_000).last == 105)
    }

    @Test("It outlives a restart; what was counted in between belongs to the first minute after, and a minute without the program is none")
    func restart() {
        defer { unlink(path) }
        StatusHistory(path: path).note(look(hits: 10), now: start)
        StatusHistory(path: path).note(look(hits: 15), now: start + 180_000)
        let history = StatusHistory(path: path)
        #expect(figures(history, .hour, "memory", now: start + 180_000).suffix(4) == [0, nil, nil, 5])
        // The counters were begun anew.
        history.note(look(hits: 4), now: start + 240_000)
        #expect(figures(history, .hour, "memory", now: start + 240_000).last == 4)
    }

    @Test("A month by the hour and a day by the minute are under 2 MB, whatever comes")
    func bounded() throws {
        defer { unlink(path) }
        let history = StatusHistory(path: path)
        let minutes: Int64 = 33 * 24 * 60
        for minute in 0...minutes { history.note(look(hits: UInt64(minute) * 60), now: start + minute * 60_000) }
        let now = start + minutes * 60_000
        let size = try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
        #expect(size == StatusHistory.length && size < 2_000_000)
        #expect(figures(history, .hour, "memory", now: now) == Array(repeating: 60, count: 60))
        #expect(figures(history, .day, "memory", now: now).dropLast() == Array(repeating: 600, count: 143)[...])
        // The last group is not over yet.
        #expect(figures(history, .month, "memory", now: now).dropLast() == Array(repeating: 14_400, count: 185)[...])
        #expect(figures(history, .month, "memory", now: now + 86_400_000).suffix(6).allSatisfy { $0 == nil })
    }

    @Test("One process writes, and another takes over when that one ends")
    func writer() {
        defer { unlink(path) }
        var first: StatusHistory? = StatusHistory(path: path)
        let second = StatusHistory(path: path)
        #expect(first?.isWriter() == true && second.isWriter() == false)
        first = nil
        #expect(second.isWriter())
    }

    @Test("Nobody waited, and nobody cools down: no time, and no mark")
    func waiting() throws {
        defer { unlink(path) }
        let history = StatusHistory(path: path)
        history.note(look(hits: 0), now: start)
        var late = look(hits: 0)
        (late[.waits], late[.waitMicroseconds], late[.coolingDown]) = (4, 6_000_000, 1)
        history.note(late, now: start + 60_000)
        #expect(figures(history, .hour, "wait", now: start + 60_000).suffix(2) == [nil, 1500])
        let marks = HistorySpan.hour.json(history, now: start + 60_000)["figures"]?["coolingDown"]?.items?.suffix(3) ?? []
        #expect(marks.map(\.bool) == [nil, false, true])
    }
}
