import CSystem
import Glibc

/// Leave to wait: for a lock, a disk, another process. What may wait takes one, so the compiler sees to it that no event thread comes there.
///
/// Only threads that are started for such work are given one. It cannot be copied, kept, or handed to another thread.
public struct BlockingContext: ~Copyable {
    init() {}
}

@available(*, unavailable)
extension BlockingContext: Sendable {}

/// The one way to start a thread: a POSIX thread of its own, outside Swift's concurrency pool, so that its work may block.
///
/// Signals are for whoever waits for them, so it begins with all of them blocked, but for those that a fault of its own raises.
public final class WorkerThread: Sendable {
    public enum Priority: Sendable {
        case usual
        /// Works only while nobody else on the host wants the core. It must not hold a lock that others wait for: it may not be given a
        /// core to let go of it.
        case idle
    }

    private let hasEnded = Monitor(false)

    /// - Parameters:
    ///   - name: as top(1) and gdb show it; 15 bytes are kept.
    ///   - stackSize: bytes; nil for the system's own size, of which only what is used takes memory.
    public static func start(
        named name: String, stackSize: Int? = nil, priority: Priority = .usual, _ body: @escaping @Sendable () -> Void
    ) throws(SystemError) -> WorkerThread {
        let thread = WorkerThread()
        let hasEnded = thread.hasEnded
        try spawn(
            Work {
                csys_name_thread(name)
                if priority == .idle { yieldToEverybody() }
                body()
                hasEnded.update { $0 = true }
            }, stackSize: stackSize)
        return thread
    }

    /// Starts a thread for work that may block.
    public static func start(
        named name: String, stackSize: Int? = nil, priority: Priority = .usual,
        mayBlock body: @escaping @Sendable (borrowing BlockingContext) -> Void
    ) throws(SystemError) -> WorkerThread {
        try start(named: name, stackSize: stackSize, priority: priority) { body(BlockingContext()) }
    }

    /// Has a thread of its own do what may block, and waits for it: for commands, and for what is done before anybody is served.
    public static func wait<Result: Sendable>(
        forWorkNamed name: String, _ work: @escaping @Sendable (borrowing BlockingContext) throws -> Result
    ) throws -> Result {
        let outcome = Monitor<Swift.Result<Result, any Error>?>(nil)
        _ = try start(named: name) { context in
            let done = Swift.Result { try work(context) }
            outcome.update { $0 = done }
        }
        return try outcome.wait { outcome in outcome.map { .take($0) } ?? .sleep(until: .never) }.get()
    }

    private init() {}

    /// Waits until the thread has ended, at most so long. Answers whether it has. Not from within the thread.
    @discardableResult
    public func join(within limit: Duration? = nil) -> Bool {
        hasEnded.wait(within: limit) { $0 ? true : nil } ?? false
    }

    // MARK: Starting

    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private static func spawn(_ work: Work, stackSize: Int?) throws(SystemError) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        // Whoever joins waits on `hasEnded`, so nobody need remember to collect the thread.
        pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
        if let stackSize { pthread_attr_setstacksize(&attributes, stackSize) }
        // A thread inherits the mask: blocked here, no signal reaches it even in its first moment.
        var (blocked, before) = (asynchronousSignals(), sigset_t())
        pthread_sigmask(SIG_SETMASK, &blocked, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var thread = pthread_t()
        let handed = Unmanaged.passRetained(work)
        let error = pthread_create(
            &thread, &attributes,
            { argument in
                if let argument { Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body() }
                return nil
            }, handed.toOpaque())
        guard error == 0 else {
            handed.release()
            throw SystemError("pthread_create", code: error)
        }
    }

    /// All but those that the processor or abort(3) raises in the thread itself: were these blocked, a crash would leave no trace.
    private static func asynchronousSignals() -> sigset_t {
        var signals = sigset_t()
        sigfillset(&signals)
        for fault in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS] { sigdelset(&signals, fault) }
        return signals
    }

    /// A merely nice thread keeps the core until its slice ends; an idle one leaves it at once to whoever wakes (sched(7)). Where the policy
    /// is refused, nice must do: on Linux the priority of `0` is that of the calling thread alone (setpriority(2)).
    private static func yieldToEverybody() {
        if csys_make_thread_idle() != 0 { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19) }
    }
}
