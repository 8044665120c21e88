import CSystem
import Glibc
import Synchronization

/// The listening socket inside an event loop.
final class Acceptor: Sendable {
    private let socket: ListeningSocket
    private let reactor: Reactor
    private let isTCP: Bool
    private let isPaused = Atomic(false)
    private let isClosed = Atomic(false)

    init(socket: ListeningSocket, reactor: Reactor) throws(EventLoopError) {
        self.socket = socket
        self.reactor = reactor
        let flags = fcntl(socket.descriptor, F_GETFL)
        guard flags >= 0, fcntl(socket.descriptor, F_SETFL, flags | O_NONBLOCK) == 0 else {
            throw .system(call: "fcntl", errno: errno)
        }
        var family: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        getsockopt(socket.descriptor, SOL_SOCKET, SO_DOMAIN, &family, &size)
        isTCP = family != AF_UNIX
    }

    /// Has epoll watch the socket.
    func begin() throws(EventLoopError) {
        let error = reactor.poller.watch(listening: socket.descriptor)
        guard error == 0 || error == EEXIST else { throw .system(call: "epoll_ctl", errno: error) }
    }

    /// Leaves what comes from now on to others.
    func end() {
        isClosed.store(true, ordering: .sequentiallyConsistent)
        reactor.poller.forget(socket.descriptor)
    }

    /// The next connection that waits, now the caller's; nil when none waits or there is no room for it.
    func next() -> Connection? {
        guard reactor.connections.load(ordering: .relaxed) < reactor.limits.connections else {
            pause(because: "the limit of connections is reached")
            return nil
        }
        let descriptor = csys_accept(socket.descriptor)
        guard descriptor >= 0 else {
            refused(-descriptor)
            return nil
        }
        guard let connection = reactor.table.open(descriptor) else {
            _ = close(descriptor)
            return nil
        }
        reactor.connections.add(1, ordering: .relaxed)
        setOptions(descriptor)
        return connection
    }

    private func refused(_ error: CInt) {
        switch error {
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: pause(because: String(cString: strerror(error)))
        case EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP:
            reactor.log.error("the listening socket is gone: \(String(cString: strerror(error)))")
            end()
        default: break  // nobody waits, or the caller left while it waited
        }
    }

    /// Looks away for a moment: a socket that is always ready and cannot be served would keep a core busy.
    private func pause(because reason: String) {
        guard !isPaused.exchange(true, ordering: .acquiringAndReleasing) else { return }
        reactor.log.warning("not accepting connections for 100 ms: \(reason)")
        reactor.poller.forget(socket.descriptor)
        reactor.timetable.schedule(at: csys_monotonic_ns() + 100_000_000) { [self] in
            isPaused.store(false, ordering: .releasing)
            guard !isClosed.load(ordering: .sequentiallyConsistent) else { return }
            _ = reactor.poller.watch(listening: socket.descriptor)
        }
    }

    private func setOptions(_ descriptor: CInt) {
        guard isTCP else { return }
        var on: CInt = 1
        let size = socklen_t(MemoryLayout<CInt>.size)
        setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &on, size)
        setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, size)
    }
}
