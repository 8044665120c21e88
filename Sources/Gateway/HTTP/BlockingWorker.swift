import FastCGI
import Platform

/// What may wait for a disk or a store is done here, on one plain thread of each worker, while its caller is parked; the event
/// threads go on with hits.
final class BlockingWorker: Sendable {
    private let queue: SerialQueue
    private let patience: Duration

    /// - Parameters:
    ///   - name: the thread's.
    ///   - mostWaiting: errands beyond this are answered 503 at once.
    ///   - patience: how long a caller is parked.
    init(name: String, mostWaiting: Int = 256, patience: Duration = .seconds(10)) {
        queue = SerialQueue(named: name, capacity: mostWaiting)
        self.patience = patience
    }

    /// Parks the caller until `work` has made its answer.
    func run(_ errorFormat: ErrorFormat, _ work: @escaping @Sendable () -> Response) -> Outcome {
        begin(errorFormat) { reply in reply(work()) }
    }

    /// Parks the caller until `work`, or whom it has told to, calls `reply`; the thread goes on with the next piece when `work` returns.
    func begin(_ errorFormat: ErrorFormat, _ work: @escaping @Sendable (_ reply: @escaping @Sendable (Response) -> Void) -> Void) -> Outcome
    {
        let busy = errorFormat.unavailable("The server is busy", retryAfter: .seconds(2))
        return .parked(
            ParkedRequest(
                deadline: SystemClock().monotonic + patience,
                parked: { [queue] reply in
                    if !queue.submit({ work { reply.send($0) } }) { reply.send(busy) }
                },
                ended: { _ in busy }))
    }

    /// Ends the thread after what it is just doing, which is waited for shortly.
    func stop() { queue.stop(within: .milliseconds(500)) }
}
