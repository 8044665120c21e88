import FastCGI
import Glibc
import Platform

/// What may wait for a disk or a store is done here, on one plain thread of each worker, while its caller is parked; the event
/// threads go on with hits.
final class BlockingWorker: Sendable {
    private let queue: SerialQueue
    /// What is tried again a moment later spends the moment here, out of the others' way.
    private let pauses: SerialQueue
    private let patience: Duration
    private let clock = SystemClock()

    /// What became of one attempt at an errand.
    enum Attempt {
        case done(Response)
        /// Somebody else answers, by the closure that the attempt was given.
        case handedOver
        /// It waits for what somebody else does: to be attempted again.
        case again
    }

    /// One attempt: told whether it is the last, and given a closure that answers.
    typealias Errand =
        @Sendable (_ context: borrowing BlockingContext, _ isLast: Bool, _ answer: @escaping @Sendable (Response) -> Void) -> Attempt

    private struct Piece: Sendable {
        let reply: ResponseHandle
        let busy: Response
        let end: MonotonicTime
        let errand: Errand
    }

    /// - Parameters:
    ///   - name: the thread's.
    ///   - mostWaiting: errands beyond this are answered 503 at once.
    ///   - patience: how long a caller is parked.
    init(name: String, mostWaiting: Int = 256, patience: Duration = .seconds(10)) {
        queue = SerialQueue(named: name, capacity: mostWaiting)
        pauses = SerialQueue(named: "\(name) pauses", capacity: 64)
        self.patience = patience
    }

    /// Parks the caller until `work` has made its answer.
    /// - Parameter busy: the answer where it comes to nothing in time; 503 when left out.
    func run(_ errorFormat: ErrorFormat, busy: Response? = nil, _ work: @escaping @Sendable () -> Response) -> Outcome {
        attempt(errorFormat, busy: busy) { _, _, _ in .done(work()) }
    }

    /// The same for work that wants leave to wait.
    func run(
        _ errorFormat: ErrorFormat, busy: Response? = nil, mayBlock work: @escaping @Sendable (borrowing BlockingContext) -> Response
    ) -> Outcome {
        attempt(errorFormat, busy: busy) { context, _, _ in .done(work(context)) }
    }

    /// Parks the caller until `work`, or whom it has told to, calls `reply`; the thread goes on with the next piece when `work` returns.
    func begin(_ errorFormat: ErrorFormat, _ work: @escaping @Sendable (_ reply: @escaping @Sendable (Response) -> Void) -> Void) -> Outcome
    {
        attempt(errorFormat) { _, _, reply in
            work(reply)
            return .handedOver
        }
    }

    /// Parks the caller until `work` has made what `proceed` goes on with, on an event thread; it must not block.
    func prepare<Made: Sendable>(
        _ errorFormat: ErrorFormat, _ work: @escaping @Sendable () -> Made, then proceed: @escaping @Sendable (Made) -> Outcome
    ) -> Outcome {
        let busy = errorFormat.unavailable("The server is busy", .busy, retryAfter: .seconds(2))
        return .parked(
            ParkedRequest(
                deadline: clock.monotonic + patience,
                parked: { [queue] reply in
                    let isTaken = queue.submit {
                        let made = work()
                        reply.goOn { proceed(made) }
                    }
                    if !isTaken { reply.send(busy) }
                },
                ended: { _ in busy }))
    }

    /// Parks the caller until an attempt has led to an answer.
    /// - Parameters:
    ///   - limit: an attempt after this is the last one.
    ///   - patience: how long the caller is parked; as for all errands when left out.
    func attempt(
        _ errorFormat: ErrorFormat, within limit: Duration = .seconds(6), patience: Duration? = nil, busy: Response? = nil,
        _ errand: @escaping Errand
    ) -> Outcome {
        let busy = busy ?? errorFormat.unavailable("The server is busy", .busy, retryAfter: .seconds(2))
        let now = clock.monotonic
        return .parked(
            ParkedRequest(
                deadline: now + (patience ?? self.patience),
                parked: { [self] reply in submit(Piece(reply: reply, busy: busy, end: now + limit, errand: errand)) },
                ended: { _ in busy }))
    }

    /// Parks the caller until `work` has made its answer, for all who ask for `shared` meanwhile: however many they are, they take one place.
    func share(_ shared: SharedAnswer, _ errorFormat: ErrorFormat, _ work: @escaping @Sendable () -> Response) -> Outcome {
        let busy = errorFormat.unavailable("The server is busy", .busy, retryAfter: .seconds(2))
        return .parked(
            ParkedRequest(
                deadline: clock.monotonic + patience,
                parked: { [queue] reply in
                    switch shared.join(reply) {
                    case .first: if !queue.submit({ shared.send(work()) }) { shared.send(busy) }
                    case .further: break
                    case .oneTooMany: reply.send(busy)
                    }
                },
                ended: { _ in busy }))
    }

    /// Does something that nobody waits for; not at all where too much waits already.
    func note(_ work: @escaping @Sendable () -> Void) { _ = queue.submit(work) }

    private func submit(_ piece: Piece) {
        let isTaken = queue.submit { [self] context in
            switch piece.errand(context, clock.monotonic >= piece.end, { piece.reply.send($0) }) {
            case .done(let response): piece.reply.send(response)
            case .handedOver: break
            case .again: resubmit(piece)
            }
        }
        if !isTaken { piece.reply.send(piece.busy) }
    }

    private func resubmit(_ piece: Piece) {
        let isTaken = pauses.submit { [self] in
            usleep(20_000)
            submit(piece)
        }
        if !isTaken { piece.reply.send(piece.busy) }
    }

    /// Ends the thread after what it is just doing, which is waited for shortly.
    func stop() {
        queue.stop(within: .milliseconds(500))
        pauses.stop(within: .milliseconds(100))
    }
}

/// Who waits for one and the same answer.
final class SharedAnswer: Sendable {
    private let waiting = Locked<[ResponseHandle]>([])  // guards who waits for the answer that is being made

    /// More than one worker can hold callers; who waits for a disk that hangs is forgotten only with its answer.
    private static let most = 10_000

    fileprivate enum Place {
        /// Nobody waited before: the caller has the answer made.
        case first
        case further
        case oneTooMany
    }

    fileprivate func join(_ reply: ResponseHandle) -> Place {
        waiting.withLock { waiting in
            guard waiting.count < Self.most else { return .oneTooMany }
            waiting.append(reply)
            return waiting.count == 1 ? .first : .further
        }
    }

    fileprivate func send(_ response: Response) {
        let all = waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
        for reply in all { reply.send(response) }
    }
}
