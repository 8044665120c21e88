import Platform
import RESP
import Synchronization

/// A connection to DragonflyDB whose answers are read when they come: whoever asks leaves a closure and goes on. So no thread sleeps
/// and is woken for a hit, and what is asked meanwhile travels together.
///
/// One thread asks at a time (the pool lends the channel) and one reads at a time (the watcher sees to that); they may be two.
final class RedisPipeline: Sendable {
    fileprivate struct Asked {
        let copyEpoch: UInt64
        let at: MonotonicTime
        let then: @Sendable (LookupResult?) -> Void
    }

    private struct State {
        /// In the order in which they are sent.
        var asked: [Asked] = []
        var unsent = CommandBuffer()
        var isClosed = false
        var isOverdue = false
        /// Somebody will look at the time.
        var isTimed = false
    }

    private let connection: RedisConnection
    private let timeout: Duration
    private let counts: StoreCounts
    /// Guards what was asked, and that it is sent in the same order: a send that does not wait is the only call under it.
    private let state = Mutex(State())

    /// Pipelines stay short. What is asked of a store that freezes waits for its deadline, so this is also how many requests of a worker
    /// a freeze can hold up; the others have SQLite, which is hardly slower.
    static let mostAsked = 16

    init(_ connection: RedisConnection, timeout: Duration, counts: StoreCounts) {
        self.connection = connection
        self.timeout = timeout
        self.counts = counts
        connection.becomePipeline(StoredCopyReply.functions)
    }

    /// Which opening of the circuit breaker it belongs to.
    var batch: Int { connection.batch }
    var descriptor: Int32 { connection.descriptor }

    // MARK: Asking

    enum Acceptance {
        case ended, full
        case accepted(Duties)
    }

    /// What whoever asked has to see to.
    struct Duties {
        /// `flush` is to be called soon.
        var flush: Bool
        /// `watchTime` is to be called after the timeout.
        var watchTime: Bool
    }

    /// Takes a GET, which travels with the next `flush`. When it is accepted, `then` is called once when the answer is here, or with nil
    /// when none will come.
    /// - Parameter copyEpoch: as it is now, after the channel was chosen.
    func ask(for key: StoreKey, copyEpoch: UInt64, then: @escaping @Sendable (LookupResult?) -> Void) -> Acceptance {
        let now = SystemClock().monotonic
        return state.withLock { state in
            guard !state.isClosed else { return .ended }
            guard state.asked.count < Self.mostAsked else { return .full }
            state.asked.append(Asked(copyEpoch: copyEpoch, at: now, then: then))
            let duties = Duties(flush: state.unsent.count == 0, watchTime: !state.isTimed)
            state.isTimed = true
            state.unsent.command("GET", key)
            return .accepted(duties)
        }
    }

    /// Sends what was asked since the last time, in one piece.
    func flush() {
        state.withLock { state in
            guard state.unsent.count > 0 else { return }
            // A command that was cut, or not taken, is the end of the channel: its reader will tell everybody.
            if !connection.sendAtOnce(state.unsent.bytes) { connection.hangUp() }
            state.unsent.clear()
        }
    }

    /// Ends the channel when the oldest question is overdue.
    /// - Returns: how long until somebody has to look again; nil when nothing waits or the channel ends.
    func watchTime() -> Duration? {
        let now = SystemClock().monotonic
        let (left, isOverdue) = state.withLock { state -> (Duration?, Bool) in
            guard let oldest = state.asked.first, !state.isClosed else {
                state.isTimed = false
                return (nil, false)
            }
            let left = oldest.at + timeout - now
            guard left > .zero else {
                state.isOverdue = true
                return (nil, true)
            }
            return (left, false)
        }
        if isOverdue { connection.hangUp() }
        return left
    }

    /// Nothing is asked any more; the reader tells those who wait.
    func close() {
        state.withLock { $0.isClosed = true }
        connection.hangUp()
    }

    // MARK: Reading

    /// How the channel ended.
    struct End {
        /// nil: `close` was called, or the store hung up while nobody waited for it.
        let fault: StoreFault?
        fileprivate let unanswered: [Asked]

        /// Tells those who wait that no answer will come. Last: they may ask again at once, and whoever decides whether the store is asked
        /// shall know of the fault by then.
        func tellUnanswered() {
            for asked in unanswered { asked.then(nil) }
        }
    }

    /// Hands over what has come. nil while the channel goes on.
    func read() -> End? {
        var refused: [Asked] = []
        do throws(StoreFault) {
            try connection.receiveAtOnce { object throws(StoreFault) in
                let reply = StoredCopyReply.take(object)
                guard let asked = state.withLock({ $0.asked.isEmpty ? nil : $0.asked.removeFirst() }) else {
                    throw .foreign("an answer nobody asked for")
                }
                switch reply {
                case .copy(let copy): asked.then(LookupResult(copy: copy, copyEpoch: asked.copyEpoch))
                case nil: asked.then(LookupResult(copy: nil, copyEpoch: asked.copyEpoch))
                case .error(let text) where !text.hasPrefix("WRONGTYPE"):
                    refused.append(asked)
                    throw StoreFault(reply: text)
                case .foreign, .error: asked.then(LookupResult(copy: nil, copyEpoch: asked.copyEpoch, isWrong: true))
                }
            }
            return nil
        } catch {
            return end(error, refused)
        }
    }

    private func end(_ fault: StoreFault, _ refused: [Asked]) -> End {
        let (left, wasClosed, isOverdue) = state.withLock { state in
            defer { (state.asked, state.isClosed) = ([], true) }
            return (refused + state.asked, state.isClosed, state.isOverdue)
        }
        if isOverdue { return End(fault: .silent, unanswered: left) }
        if case .unreachable = fault, wasClosed || left.isEmpty { return End(fault: nil, unanswered: left) }
        return End(fault: fault, unanswered: left)
    }
}

/// The channels of one store.
final class RedisPipelines: Sendable {
    /// Those that nobody is asking over. The one put back last is taken first, so that few carry much.
    let idle = ConnectionPool<RedisPipeline>()
    /// Guards who watches; nil: there are no channels.
    let watcher = Mutex<(any DescriptorWatcher)?>(nil)
    /// How many have not ended.
    let open = Atomic(0)
    /// Which opening of the circuit breaker the newest belongs to; older ones may show an earlier life of the store.
    let batch = Atomic(0)
    let wanted: Int

    init(wanted: Int) { self.wanted = wanted }
}

/// Somebody who watches descriptors for this room: an event loop.
public protocol DescriptorWatcher: Sendable {
    /// - Parameter ready: called when the descriptor can be read or has ended, by one thread at a time; answers whether to go on. After
    ///   false the descriptor may be closed.
    /// - Returns: false when it cannot be watched.
    func watch(_ descriptor: Int32, _ ready: @escaping @Sendable () -> Bool) -> Bool

    /// Runs an action when all that was ready has been looked at. Called on a thread of the watcher's; it does not block.
    func atEndOfTick(_ action: @escaping @Sendable () -> Void)

    /// Runs an action later; it does not block.
    func schedule(after duration: Duration, _ action: @escaping @Sendable () -> Void)
}
