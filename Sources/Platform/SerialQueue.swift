/// Work that may block, done one piece after the other by a thread of its own, with a bound on how much may wait.
///
/// Event threads hand over what waits for a disk, a store or a password hash, and go on; what does not fit is refused at once, so that a
/// flood ends in 503 rather than in memory.
public final class SerialQueue: Sendable {
    private struct State: Sendable {
        var waiting: [@Sendable () -> Void] = []
        var isBusy = false
        var isStopped = false
        var thread: WorkerThread?
    }

    private let state = Monitor(State())
    private let name: String
    private let capacity: Int
    private let priority: WorkerThread.Priority
    private let stackSize: Int?

    /// - Parameters:
    ///   - name: the thread's, see `WorkerThread`.
    ///   - capacity: pieces of work that may wait, the one that is being done not counted.
    public init(named name: String, capacity: Int, priority: WorkerThread.Priority = .usual, stackSize: Int? = nil) {
        self.name = name
        self.capacity = capacity
        self.priority = priority
        self.stackSize = stackSize
    }

    deinit { close() }

    /// Puts the work at the end of the queue. False where too much waits already, the queue is stopped, or no thread can be started; the
    /// work is then never done. The thread starts with the first piece.
    public func submit(_ work: @escaping @Sendable () -> Void) -> Bool {
        state.update { state in
            guard !state.isStopped, state.waiting.count < capacity else { return false }
            if state.thread == nil {
                state.thread = try? WorkerThread.start(named: name, stackSize: stackSize, priority: priority) { [queue = self.state] in
                    while let work = Self.next(in: queue) { work() }
                }
            }
            guard state.thread != nil else { return false }
            state.waiting.append(work)
            return true
        }
    }

    /// The same for work that wants leave to wait.
    public func submit(mayBlock work: @escaping @Sendable (borrowing BlockingContext) -> Void) -> Bool {
        submit { work(BlockingContext()) }
    }

    /// Waits until all that was submitted has been done, at most so long. Answers whether it has. Not from within the work.
    @discardableResult
    public func drain(within limit: Duration) -> Bool {
        state.wait(within: limit) { $0.waiting.isEmpty && !$0.isBusy ? true : nil } ?? false
    }

    /// Drops what waits, refuses what comes, and waits for the piece that is being done, at most so long. Answers whether it came to its
    /// end; when not, its thread ends after it. Not from within the work.
    @discardableResult
    public func stop(within limit: Duration) -> Bool { close()?.join(within: limit) ?? true }

    @discardableResult
    private func close() -> WorkerThread? {
        let (dropped, thread) = state.update { state in
            defer { state.waiting = [] }
            state.isStopped = true
            return (state.waiting, state.thread)
        }
        // What the work holds on to is let go of outside the lock.
        withExtendedLifetime(dropped) {}
        return thread
    }

    /// The next piece, waited for; nil when the queue is stopped.
    private static func next(in queue: Monitor<State>) -> (@Sendable () -> Void)? {
        // Whoever drains is woken when the last piece is done.
        queue.update { $0.isBusy = false }
        return queue.wait { state in
            if state.isStopped { return .take(nil) }
            guard !state.waiting.isEmpty else { return .sleep(until: .never) }
            state.isBusy = true
            return .take(state.waiting.removeFirst())
        }
    }
}
