/// A look at an event loop. The numbers are read one after the other, without stopping it.
public struct Figures: Sendable, Equatable {
    /// Open connections.
    public var connections: Int
    /// Requests that wait for their reply.
    public var parked: Int
    /// Answers handed to the kernel since the start.
    public var answered: Int
}
