/// What the application behind the event loop is. Both functions run on an event thread and must not block.
public protocol Handler: Sendable {
    /// Asked only when there is a body or a CONTENT_LENGTH; `request.body` is not there yet.
    func bodyPolicy(for request: Request) -> BodyPolicy
    func handle(_ request: Request) -> Outcome
}
