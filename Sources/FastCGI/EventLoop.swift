import Logging
import Platform
import Synchronization

/// Serves FastCGI requests on one listening socket or several: one of a few threads waits on epoll (`LeaderFollowers`), and
/// another one keeps the time.
public final class EventLoop: Sendable {
    let reactor: Reactor
    private let acceptors: [Acceptor]
    private let shutdown: Shutdown
    private let threadCounters: [ThreadCounters]

    /// Prepares the loop; nothing is accepted before `run`.
    /// - Parameters:
    ///   - sockets: at least one, at most `ListeningSocket.most`.
    ///   - peers: who may connect by TCP; others are closed without an answer. nil: everybody.
    /// - Throws: `SystemError`.
    public init(
        sockets: [ListeningSocket], peers: [AddressRange]? = nil, threads: Int, limits: Limits = Limits(), handler: any Handler, log: Logger
    ) throws(SystemError) {
        let reactor = try Reactor(limits: limits, handler: handler, log: log)
        self.reactor = reactor
        var acceptors: [Acceptor] = []
        for (number, socket) in sockets.prefix(ListeningSocket.most).enumerated() {
            acceptors.append(try Acceptor(socket: socket, number: number, peers: peers, reactor: reactor))
        }
        self.acceptors = acceptors
        shutdown = Shutdown(reactor: reactor, acceptors: acceptors)
        threadCounters = (0..<max(1, threads)).map { _ in ThreadCounters() }
    }

    /// Serves on threads of its own; the calling thread keeps the time. Returns when stopped or drained. To be called once.
    public func run() {
        var threads: [WorkerThread] = []
        do throws(SystemError) {
            for (number, counters) in threadCounters.enumerated() {
                threads.append(
                    try WorkerThread.start(named: "fastcgi") { [reactor, acceptors] in
                        EventThread(number: number, reactor: reactor, acceptors: acceptors, counters: counters).run()
                    })
            }
            for acceptor in acceptors { try acceptor.begin() }
        } catch {
            reactor.log.critical("cannot watch the listening socket: \(error)")
            stop(within: .zero)
        }
        reactor.timers.keep { shutdown.isOver }
        reactor.stopBell.signal()
        threads.forEach { $0.join() }
        shutdown.closeAll()
    }

    /// Ends the loop: what waits in the backlog is accepted, what is in flight answered, parked tickets end as `.stopping` at once. A
    /// kept connection is closed after its next answer or when it has been idle for about a second. `run` returns when none is left,
    /// or after this long. Any thread may call it, also before `run`.
    public func stop(within duration: Duration) {
        let now = SystemClock().monotonic
        reactor.timers.schedule(at: now) { [shutdown] in shutdown.stop(by: now + duration) }
    }

    /// Ends the loop for a successor on the same socket: nothing more is accepted, parked callers keep waiting, kept connections are
    /// answered and closed after their next answer. `run` returns when none is left (a web server drops its idle ones), after 75 s at
    /// most. Any thread may call it.
    public func drain() {
        reactor.timers.schedule(after: .zero) { [shutdown] in shutdown.drain() }
    }

    /// How often its threads were woken, for tests of idleness.
    var wakes: Int { threadCounters.reduce(0) { $0 + $1.wakes.load(ordering: .relaxed) } }

    public var statistics: EventLoopStatistics {
        EventLoopStatistics(
            connections: reactor.connections.load(ordering: .relaxed),
            parked: reactor.parked.load(ordering: .relaxed),
            answered: threadCounters.reduce(0) { $0 + $1.answered.load(ordering: .relaxed) })
    }

    /// Watches a descriptor of the application's.
    /// - Parameter ready: called when it can be read or has ended, on an event thread, by one thread at a time. It must not block, and
    ///   answers whether to go on; after false the descriptor may be closed.
    /// - Returns: false when epoll refuses the descriptor.
    public func watch(_ descriptor: CInt, _ ready: @escaping @Sendable () -> Bool) -> Bool {
        let number = reactor.descriptorWatches.add(FileDescriptorWatches.Watch(descriptor: descriptor, ready: ready))
        if reactor.poller.add(watched: descriptor, number) == 0 { return true }
        reactor.descriptorWatches.remove(number)
        return false
    }

    /// Runs an action when all that was ready has been served. To be called on an event thread; it must not block.
    public func atEndOfTick(_ action: @escaping @Sendable () -> Void) { reactor.atEndOfTick.add(action) }

    /// Runs an action later, on the thread that keeps the time; it must not block.
    public func schedule(after duration: Duration, _ action: @escaping @Sendable () -> Void) {
        reactor.timers.schedule(after: duration, action)
    }
}

/// A look at an event loop. The numbers are read one after the other, without stopping it.
public struct EventLoopStatistics: Sendable, Equatable {
    /// Open connections.
    public var connections: Int
    /// Requests that wait for their reply.
    public var parked: Int
    /// Answers handed to the kernel since the start.
    public var answered: Int
}
