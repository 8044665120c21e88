import CSystem
import Glibc
import Platform
import Synchronization

/// One of the listening sockets inside an event loop.
final class Acceptor: Sendable {
    private let socket: ListeningSocket
    private let number: Int
    private let reactor: Reactor
    private let isTCP: Bool
    /// Who may connect by TCP; nil: everybody.
    private let peers: [AddressRange]?
    private let strangers: LogOnce
    private let watch = Mutex(Watch.none)  // with what epoll does

    private enum Watch { case none, on, paused, ended }

    /// So many of those who may not connect are closed before something else is done.
    private static let strangersAtOnce = 16

    /// - Parameter number: the socket's among those of the loop.
    init(socket: ListeningSocket, number: Int, peers: [AddressRange]?, reactor: Reactor) throws(SystemError) {
        self.socket = socket
        self.number = number
        self.peers = peers
        self.reactor = reactor
        strangers = LogOnce(reactor.log, repeatedEvery: .seconds(60))
        let flags = fcntl(socket.descriptor, F_GETFL)
        guard flags >= 0, fcntl(socket.descriptor, F_SETFL, flags | O_NONBLOCK) == 0 else {
            throw SystemError("fcntl")
        }
        isTCP = !socket.isUnix
    }

    /// Has epoll watch the socket.
    func begin() throws(SystemError) {
        let error = watch.withLock { watch -> CInt in
            guard watch == .none else { return 0 }
            watch = .on
            return reactor.poller.watch(listening: socket.descriptor, number)
        }
        guard error == 0 || error == EEXIST else { throw SystemError("epoll_ctl", code: error) }
    }

    /// Leaves what comes from now on to others.
    func end() {
        watch.withLock {
            $0 = .ended
            reactor.poller.forget(socket.descriptor)
        }
    }

    /// The next connection that waits, now the caller's; nil when none waits, when there is no room for it, and after many that may not connect.
    func next() -> Connection? {
        for _ in 0..<Self.strangersAtOnce {
            guard let descriptor = accept() else { return nil }
            if isTCP, !mayConnect(descriptor) {
                _ = close(descriptor)
                continue
            }
            guard let connection = reactor.table.open(descriptor, isTCP: isTCP) else {
                _ = close(descriptor)
                return nil
            }
            reactor.connections.add(1, ordering: .relaxed)
            setOptions(descriptor)
            letOthersAccept()
            return connection
        }
        return nil
    }

    private func accept() -> CInt? {
        guard reactor.connections.load(ordering: .relaxed) < reactor.limits.connections else {
            pause(because: "the limit of connections is reached")
            return nil
        }
        let descriptor = csys_accept(socket.descriptor)
        guard descriptor >= 0 else {
            refused(-descriptor)
            return nil
        }
        return descriptor
    }

    /// Whether the other end is one of those who may. Who has left meanwhile is nobody.
    private func mayConnect(_ descriptor: CInt) -> Bool {
        guard let peers else { return true }
        guard let address = InternetAddress(peerOf: descriptor) else { return false }
        if peers.contains(where: { $0.contains(address) }) { return true }
        let name = "\(address)"
        // However many they are, a line a minute.
        strangers.raise(
            name, kind: "stranger", now: SystemClock().wall, "closed a connection from \(name), which is none of SWINGMUSIC_FCGI_PEERS")
        return false
    }

    /// Goes to the end of the queue of those who wait for connections (EPOLLEXCLUSIVE wakes the first that has time), so that the
    /// processes that share the socket come to have as many each. A kept connection's requests stay with who accepted it.
    private func letOthersAccept() {
        watch.withLock { watch in
            guard watch == .on else { return }
            reactor.poller.forget(socket.descriptor)
            _ = reactor.poller.watch(listening: socket.descriptor, number)
        }
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
        let begins = watch.withLock { watch in
            guard watch == .on else { return false }
            watch = .paused
            reactor.poller.forget(socket.descriptor)
            return true
        }
        guard begins else { return }
        reactor.log.warning("not accepting connections for 100 ms: \(reason)")
        reactor.timers.schedule(after: .milliseconds(100)) { [self] in
            watch.withLock { watch in
                guard watch == .paused else { return }
                watch = .on
                _ = reactor.poller.watch(listening: socket.descriptor, number)
            }
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
