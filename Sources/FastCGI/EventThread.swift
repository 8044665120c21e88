import CSystem
import Glibc
import Synchronization

/// One of the threads that serve what epoll reports, while it leads. Used by its own thread alone, but for the tally.
final class EventThread {
    let reactor: Reactor
    private let number: Int
    /// Counted by thread, so that threads do not share a cache line.
    let tally: Tally
    /// Holds what has come while it is looked at: parameters, their framing, and a body that fits.
    let scratch: UnsafeMutableRawBufferPointer
    /// Holds the head of an answer while it is sent; kept for its memory.
    var front: [UInt8] = []
    private let acceptor: Acceptor

    init(number: Int, reactor: Reactor, acceptor: Acceptor, tally: Tally) {
        self.number = number
        self.reactor = reactor
        self.acceptor = acceptor
        self.tally = tally
        scratch = .allocate(byteCount: reactor.limits.parameterBytes + 128 * 1024, alignment: 64)
    }

    deinit {
        scratch.deallocate()
    }

    /// Serves, whenever it leads, until the loop's stop bell rings.
    func run() {
        while reactor.leadership.follow(number) {
            do { try lead() } catch {
                reactor.log.critical("the event threads end: \(error)")
                reactor.leadership.finish()
            }
        }
    }

    private func lead() throws(EventLoopError) {
        while true {
            switch reactor.leadership.next(for: number) {
            case .piece(let token): serve(Poller.signal(token))
            case .nothing:
                reactor.afterwards.run()
                reactor.leadership.found(try reactor.poller.wait(into: reactor.leadership.ready))
                tally.wakes.add(1, ordering: .relaxed)
            case .lost:
                // What this thread has just added may have come too late for the next leader, who waits on epoll already.
                return reactor.afterwards.run()
            }
        }
    }

    private func serve(_ signal: Poller.Signal) {
        switch signal {
        case .connection(let descriptor, let epoch): serve(descriptor, epoch)
        case .listening: if let connection = acceptor.next() { look(at: connection) }
        case .watched(let number): look(atWatch: number)
        case .replies: deliver(reactor.replies.fetch())
        case .stop: reactor.leadership.finish()
        }
    }

    private func deliver(_ items: [ReplyQueue.Item]) {
        for item in items {
            reactor.parked.subtract(1, ordering: .relaxed)
            item.connection.unpark()
            answer(item.connection, item.response)
        }
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
        case .receiving(let input, let pairs): receive(connection, input, pairs)
        case .sending(let outgoing): send(connection, outgoing)
        case .lingering: linger(connection)
        }
    }
}

/// What a thread has done.
final class Tally: Sendable {
    let answered = Atomic(0)
    let wakes = Atomic(0)
}
