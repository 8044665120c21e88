import CLibFCGI
import Glibc
import Synchronization

/// One descriptor's connection as a state machine: its owner tells it what happened, and it says what to do next. It reads, writes and
/// waits for nothing itself. The object stays for the next connection on the same number.
///
/// `@unchecked Sendable`: `ownership` is guarded by its mutex. Everything else belongs to the thread that made the phase `busy`, which is
/// one at a time: epoll reports an armed connection once, and whoever ends a wait hands it to one event thread.
final class Connection: @unchecked Sendable {
    let descriptor: CInt
    private let ownership = Mutex(Ownership())
    /// It came by TCP, not over a Unix socket.
    private var isTCP = false
    private var stage = Stage.idle
    /// The id of the request under way, or of the last one.
    private(set) var request: UInt16 = 0
    /// The connection stays after the answer.
    private var isKept = false
    /// The caller has sent, or may still send, more than was read of its request.
    private var hasUnreadInput = false
    /// What has come behind the request under way, or behind what is being answered, and is looked at after that.
    private var ahead: RequestReader.Partial?
    /// Ends the present work when it takes too long.
    var deadline: TimerQueue.Timer?

    init(descriptor: CInt) {
        self.descriptor = descriptor
    }

    // MARK: What happens on a connection, and what its owner does next

    /// What the owner does next. Large and seldom parts are held apart, so that a hit moves little.
    enum Action {
        /// Read, and say what has `arrived`.
        case read
        /// Read on behind what has come, and say what has `arrived`.
        indirect case readOn(after: RequestReader.Partial)
        /// Look at what has come already, and say what has `arrived`.
        indirect case look(at: RequestReader.Partial)
        case handle(Request)
        /// Write on, and say what came of it (`wrote`).
        indirect case write(UnsentResponse)
        /// Say that nothing more is sent, then `discard`.
        case endSending
        /// Throw away what comes, and say whether there may be more (`discarded`).
        case discard
        /// Let epoll watch it, for so long at most; nil for as long as it takes.
        case wait(for: PollInterest, TimeLimit?)
        case close(Fault?)
    }

    /// How long it may take from its beginning until the connection is closed.
    enum TimeLimit {
        /// `Limits.receiveTimeout`
        case receive
        /// `Limits.sendTimeout`
        case send
    }

    private enum Stage {
        /// Between two requests.
        case idle
        indirect case receiving(RequestReader.Partial)
        /// With the handler, or parked.
        case handling
        indirect case sending(UnsentResponse)
        /// The answer is out; what the caller still sends is thrown away, so that closing does not cost it the answer (a reset overtakes
        /// what it has not read).
        case lingering
    }

    /// It can be read or written, or was just accepted.
    func ready() -> Action {
        switch stage {
        case .idle, .handling: return .read
        case .receiving(let partial):
            stage = .idle  // so that what has come has one owner and grows in place
            return .readOn(after: partial)
        case .sending(let unsent):
            stage = .handling
            return .write(unsent)
        case .lingering: return .discard
        }
    }

    func arrived(_ arrival: RequestReader.Arrival) -> Action {
        switch arrival {
        case .nothing: return .wait(for: .readable, nil)
        case .part(let partial):
            stage = .receiving(partial)
            return .wait(for: .readable, .receive)
        case .request(let whole):
            stage = .handling
            (request, isKept, hasUnreadInput) = (whole.id, whole.isKept, whole.hasMore)
            if !whole.ahead.isEmpty {
                ahead = .parameters(whole.ahead)
                // One that was aborted in the same breath is not begun.
                if !hasUnreadInput, AbortSearch(for: request, behind: whole.ahead).isFound { return aborted() }
            }
            // A copy is made for who needs it alone.
            guard isTCP else { return .handle(whole.request) }
            var request = whole.request
            request.cameByTCP = true
            return .handle(request)
        case .replies(let replies):
            stage = .handling
            (isKept, hasUnreadInput, ahead) = (!replies.isLast, replies.isLast, replies.rest)
            return .write(UnsentResponse(records: replies.records))
        case .end(let fault): return .close(fault)
        }
    }

    /// The web server has ended the request under way, which was parked, or is not begun.
    func aborted() -> Action {
        var end: [UInt8] = []
        end.append(record: FCGI_EndRequestRecord(request, FCGI_REQUEST_COMPLETE))
        return .write(UnsentResponse(records: end))
    }

    /// How the answer is to be ended, and with that whether the connection stays.
    /// - Parameter isLeaving: no connection is kept any more, but for the requests that have come on it already.
    func answering(isLeaving: Bool) -> ResponseWriter.Ending {
        let wasKept = isKept
        isKept = wasKept && !hasUnreadInput && (!isLeaving || ahead != nil)
        return wasKept && !isKept ? .leaving : .asAsked
    }

    func wrote(_ progress: ResponseWriter.Progress) -> Action {
        switch progress {
        case .done:
            stage = .idle
            guard isKept else { return ended() }
            guard let next = ahead else { return .wait(for: .readable, nil) }
            ahead = nil
            return .look(at: next)
        case .blocked(let unsent):
            stage = .sending(unsent)
            return .wait(for: .writable, .send)
        case .failed: return .close(nil)
        }
    }

    private func ended() -> Action {
        guard hasUnreadInput || ahead != nil else { return .close(nil) }
        ahead = nil
        stage = .lingering
        return .endSending
    }

    /// - Parameter mayGoOn: the caller has not hung up.
    func discarded(mayGoOn: Bool) -> Action { mayGoOn ? .wait(for: .readable, .receive) : .close(nil) }

    private var isIdle: Bool { if case .idle = stage { true } else { false } }

    private func reset() {
        stage = .idle
        deadline = nil
        hasUnreadInput = false
        ahead = nil
    }

    // MARK: Whose it is

    private enum Phase {
        case closed
        /// Watched by epoll.
        case resting
        /// Some thread has it.
        case busy
        case parked(ResponseHandle)
    }

    private struct Ownership {
        var phase = Phase.closed
        /// Changes whenever what was armed before must not count any more.
        var epoch: UInt32 = 0
        /// Resting in the middle of a request.
        var isAtWork = false
        /// Known to epoll.
        var isWatched = false
        /// Of a parked request: what comes meanwhile. nil where the rest of it would come first.
        var search: AbortSearch?
    }

    /// The accepting thread has it.
    func open(isTCP: Bool) {
        ownership.withLock {
            $0.phase = .busy
            $0.isWatched = false
            $0.epoch &+= 1
        }
        self.isTCP = isTCP
        reset()
    }

    enum Taken {
        case mine
        case leaving(ResponseHandle)
        case aborting(ResponseHandle)
        /// Parked as before; what has come is looked at after the answer.
        case staying
        case stale
    }

    /// Claims the connection for the thread that epoll woke.
    func take(epoch: UInt32) -> Taken {
        ownership.withLock { state in
            guard state.epoch == epoch else { return .stale }
            switch state.phase {
            case .resting:
                state.phase = .busy
                return .mine
            case .parked(let reply): return look(&state, parkedFor: reply)
            case .closed, .busy: return .stale
            }
        }
    }

    /// What woke epoll. The reply may come at any moment and with it another owner, who finds what was taken here.
    private func look(_ state: inout Ownership, parkedFor reply: ResponseHandle) -> Taken {
        guard state.search?.isOver == false, let count = state.search?.receive(from: descriptor) else { return .leaving(reply) }
        if count == 0 || count < 0 && errno != EAGAIN && errno != EINTR { return .leaving(reply) }
        return state.search?.isFound == true ? .aborting(reply) : .staying
    }

    /// Has epoll go on watching a parked connection that `stays`, unless the wait has ended meanwhile: nobody ends it during the call.
    func watchOn(_ arm: (Poller.Arming, PollInterest) -> Void) {
        ownership.withLock { state in
            guard case .parked = state.phase else { return }
            arm(Poller.Arming(epoch: state.epoch, isWatched: state.isWatched), Self.interest(state.search))
        }
    }

    /// What epoll is to watch while it is parked: whether the caller leaves, and for as long as that may be seen, whether it ends the request.
    private static func interest(_ search: AbortSearch?) -> PollInterest {
        search?.isOver == false ? .abortOrPeerClosed : .peerClosed
    }

    /// The owner is about to give it to epoll: from then on it is another thread's.
    func rest() -> Poller.Arming {
        let isAtWork = !isIdle
        return ownership.withLock { arm(.resting, isAtWork: isAtWork, &$0) }
    }

    /// As `rest`, while it waits for the reply.
    func park(_ reply: ResponseHandle) -> (Poller.Arming, PollInterest) {
        var search: AbortSearch?
        if !hasUnreadInput {
            switch ahead {
            case nil: search = AbortSearch(for: request, behind: [])
            case .parameters(let bytes): search = AbortSearch(for: request, behind: bytes)
            case .body: break
            }
        }
        if search != nil { ahead = nil }
        let interest = Self.interest(search)
        return ownership.withLock { state in
            state.search = search
            return (arm(.parked(reply), isAtWork: true, &state), interest)
        }
    }

    private func arm(_ next: Phase, isAtWork: Bool, _ state: inout Ownership) -> Poller.Arming {
        state.phase = next
        state.isAtWork = isAtWork
        defer { state.isWatched = true }
        return Poller.Arming(epoch: state.epoch, isWatched: state.isWatched)
    }

    /// The calling thread, which ended the wait, has it. The new epoch makes the caller's leaving, noticed at the same moment, stale.
    func takeBack() {
        let search = ownership.withLock { state in
            state.phase = .busy
            state.epoch &+= 1
            defer { state.search = nil }
            return state.search
        }
        if let search, !search.bytes.isEmpty { ahead = .parameters(search.bytes) }
    }

    var parkedReply: ResponseHandle? {
        ownership.withLock { if case .parked(let reply) = $0.phase { reply } else { nil } }
    }

    /// The epoch of a piece of work that has a deadline.
    func renewEpoch() -> UInt32 {
        ownership.withLock {
            $0.epoch &+= 1
            return $0.epoch
        }
    }

    /// Shuts the socket down, whoever has the connection: the thread that has it, or that epoll wakes now, will close it. With an
    /// epoch, only while that epoch lasts. Nobody but the owner closes a descriptor, so that none is used after it was closed.
    func hangUp(epoch: UInt32? = nil) {
        ownership.withLock { state in
            if case .closed = state.phase { return }
            if let epoch, epoch != state.epoch { return }
            shutdown(descriptor, CInt(SHUT_RDWR))
        }
    }

    var isOpen: Bool {
        ownership.withLock { if case .closed = $0.phase { false } else { true } }
    }

    /// Nothing is under way and nothing has arrived.
    var isQuiet: Bool {
        ownership.withLock { state in
            guard case .resting = state.phase, !state.isAtWork else { return false }
            var waiting: CInt = 0
            return ioctl(descriptor, UInt(FIONREAD), &waiting) == 0 && waiting == 0
        }
    }

    /// Closes the descriptor. Its number may be a new connection's at once, whose `open` waits for the lock.
    func close() {
        reset()
        ownership.withLock {
            $0.phase = .closed
            $0.epoch &+= 1
            $0.search = nil
            _ = Glibc.close(descriptor)
        }
    }
}
