import Glibc
import JSON
import Platform

/// How it went in the last 25 hours, by the minute, and in the last 32 days, by the hour: what the pictures of the status page are drawn from.
///
/// A file of fixed length (`history.shared` in the data folder) that outlives restarts. It has a sample for each step, with sums since
/// `figures.shared` was made and with how things stood; two rings hold them, so the oldest makes way for the newest. One worker writes: who holds the
/// lock on a byte of the file, which goes with the process. It looks every ten seconds, on a plain thread; nothing on the way of a hit knows of this.
final class StatusHistory: Sendable {
    /// What a sample has. Its place in the file is for good: a new one goes to the end.
    enum Figure: Int, CaseIterable {
        // Sums.
        case memory, dragonfly, sqlite, stored, collapsed, unanswered, failed, answered, calls, waits, waitMicroseconds,
            timed, timedMicroseconds
        // How it stood at the latest look of the step.
        case callsInWindow, budget, callMicroseconds, records, recordBytes, residentBytes, workers
        // The most that was seen in the step.
        case coolingDown, queued, parked

        var isSum: Bool { rawValue <= Figure.timedMicroseconds.rawValue }
        var isMost: Bool { rawValue >= Figure.coolingDown.rawValue }
    }

    /// The figures of one look, or of one step.
    struct Sample: Sendable, Equatable {
        var values = [UInt64](repeating: 0, count: Figure.allCases.count)

        subscript(figure: Figure) -> UInt64 {
            get { values[figure.rawValue] }
            set { values[figure.rawValue] = newValue }
        }
    }

    /// A ring of samples, a step apart.
    struct Ring: Sendable {
        /// Milliseconds.
        let step: Int64
        let samples: Int
        fileprivate let start: Int

        func index(_ now: Int64) -> Int64 { max(0, now) / step }
        fileprivate func offset(_ index: Int64) -> Int { start + Int(index % Int64(samples)) * StatusHistory.sampleBytes }
        fileprivate var end: Int { start + samples * StatusHistory.sampleBytes }
    }

    static let minutes = Ring(step: 60_000, samples: 1500, start: 4096)
    static let hours = Ring(step: 3_600_000, samples: 768, start: minutes.end)
    /// Bytes of the file.
    static let length = hours.end

    private static let layout: UInt64 = 0x5347_4849_5354_0001
    /// A word for the step's number plus one, then the figures, and room for more.
    private static let sampleBytes = 32 * 8
    private static let writerLock: Int64 = 16
    private let memory: SharedMemory

    init(path: String) {
        memory = SharedMemory(path: path, length: Self.length, layout: Self.layout, permissions: 0o640, lockByte: 0)
    }

    /// Makes the file anew where it was cut or removed; what was in it is gone then. About once a second. Whether it did.
    func mend() -> Bool { memory.mend() }

    // MARK: Writing

    /// Whether this process is the one that writes. Costs a system call.
    func isWriter() -> Bool { memory.isShared ? memory.file?.lock(Self.writerLock).tryLock() ?? false : true }

    /// Writes down a look. For the writer alone.
    /// - Parameter now: wall-clock milliseconds.
    func note(_ look: Sample, now: Int64) {
        for ring in [Self.minutes, Self.hours] {
            let index = ring.index(now)
            if last(in: ring, before: index + 1) == nil {
                // Nothing to be compared with: what was counted before is nobody's step.
                var before = Sample()
                for figure in Figure.allCases where figure.isSum { before[figure] = look[figure] }
                write(before, index - 1, ring)
            }
            var sample = look
            if let earlier = read(index, ring) {
                for figure in Figure.allCases where figure.isMost { sample[figure] = max(look[figure], earlier[figure]) }
            }
            write(sample, index, ring)
        }
    }

    private func write(_ sample: Sample, _ index: Int64, _ ring: Ring) {
        let offset = ring.offset(index)
        // Who reads meanwhile takes it for none.
        memory.store64(0, at: offset)
        for (place, value) in sample.values.enumerated() { memory.store64(value, at: offset + 8 + place * 8) }
        memory.store64(UInt64(index) + 1, at: offset)
    }

    // MARK: Reading

    private func read(_ index: Int64, _ ring: Ring) -> Sample? {
        let offset = ring.offset(index)
        let mark = UInt64(index) + 1
        guard index >= 0, memory.load64(at: offset) == mark else { return nil }
        var sample = Sample()
        for place in sample.values.indices { sample.values[place] = memory.load64(at: offset + 8 + place * 8) }
        return memory.load64(at: offset) == mark ? sample : nil
    }

    private func last(in ring: Ring, before index: Int64) -> Sample? {
        for back in 1..<Int64(ring.samples) { if let sample = read(index - back, ring) { return sample } }
        return nil
    }

    /// The steps of a ring up to now, oldest first, put together in groups: what was counted in each, how it stood at its end, the most that was
    /// seen. nil where the program did not run.
    /// - Parameters:
    ///   - count: groups.
    ///   - grouped: steps in each.
    func steps(_ ring: Ring, _ count: Int, grouped: Int, now: Int64) -> [Sample?] {
        let end = ring.index(now)
        let start = end - Int64(count * grouped) + 1
        var before = last(in: ring, before: start)
        var groups = [Sample?](repeating: nil, count: count)
        for place in 0..<(count * grouped) {
            guard let here = read(start + Int64(place), ring) else { continue }
            defer { before = here }
            // The sample that is there for comparison alone.
            guard here[.workers] > 0 else { continue }
            var group = groups[place / grouped] ?? Sample()
            for figure in Figure.allCases {
                if figure.isSum {
                    group[figure] &+= Self.difference(here[figure], before?[figure])
                } else {
                    group[figure] = figure.isMost ? max(group[figure], here[figure]) : here[figure]
                }
            }
            groups[place / grouped] = group
        }
        return groups
    }

    /// Sums that have become less were begun anew.
    private static func difference(_ sum: UInt64, _ before: UInt64?) -> UInt64 {
        guard let before else { return 0 }
        return sum >= before ? sum - before : sum
    }
}

/// How far back a picture goes.
enum HistorySpan: String, CaseIterable, Sendable {
    case hour, day, month

    private var shape: (ring: StatusHistory.Ring, count: Int, grouped: Int) {
        switch self {
        case .hour: (StatusHistory.minutes, 60, 1)
        case .day: (StatusHistory.minutes, 144, 10)
        case .month: (StatusHistory.hours, 186, 4)
        }
    }

    /// `/swingmusic-fcgi/history.json`: an array for each figure, oldest first, null where the program did not run.
    func json(_ history: StatusHistory, now: Int64) -> JSONValue {
        let (ring, count, grouped) = shape
        let steps = history.steps(ring, count, grouped: grouped, now: now)
        let step = ring.step * Int64(grouped)
        func all(_ value: (StatusHistory.Sample) -> JSONValue) -> JSONValue { .array(steps.map { $0.map(value) ?? .null }) }
        let plain = StatusHistory.Figure.allCases.filter {
            ![.waits, .waitMicroseconds, .timed, .timedMicroseconds, .callMicroseconds, .coolingDown].contains($0)
        }
        let figures = plain.map { figure in JSONMember("\(figure)", all { .integer($0[figure]) }) }
        return [
            "span": .string(rawValue), "step": .integer(step), "now": .integer(now),
            "figures": .object(
                figures + [
                    JSONMember("coolingDown", all { .bool($0[.coolingDown] > 0) }),
                    // Milliseconds; null where nobody waited, or nobody asked.
                    JSONMember("wait", all { $0[.waits] == 0 ? .null : .integer($0[.waitMicroseconds] / $0[.waits] / 1000) }),
                    JSONMember("answerTime", all { $0[.timed] == 0 ? .null : .double(Double($0[.timedMicroseconds] / $0[.timed]) / 1000) }),
                    JSONMember("callTime", all { .integer($0[.callMicroseconds] / 1000) }),
                ]),
        ]
    }
}
