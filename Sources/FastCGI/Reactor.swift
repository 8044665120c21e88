import Glibc
import Logging
import Platform
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
    let stopBell: EventFD
    let connections = Atomic(0)
    let parked = Atomic(0)
    let mode = Atomic(Mode.running)

    init(limits: Limits, handler: any Handler, log: Logger) throws(SystemError) {
        self.limits = limits
        self.handler = handler
        self.log = log
        poller = try Poller()
        replies = try ResponseQueue()
        stopBell = try EventFD()
        table = try ConnectionTable(capacity: Limits.descriptors)
        for error in [poller.watch(replies: replies.bell.descriptor), poller.watch(stop: stopBell.descriptor)] where error != 0 {
            throw SystemError("epoll_ctl", code: error)
        }
    }

    deinit { poller.close() }

    /// No connection is kept beyond its next answer.
    var isLeaving: Bool { mode.load(ordering: .relaxed) != .running }

    /// Gives a connection back to epoll. Its present work is done, or it goes on for so long at most.
    func rest(_ connection: Connection, until interest: PollInterest = .readable, within limit: Connection.TimeLimit? = nil) {
        switch limit {
        case nil: liftLimit(of: connection)
        case .receive: limitWork(of: connection, to: limits.receiveTimeout)
        case .send: limitWork(of: connection, to: limits.sendTimeout)
        }
        guard poller.arm(connection.descriptor, connection.rest(), for: interest) != 0 else { return }
        connection.takeBack()
        close(connection)
    }

    /// Has epoll watch whether a parked caller leaves or ends its request. Should epoll refuse the descriptor, the deadline still ends the wait.
    func park(_ connection: Connection, _ reply: ResponseHandle) {
        let (arming, interest) = connection.park(reply)
        if poller.arm(connection.descriptor, arming, for: interest) != 0 { connection.takeBack() }
    }

    /// Goes on watching a parked caller.
    func watchOn(_ connection: Connection) {
        connection.watchOn { _ = poller.arm(connection.descriptor, $0, for: $1) }
    }

    /// Closes a connection that the calling thread has.
    func close(_ connection: Connection) {
        if let deadline = connection.deadline { timers.cancel(deadline) }
        connection.close()
        let left = connections.subtract(1, ordering: .relaxed).newValue
        if left == 0, isLeaving { timers.ring() }
    }

    /// Closes the connection when its present work is not done after so long. The limit that runs already stays.
    private func limitWork(of connection: Connection, to duration: Duration) {
        guard connection.deadline == nil else { return }
        let epoch = connection.renewEpoch()
        connection.deadline = timers.schedule(after: duration) { connection.hangUp(epoch: epoch) }
    }

    /// The work is done.
    func liftLimit(of connection: Connection) {
        guard let deadline = connection.deadline else { return }
        timers.cancel(deadline)
        connection.deadline = nil
        _ = connection.renewEpoch()
    }
}

/// Every connection by its descriptor. Objects are made once per number and stay, so that a late event finds one to be stale on.
///
/// `@unchecked Sendable`: the places are atomics, written once each.
final class ConnectionTable: @unchecked Sendable {
    let capacity: Int
    /// Zeroed memory is an atomic zero, and pages that no descriptor reaches are never touched.
    private let places: UnsafeMutablePointer<Atomic<UInt>>

    init(capacity: Int) throws(SystemError) {
        guard let memory = calloc(capacity, MemoryLayout<Atomic<UInt>>.stride) else { throw SystemError("calloc") }
        self.capacity = capacity
        places = memory.assumingMemoryBound(to: Atomic<UInt>.self)
    }

    deinit {
        for index in 0..<capacity { unmanaged(index)?.release() }
        free(places)
    }

    subscript(descriptor: CInt) -> Connection? {
        guard descriptor >= 0, Int(descriptor) < capacity else { return nil }
        return unmanaged(Int(descriptor))?.takeUnretainedValue()
    }

    /// The connection of a descriptor that was just accepted, which nobody else can have; nil when the number is beyond the table.
    func open(_ descriptor: CInt, isTCP: Bool = false) -> Connection? {
        guard Int(descriptor) < capacity else { return nil }
        let connection: Connection
        if let known = self[descriptor] {
            connection = known
        } else {
            connection = Connection(descriptor: descriptor)
            let pointer = UInt(bitPattern: Unmanaged.passRetained(connection).toOpaque())
            places[Int(descriptor)].store(pointer, ordering: .releasing)
        }
        connection.open(isTCP: isTCP)
        return connection
    }

    func forEach(_ body: (Connection) -> Void) {
        for index in 0..<capacity {
            if let connection = unmanaged(index) { body(connection.takeUnretainedValue()) }
        }
    }

    private func unmanaged(_ index: Int) -> Unmanaged<Connection>? {
        UnsafeRawPointer(bitPattern: places[index].load(ordering: .acquiring)).map { Unmanaged<Connection>.fromOpaque($0) }
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

/// Answers to parked requests, and what these go on with, on their way from any thread to the event threads.
final class ResponseQueue: Sendable {
    struct Item {
        let connection: Connection
        let delivery: ResponseHandle.Delivery
    }

    /// Readable when there is something to fetch.
    let bell: EventFD
    private let items = Mutex<[Item]>([])
    /// A thread that fetches takes so many and looks after its other connections before the next.
    private static let batch = 16

    init() throws(SystemError) {
        bell = try EventFD()
    }

    func push(_ delivery: ResponseHandle.Delivery, to connection: Connection) {
        let wasEmpty = items.withLock {
            $0.append(Item(connection: connection, delivery: delivery))
            return $0.count == 1
        }
        if wasEmpty { bell.signal() }
    }

    /// Takes the oldest; what remains rings for another thread.
    func fetch() -> [Item] {
        let (taken, remains) = items.withLock { items in
            let taken = Array(items.prefix(Self.batch))
            items.removeFirst(taken.count)
            return (taken, !items.isEmpty)
        }
        if remains { bell.signal() }
        return taken
    }
}

/// The outcomes that `ready` has brought, for the thread that called it.
final class KeptPromises: Sendable {
    typealias Item = (connection: Connection, outcome: Outcome)

    private let items = Mutex<[Item]>([])

    func append(_ outcome: Outcome, for connection: Connection) { items.withLock { $0.append((connection, outcome)) } }

    func take() -> [Item] {
        items.withLock { items in
            guard !items.isEmpty else { return [] }
            defer { items = [] }
            return items
        }
    }
}

extension PendingResponse {
    func outcome(for connection: Connection, _ kept: KeptPromises) -> Outcome? { outcome { kept.append($0, for: connection) } }
}
