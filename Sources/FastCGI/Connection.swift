import Glibc
import Synchronization

/// One descriptor's connection; the object stays for the next connection on the same number.
///
/// `@unchecked Sendable`: `state` is guarded by its mutex. Everything else belongs to the thread that made the phase `busy`, which is
/// one at a time: epoll reports an armed connection once, and whoever ends a wait hands it to one event thread.
final class Connection: @unchecked Sendable {
    private enum Phase {
        case closed
        /// Watched by epoll.
        case idle
        /// Some thread has it.
        case busy
        case parked(ResponseHandle)
    }

    private struct State {
        var phase = Phase.closed
        /// Changes whenever what was armed before must not count any more.
        var epoch: UInt32 = 0
        /// Resting in the middle of a request.
        var isAtWork = false
        /// Known to epoll.
        var isWatched = false
    }

    /// What a busy connection is in the middle of.
    enum Work {
        case none
        /// The body. The name-value pairs are kept until it is whole.
        case receiving(StandardInput, pairs: [UInt8])
        case sending(ResponseWriter)
        /// The answer is out, the rest of what the caller sends is thrown away.
        case lingering
    }

    /// What has come of a request whose parameters are not whole yet.
    struct Arrival {
        /// CLOCK_MONOTONIC, nanoseconds.
        let since: UInt64
        var bytes: [UInt8]
    }

    let descriptor: CInt
    /// The request's id on this connection, and whether its caller wants the connection kept.
    var request: UInt16 = 0
    var isKept = false
    var work = Work.none
    var arrival: Arrival?
    var deadline: TimerQueue.Timer?
    /// The caller has sent, or may still send, more than was read of its request.
    var hasUnreadInput = false
    private let state = Mutex(State())

    init(descriptor: CInt) {
        self.descriptor = descriptor
    }

    /// The accepting thread has it.
    func open() {
        state.withLock {
            $0.phase = .busy
            $0.isWatched = false
            $0.epoch &+= 1
        }
        reset()
    }

    enum Taken {
        case mine
        case leaving(ResponseHandle)
        case stale
    }

    /// Claims the connection for the thread that epoll woke.
    func take(epoch: UInt32) -> Taken {
        state.withLock { state in
            guard state.epoch == epoch else { return .stale }
            switch state.phase {
            case .idle:
                state.phase = .busy
                return .mine
            case .parked(let reply): return .leaving(reply)
            case .closed, .busy: return .stale
            }
        }
    }

    /// Gives the connection back to epoll. False when epoll refused it; the caller still has it then.
    func rest(until interest: PollInterest, in poller: Poller) -> Bool {
        arm(.idle, interest, poller)
    }

    /// Waits for the reply, watching whether the caller leaves.
    func park(_ reply: ResponseHandle, in poller: Poller) -> Bool {
        arm(.parked(reply), .peerClosed, poller)
    }

    /// The calling thread, which ended the wait, has it. The new epoch makes the caller's leaving, noticed at the same moment, stale.
    func unpark() {
        state.withLock {
            $0.phase = .busy
            $0.epoch &+= 1
        }
    }

    var parkedReply: ResponseHandle? {
        state.withLock { if case .parked(let reply) = $0.phase { reply } else { nil } }
    }

    /// The epoch of a piece of work that has a deadline.
    func renewEpoch() -> UInt32 {
        state.withLock {
            $0.epoch &+= 1
            return $0.epoch
        }
    }

    /// Shuts the socket down, whoever has the connection: the thread that has it, or that epoll wakes now, will close it. With an
    /// epoch, only while that epoch lasts. Nobody but the owner closes a descriptor, so that none is used after it was closed.
    func hangUp(epoch: UInt32? = nil) {
        state.withLock { state in
            if case .closed = state.phase { return }
            if let epoch, epoch != state.epoch { return }
            shutdown(descriptor, CInt(SHUT_RDWR))
        }
    }

    var isOpen: Bool {
        state.withLock { if case .closed = $0.phase { false } else { true } }
    }

    /// Nothing is under way and nothing has arrived.
    var isQuiet: Bool {
        state.withLock { state in
            guard case .idle = state.phase, !state.isAtWork else { return false }
            var waiting: CInt = 0
            return ioctl(descriptor, UInt(FIONREAD), &waiting) == 0 && waiting == 0
        }
    }

    /// Closes the descriptor. Its number may be a new connection's at once, whose `open` waits for the lock.
    func close() {
        reset()
        state.withLock {
            $0.phase = .closed
            $0.epoch &+= 1
            _ = Glibc.close(descriptor)
        }
    }

    private func arm(_ next: Phase, _ interest: PollInterest, _ poller: Poller) -> Bool {
        let isAtWork = if case .none = work { arrival != nil } else { true }
        let (epoch, wasWatched) = state.withLock { state in
            state.phase = next
            state.isAtWork = isAtWork
            defer { state.isWatched = true }
            return (state.epoch, state.isWatched)
        }
        // From here on the connection is another thread's as soon as epoll has it.
        let error = wasWatched ? poller.rearm(descriptor, epoch, for: interest) : poller.add(descriptor, epoch, for: interest)
        if error == 0 { return true }
        unpark()
        return false
    }

    private func reset() {
        work = .none
        arrival = nil
        deadline = nil
        hasUnreadInput = false
    }
}

/// Every connection by its descriptor. Objects are made once per number and stay, so that a late event finds one to be stale on.
///
/// `@unchecked Sendable`: the places are atomics, written once each.
final class ConnectionTable: @unchecked Sendable {
    let capacity: Int
    /// Zeroed memory is an atomic zero, and pages that no descriptor reaches are never touched.
    private let places: UnsafeMutablePointer<Atomic<UInt>>

    init(capacity: Int) throws(EventLoopError) {
        guard let memory = calloc(capacity, MemoryLayout<Atomic<UInt>>.stride) else { throw .system(call: "calloc", errno: errno) }
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
    func open(_ descriptor: CInt) -> Connection? {
        guard Int(descriptor) < capacity else { return nil }
        let connection: Connection
        if let known = self[descriptor] {
            connection = known
        } else {
            connection = Connection(descriptor: descriptor)
            let pointer = UInt(bitPattern: Unmanaged.passRetained(connection).toOpaque())
            places[Int(descriptor)].store(pointer, ordering: .releasing)
        }
        connection.open()
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
