/// What the application behind the event loop is. Both functions run on an event thread and must not block.
public protocol Handler: Sendable {
    /// Asked only when there is a body or a CONTENT_LENGTH; `request.body` is not there yet.
    func bodyPolicy(for request: Request) -> BodyPolicy
    func handle(_ request: Request) -> Outcome
}

/// What became of a request.
public enum Outcome: Sendable {
    case now(Response)
    /// What is needed is on its way: begins to wait for it, and answers nil when the promise will be kept, or else the outcome after all
    /// (`now` or `later`). Called once, at once, on the event thread.
    case soon(@Sendable (Promise) -> Outcome?)
    /// Parked: it holds a descriptor and some 14 KB, but no thread, until its reply or its deadline.
    case later(Ticket)
}
