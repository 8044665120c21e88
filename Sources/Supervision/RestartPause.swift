/// From start to end of one worker, in nanoseconds of CLOCK_MONOTONIC.
struct Life: Sendable, Equatable {
    var startedAt: UInt64
    var endedAt: UInt64
}

/// How long to wait before a worker is started again.
///
/// One that lived for a while is replaced at once. One that died young is replaced after a pause that doubles with each
/// young death in a row, so that a program that cannot live does not keep a core busy.
enum RestartPause {
    /// A shorter life than this is a young death.
    static let youth: Duration = .seconds(30)
    static let first: Duration = .milliseconds(250)
    static let longest: Duration = .seconds(60)
    /// Lives worth remembering: enough doublings to reach the longest pause.
    static let memory = 10

    static func length(after lives: [Life]) -> Duration {
        let young = lives.reversed().prefix { $0.endedAt &- $0.startedAt < youth.nanoseconds }.count
        guard young > 0 else { return .zero }
        return min(first * (1 << min(young - 1, memory)), longest)
    }
}

extension Duration {
    /// Whole nanoseconds; a negative length counts as none.
    var nanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    }
}
