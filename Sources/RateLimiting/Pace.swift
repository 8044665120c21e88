/// How often Spotify may be called by all processes of the host together.
public struct Pace: Sendable, Equatable {
    /// At least this long from one call to the next.
    public var interval: Duration
    /// At most so many calls in any stretch of time as long as `window`.
    public var callsPerWindow: Int
    public var window: Duration
    /// The share of `callsPerWindow`, 0...1, that renewals and warming leave to callers.
    public var callerReserve: Double

    public init(
        interval: Duration = .seconds(2), callsPerWindow: Int = 1000, window: Duration = .seconds(3600),
        callerReserve: Double = 0.2
    ) {
        self.interval = interval
        self.callsPerWindow = callsPerWindow
        self.window = window
        self.callerReserve = callerReserve
    }

    /// Renewals and warming stop when the window holds so many calls of any kind.
    var backgroundLimit: Int {
        max(0, callsPerWindow - Int((Double(callsPerWindow) * callerReserve).rounded(.up)))
    }

    /// The length that is counted. Calls leave up to 50 ms after their grant and travel for a while, so the far
    /// side may see them closer together than they were granted: the window is longer by a 3600th, 50 ms at least.
    var countedWindow: Int64 {
        let nanoseconds = window.inNanoseconds
        return nanoseconds + max(50_000_000, nanoseconds / 3600)
    }

    /// The head start of the worker that made the last call: 30 ms, less when the pace is quick.
    var headStart: Int64 {
        min(30_000_000, interval.inNanoseconds / 10)
    }

    /// What makes this pace unusable; nil when it can be kept.
    var fault: String? {
        if interval < .zero { return "the interval between calls is negative" }
        if callsPerWindow < 1 { return "fewer than one call per window" }
        if window <= .zero { return "the window is empty" }
        if !(0...1).contains(callerReserve) { return "the callers' reserve is not a share between 0 and 1" }
        return nil
    }
}
