/// The failures of one address within the last minute.
struct FailureTally: Equatable {
    /// ms since 1970, oldest first.
    private(set) var failedAt: [Int64]

    static let most = 10
    static let window: Int64 = 60_000

    init(stored: [UInt8]?) {
        failedAt = String(decoding: stored ?? [], as: UTF8.self).split(separator: ",").compactMap { Int64($0) }.sorted()
    }

    var stored: [UInt8] { Array(failedAt.map(String.init).joined(separator: ",").utf8) }

    /// Whole seconds until another try is admitted; nil if it is now.
    func wait(now: Int64) -> Int? {
        let recent = recent(now)
        guard recent.count >= Self.most else { return nil }
        let freeAt = recent[recent.count - Self.most] + Self.window
        return Int(max(1, (freeAt - now + 999) / 1000))
    }

    /// A try counts as failed from its beginning, so that many at once cannot all slip in.
    func adding(_ now: Int64) -> FailureTally {
        var tally = self
        tally.failedAt = Array((recent(now) + [now]).suffix(Self.most))
        return tally
    }

    /// Takes one try back that turned out right.
    func removing(_ instant: Int64) -> FailureTally {
        var tally = self
        if let place = tally.failedAt.lastIndex(of: instant) { tally.failedAt.remove(at: place) }
        return tally
    }

    /// Those of the last minute. One in the future is of a clock that was set back and is dropped.
    private func recent(_ now: Int64) -> [Int64] { failedAt.filter { $0 > now - Self.window && $0 <= now } }
}
