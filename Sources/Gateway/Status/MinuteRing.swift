import CSystem

/// The sum of answers at the last look in each of the latest minutes: what the picture of the last hour is drawn from. Any worker
/// writes it once a second; minute and sum stand in one word, so that no reader sees the half of it.
extension FiguresPage {
    private static let minutes = 64
    private static let sumBits: UInt64 = 38

    /// Gives the first minute of a run something to be compared with.
    func begin(now: Int64) {
        let before = max(0, now) - 60_000
        let word = csys_load64(start + Offset.minutes + Int(max(0, before) / 60_000) % Self.minutes * 8)
        if word >> Self.sumBits != UInt64(max(0, before) / 60_000) { sample(now: before) }
    }

    /// Notes the sum under the minute that `now` (wall-clock milliseconds) is in.
    func sample(now: Int64 = csys_wall_ms()) {
        let minute = UInt64(max(0, now) / 60_000)
        let word = minute << Self.sumBits | sum.answered & (1 << Self.sumBits - 1)
        csys_store64(start + Offset.minutes + Int(minute) % Self.minutes * 8, word)
    }

    /// Answers in each of the last 60 minutes, oldest first; the last is the one under way.
    func answersByMinute(now: Int64 = csys_wall_ms()) -> [Int] {
        let current = UInt64(max(0, now) / 60_000)
        var sums: [UInt64: UInt64] = [:]
        for place in 0..<Self.minutes {
            let word = csys_load64(start + Offset.minutes + place * 8)
            sums[word >> Self.sumBits] = word & (1 << Self.sumBits - 1)
        }
        sums[current] = sum.answered
        var before: UInt64?
        return ((current &- UInt64(Self.minutes) + 1)...current).map { minute -> Int in
            // A minute without a running program has no sum: nothing was answered.
            guard let here = sums[minute] else { return 0 }
            defer { before = here }
            guard let before, here >= before else { return 0 }
            return Int(here - before)
        }.suffix(60)
    }
}
