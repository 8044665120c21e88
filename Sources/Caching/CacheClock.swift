import CSystem

/// The two clocks of this room, so that tests can turn them.
public protocol CacheClock: Sendable {
    /// Wall clock, milliseconds since 1970: what is stored.
    var now: Int64 { get }
    /// CLOCK_MONOTONIC, nanoseconds: deadlines and the memory tier's few seconds.
    var monotonic: UInt64 { get }
}

public struct SystemClock: CacheClock {
    public init() {}
    public var now: Int64 { csys_wall_ms() }
    public var monotonic: UInt64 { csys_monotonic_ns() }
}

extension Duration {
    /// Whole milliseconds, at least 0; lengths beyond what an instant can hold are cut.
    var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0 else { return 0 }
        guard seconds < 1 << 40 else { return 1 << 50 }
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }

    /// Nanoseconds, at least 0; at most some 292 years.
    var nanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        guard seconds < 1 << 33 else { return 1 << 63 }
        return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    }
}
