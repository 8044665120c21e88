import CSystem
import Glibc
import Platform

/// The epoll that all threads of an event loop wait on (epoll(7)).
struct Poller: Sendable {
    /// What a ready descriptor means.
    enum Signal: Equatable {
        case replies, stop
        /// The listening socket of this number.
        case listening(Int)
        case watched(number: UInt32)
        case connection(descriptor: CInt, epoch: UInt32)
    }

    /// How a connection is to be watched.
    struct Arming: Equatable {
        /// Comes back with its signal.
        let epoch: UInt32
        /// epoll knows it already.
        let isWatched: Bool
    }

    private let epoll: CInt
    /// The topmost ones, which no connection and no watch has, are those of what there is few of: listening sockets from here on downwards.
    private static let listeningToken = UInt64.max - 2
    private static let lastListeningToken = listeningToken - 255
    private static let repliesToken = UInt64.max
    private static let stopToken = UInt64.max - 1
    /// A bit that no descriptor has.
    private static let watchedMark: UInt64 = 1 << 31

    init() throws(SystemError) {
        epoll = epoll_create1(CInt(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw SystemError("epoll_create1") }
    }

    func close() { _ = Glibc.close(epoll) }

    /// Wakes one of the processes that share the socket, not all of them.
    /// - Parameter number: comes back with its signal; at most 255.
    func watch(listening descriptor: CInt, _ number: Int) -> CInt {
        control(EPOLL_CTL_ADD, descriptor, csys_epoll_readable | csys_epoll_exclusive, Self.listeningToken - UInt64(number))
    }

    func forget(_ descriptor: CInt) { _ = control(EPOLL_CTL_DEL, descriptor, 0, 0) }

    /// Every write to the eventfd wakes one thread.
    func watch(replies descriptor: CInt) -> CInt {
        control(EPOLL_CTL_ADD, descriptor, csys_epoll_readable | csys_epoll_edge, Self.repliesToken)
    }

    /// One write to the eventfd wakes all threads.
    func watch(stop descriptor: CInt) -> CInt {
        control(EPOLL_CTL_ADD, descriptor, csys_epoll_readable, Self.stopToken)
    }

    /// Watches a connection, once: the thread that is woken owns it until it arms it again. 0, or errno.
    func arm(_ descriptor: CInt, _ arming: Arming, for events: PollInterest) -> CInt {
        control(
            arming.isWatched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, descriptor, events.rawValue | csys_epoll_once,
            Self.token(descriptor, arming.epoch))
    }

    /// Watches a descriptor of the application's, once.
    func add(watched descriptor: CInt, _ number: UInt32) -> CInt {
        control(EPOLL_CTL_ADD, descriptor, csys_epoll_readable | csys_epoll_once, Self.token(watched: number))
    }

    func rearm(watched descriptor: CInt, _ number: UInt32) -> CInt {
        control(EPOLL_CTL_MOD, descriptor, csys_epoll_readable | csys_epoll_once, Self.token(watched: number))
    }

    /// Waits for signals and writes their tokens. Answers how many there are; 0 when interrupted.
    func wait(into tokens: UnsafeMutableBufferPointer<UInt64>) throws(SystemError) -> Int {
        let count = csys_epoll_wait(epoll, tokens.baseAddress, CInt(tokens.count))
        guard count >= 0 else { throw SystemError("epoll_wait", code: -count) }
        return Int(count)
    }

    static func signal(_ token: UInt64) -> Signal {
        switch token {
        case repliesToken: .replies
        case stopToken: .stop
        case lastListeningToken...listeningToken: .listening(Int(listeningToken - token))
        case let token where token & watchedMark != 0: .watched(number: UInt32(token >> 32))
        default: .connection(descriptor: CInt(token & 0x7fff_ffff), epoch: UInt32(token >> 32))
        }
    }

    /// Not the topmost number, so that no watch has one of the tokens above.
    private static func token(watched number: UInt32) -> UInt64 { UInt64(number & 0x7fff_ffff) << 32 | watchedMark }

    private static func token(_ descriptor: CInt, _ epoch: UInt32) -> UInt64 {
        UInt64(epoch) << 32 | UInt64(descriptor)
    }

    private func control(_ operation: CInt, _ descriptor: CInt, _ events: UInt32, _ token: UInt64) -> CInt {
        csys_epoll_control(epoll, operation, descriptor, events, token)
    }
}

/// What a connection waits for.
enum PollInterest: Sendable {
    case readable, writable, peerClosed, abortOrPeerClosed

    var rawValue: UInt32 {
        switch self {
        case .readable: csys_epoll_readable
        case .writable: csys_epoll_writable
        case .peerClosed: csys_epoll_peer_closed
        case .abortOrPeerClosed: csys_epoll_readable | csys_epoll_peer_closed
        }
    }
}
