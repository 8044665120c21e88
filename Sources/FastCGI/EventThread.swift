import CSystem
import Glibc
import Synchronization

/// One of the threads that wait on the shared epoll and serve what is ready. Used by its own thread alone, but for `answered`.
final class EventThread {
    let reactor: Reactor
    /// Answers of this thread; counted apart so that threads do not share a cache line.
    let tally: Tally
    /// Holds a request while it is looked at: parameters, their framing, and a body that fits.
    let scratch: UnsafeMutableRawBufferPointer
    private let acceptor: Acceptor
    /// Signals taken at once: a busy loop saves calls, and a thread does not sit on much that another could serve.
    private static let batch = 4

    init(reactor: Reactor, acceptor: Acceptor, tally: Tally) {
        self.reactor = reactor
        self.acceptor = acceptor
        self.tally = tally
        scratch = .allocate(byteCount: reactor.limits.parameterBytes + 128 * 1024, alignment: 64)
    }

    deinit {
        scratch.deallocate()
    }

    /// Serves until the loop's stop bell rings.
    func run() {
        let tokens = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: Self.batch)
        defer { tokens.deallocate() }
        while true {
            let count = Int(reactor.poller.wait(tokens))
            guard count >= 0 else {
                reactor.log.critical("epoll_wait: \(String(cString: strerror(CInt(-count))))")
                return
            }
            var stops = false
            for index in 0..<count {
                if case .stop = serve(Poller.signal(tokens[index])) { stops = true }
            }
            if stops { return }
        }
    }

    @discardableResult
    private func serve(_ signal: Poller.Signal) -> Poller.Signal {
        switch signal {
        case .connection(let descriptor, let epoch): serve(descriptor, epoch)
        case .listening:
            if let connection = acceptor.next() { look(at: connection) }
        case .replies:
            for item in reactor.replies.fetch() {
                reactor.parked.subtract(1, ordering: .relaxed)
                item.connection.unpark()
                answer(item.connection, item.response)
            }
        case .stop: break
        }
        return signal
    }

    private func serve(_ descriptor: CInt, _ epoch: UInt32) {
        guard let connection = reactor.table[descriptor] else { return }
        switch connection.take(epoch: epoch) {
        case .mine: proceed(connection)
        case .stale: break
        case .leaving(let reply):
            guard reply.end(.clientLeft) else { return }
            reactor.parked.subtract(1, ordering: .relaxed)
            connection.unpark()
            reactor.close(connection)
        }
    }

    private func proceed(_ connection: Connection) {
        switch connection.work {
        case .none: look(at: connection)
        case .receiving(let input): receive(connection, input)
        case .sending(let outgoing): send(connection, outgoing)
        case .lingering: linger(connection)
        }
    }
}

/// How many answers a thread has given.
final class Tally: Sendable {
    let answered = Atomic(0)
}
