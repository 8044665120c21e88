/// The terms under which a request is parked.
public struct Ticket: Sendable {
    public typealias Ending = WaitEnding

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
