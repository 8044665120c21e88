/// The terms under which a request is parked.
public struct Ticket: Sendable {
    /// Why the event loop ends a wait by itself.
    public enum Ending: Sendable, Equatable {
        /// The deadline passed.
        case deadline
        /// The event loop stops.
        case stopping
        /// The caller hung up; the answer is thrown away.
        case clientLeft
        /// Too many are parked already: `parked` was never called.
        case refused
    }

    let deadline: UInt64
    let parked: @Sendable (Reply) -> Void
    let ended: @Sendable (Ending) -> Response

    /// - Parameters:
    ///   - deadline: nanoseconds of CLOCK_MONOTONIC.
    ///   - parked: called once with the reply, on the event thread, before the wait begins. Replying inside it is fine.
    ///   - ended: makes the answer when the event loop ends the wait. Called at most once, on any of the loop's threads, and never when
    ///     the reply was sent; for `clientLeft` it is called so that the owner can forget the caller. Must not block.
    public init(
        deadline: UInt64, parked: @escaping @Sendable (Reply) -> Void, ended: @escaping @Sendable (Ending) -> Response
    ) {
        self.deadline = deadline
        self.parked = parked
        self.ended = ended
    }
}
