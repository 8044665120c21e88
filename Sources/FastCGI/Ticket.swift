/// The terms under which a request is parked.
public struct Ticket: Sendable {
    public typealias Ending = WaitEnding

    let deadline: UInt64
    let parked: @Sendable (Reply) -> Void
    let ended: @Sendable (Ending) -> Response
    /// Told of the answer when it is handed to the loop.
    private(set) var answered: @Sendable (Response) -> Void = { _ in }
    /// What is made of the answer before it is handed to the loop.
    private(set) var change: @Sendable (Response) -> Response = { $0 }

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

    /// The same terms, with somebody who is told once how the wait ended: with the answer when it is handed to the event loop (the
    /// caller may yet be found gone), with nil when the client left before there was one.
    public func observed(_ note: @escaping @Sendable (Response?) -> Void) -> Ticket {
        let (ended, answered, change) = (ended, answered, change)
        var ticket = Ticket(deadline: deadline, parked: parked) { ending in
            defer { if ending == .clientLeft { note(nil) } }
            return ended(ending)
        }
        ticket.answered = { response in
            answered(response)
            note(response)
        }
        ticket.change = change
        return ticket
    }

    /// The same terms, with every answer changed on its way to the event loop, whoever gives it.
    public func changed(_ change: @escaping @Sendable (Response) -> Response) -> Ticket {
        let before = self.change
        var ticket = self
        ticket.change = { change(before($0)) }
        return ticket
    }
}
