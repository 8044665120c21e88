import CSystem

/// The wall clock, passed in so that tests can set it.
public struct SessionClock: Sendable {
    /// Milliseconds since 1970.
    public let now: @Sendable () -> Int64

    public init(now: @escaping @Sendable () -> Int64) { self.now = now }

    public static let system = SessionClock { csys_wall_ms() }
}
