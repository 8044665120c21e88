/// Why the event loop ends a parked request's wait by itself.
public enum WaitEnding: Sendable, Equatable {
    /// The deadline passed.
    case deadline
    /// The event loop stops.
    case stopping
    /// The caller hung up, or closed its sending end; the answer is thrown away.
    case clientLeft
    /// Too many are parked already: `parked` was never called.
    case refused
}
