/// What happened, for `Workforce` to decide about. A worker is named by the number that its `start` action gave.
enum WorkforceEvent: Sendable, Equatable {
    case ready(worker: Int)
    case ended(worker: Int, WorkerExit)
    case stopAsked
    case replacementAsked
}

/// What is to be done, in order.
enum WorkforceAction: Sendable, Equatable {
    /// Start a process and call it `worker`; when that fails, tell it as `ended(.notStarted)`.
    case start(worker: Int)
    case send(WorkerOrder, worker: Int)
    /// The listening address goes away; new callers should not find it.
    case closeAddress
    /// Nothing is left to do: exit with this status.
    case finish(status: Int32)
    case note(Note)

    enum Note: Sendable, Equatable {
        case firstWorkerFailed(worker: Int)
        case startsAgain(slot: Int, after: Duration)
        case replacementFailed(slot: Int)
        case replacementDone
        case outOfPatience(worker: Int)
    }
}

/// What a worker is told, each by a signal.
enum WorkerOrder: Sendable, Equatable {
    /// Finish what is in flight, end parked callers, exit (SIGTERM).
    case stop
    /// Leave without a failed request: a successor has taken over (SIGQUIT).
    case drain
    /// SIGKILL.
    case die
}
