import CSystem
import Glibc
import Logging
import Synchronization

/// What all threads of one event loop share.
final class Reactor: Sendable {
    /// How the loop is disposed towards its connections.
    enum Mode: UInt8, AtomicRepresentable { case running, draining, stopping }

    let handler: any Handler
    let limits: Limits
    let log: Logger
    let poller: Poller
    let table: ConnectionTable
    let timers = TimerQueue()
    let replies: ResponseQueue
    let descriptorWatches = FileDescriptorWatches()
    let kept = KeptPromises()
    let leaderFollowers = LeaderFollowers()
    let atEndOfTick = EndOfTickActions()
    let stopBell: EventCounter
    let connections = Atomic(0)
    let parked = Atomic(0)
    let mode = Atomic(Mode.running)

    init(limits: Limits, handler: any Handler, log: Logger) throws {
        self.limits = limits
        self.handler = handler
        self.log = log
        poller = try Poller()
        replies = try ResponseQueue()
        stopBell = try EventCounter()
        table = try ConnectionTable(capacity: Limits.descriptors)
        for error in [poller.watch(replies: replies.bell.descriptor), poller.watch(stop: stopBell.descriptor)] where error != 0 {
            throw EventLoopError.system(call: "epoll_ctl", errno: error)
        }
    }

    deinit {
        poller.close()
        replies.bell.close()
        stopBell.close()
    }

    /// No connection is kept beyond its next answer.
    var isLeaving: Bool { mode.load(ordering: .relaxed) != .running }

    /// Gives a connection back to epoll.
    func rest(_ connection: Connection, until interest: PollInterest = .readable) {
        if !connection.rest(until: interest, in: poller) { close(connection) }
    }

    /// Closes a connection that the calling thread has.
    func close(_ connection: Connection) {
        if let deadline = connection.deadline { timers.cancel(deadline) }
        connection.close()
        countClosed()
    }

    /// Closes the connection when its present work is not done after so long.
    func limitWork(of connection: Connection, to duration: Duration, since start: UInt64) {
        let epoch = connection.renewEpoch()
        connection.deadline = timers.schedule(at: start + duration.nanoseconds) { connection.hangUp(epoch: epoch) }
    }

    /// The work is done.
    func liftLimit(of connection: Connection) {
        guard let deadline = connection.deadline else { return }
        timers.cancel(deadline)
        connection.deadline = nil
        _ = connection.renewEpoch()
    }

    private func countClosed() {
        let left = connections.subtract(1, ordering: .relaxed).newValue
        if left == 0, isLeaving { timers.ring() }
    }
}

extension Duration {
    /// Whole nanoseconds, not below zero.
    var nanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        return UInt64(max(0, seconds)) * 1_000_000_000 + UInt64(max(0, attoseconds / 1_000_000_000))
    }
}

/// What is better done once for all that was ready than for each of it.
final class EndOfTickActions: Sendable {
    private let actions = Mutex<[@Sendable () -> Void]>([])

    func add(_ action: @escaping @Sendable () -> Void) { actions.withLock { $0.append(action) } }

    func run() {
        let taken = actions.withLock { actions in
            guard !actions.isEmpty else { return [] as [@Sendable () -> Void] }
            defer { actions = [] }
            return actions
        }
        for action in taken { action() }
    }
}

/// The application's descriptors that the event loop watches beside its connections.
final class FileDescriptorWatches: Sendable {
    struct Watch: Sendable {
        let descriptor: CInt
        let ready: @Sendable () -> Bool
    }

    private struct State {
        var descriptorWatches: [UInt32: Watch] = [:]
        var lastNumber: UInt32 = 0
    }
    /// Held for a dictionary lookup.
    private let state = Mutex(State())

    /// Answers the number under which the watch is known.
    func add(_ watch: Watch) -> UInt32 {
        state.withLock { state in
            state.lastNumber = (state.lastNumber + 1) & 0x7fff_ffff
            state.descriptorWatches[state.lastNumber] = watch
            return state.lastNumber
        }
    }

    func remove(_ number: UInt32) { state.withLock { _ = $0.descriptorWatches.removeValue(forKey: number) } }

    subscript(number: UInt32) -> Watch? { state.withLock { $0.descriptorWatches[number] } }
}

/// Answers to parked requests on their way from any thread to the event threads.
final class ResponseQueue: Sendable {
    struct Item {
        let connection: Connection
        let response: Response
    }

    /// Readable when there is something to fetch.
    let bell: EventCounter
    private let items = Mutex<[Item]>([])
    /// A thread that fetches takes so many and looks after its other connections before the next.
    private static let batch = 16

    init() throws(EventLoopError) {
        bell = try EventCounter()
    }

    func push(_ response: Response, to connection: Connection) {
        let wasEmpty = items.withLock {
            $0.append(Item(connection: connection, response: response))
            return $0.count == 1
        }
        if wasEmpty { bell.ring() }
    }

    /// Takes the oldest; what remains rings for another thread.
    func fetch() -> [Item] {
        let (taken, remains) = items.withLock { items in
            let taken = Array(items.prefix(Self.batch))
            items.removeFirst(taken.count)
            return (taken, !items.isEmpty)
        }
        if remains { bell.ring() }
        return taken
    }
}
