import FastCGI
import Foundation
import Platform

/// What may wait for a disk or a store is done here, on one plain thread of each worker, while its caller is parked; the event
/// threads go on with hits.
final class BlockingWorker: Sendable {
    private let queue = Queue()
    private let mostWaiting: Int
    private let patience: Duration

    /// Starts the thread.
    /// - Parameters:
    ///   - mostWaiting: errands beyond this are answered 503 at once.
    ///   - patience: how long a caller is parked.
    init(name: String, mostWaiting: Int = 256, patience: Duration = .seconds(10)) {
        self.mostWaiting = mostWaiting
        self.patience = patience
        let queue = queue
        let thread = Thread {
            while let errand = queue.take() { errand() }
        }
        thread.name = name
        thread.start()
    }

    /// Parks the caller until `work` has made its answer.
    func run(_ errorFormat: ErrorFormat, _ work: @escaping @Sendable () -> Response) -> Outcome {
        let busy = errorFormat.unavailable("The server is busy", retryAfter: .seconds(2))
        let queue = queue
        let mostWaiting = mostWaiting
        return .parked(
            ParkedRequest(
                deadline: SystemClock().monotonic + patience,
                parked: { reply in
                    if !queue.add({ reply.send(work()) }, atMost: mostWaiting) { reply.send(busy) }
                },
                ended: { _ in busy }))
    }

    /// Ends the thread after what it is just doing.
    func stop() { queue.close() }

    /// The condition's lock guards both variables.
    private final class Queue: @unchecked Sendable {
        private let condition = NSCondition()
        private var waiting: [@Sendable () -> Void] = []
        private var isClosed = false

        func add(_ errand: @escaping @Sendable () -> Void, atMost most: Int) -> Bool {
            condition.withLock {
                guard !isClosed, waiting.count < most else { return false }
                waiting.append(errand)
                condition.signal()
                return true
            }
        }

        func take() -> (@Sendable () -> Void)? {
            condition.withLock {
                while waiting.isEmpty && !isClosed { condition.wait() }
                return isClosed ? nil : waiting.removeFirst()
            }
        }

        func close() {
            condition.withLock {
                isClosed = true
                waiting.removeAll()
                condition.broadcast()
            }
        }
    }
}
