import Platform
import Synchronization

/// How an event loop ends. Everything here runs on the timekeeper's thread, but for `closeAll`, which runs when no thread is left.
final class Shutdown: Sendable {
    private enum Step: UInt8, AtomicRepresentable { case none, leaving, forced }

    private let reactor: Reactor
    private let acceptors: [Acceptor]
    private let step = Atomic(Step.none)
    /// A web server's idle connections that are not closed by then stay with it for longer than they should (nginx's default is 60 s).
    private static let longestDrain = Duration.seconds(75)

    init(reactor: Reactor, acceptors: [Acceptor]) {
        self.reactor = reactor
        self.acceptors = acceptors
    }

    /// No connection is left, and none waits in the backlog of a loop that stops; or the time is up.
    var isOver: Bool {
        switch step.load(ordering: .acquiring) {
        case .none: false
        case .forced: true
        case .leaving:
            reactor.connections.load(ordering: .acquiring) == 0
                && (reactor.mode.load(ordering: .acquiring) == .draining || !acceptBacklog())
        }
    }

    func stop(by deadline: MonotonicTime) {
        reactor.mode.store(.stopping, ordering: .sequentiallyConsistent)
        acceptBacklog()
        acceptors.forEach { $0.end() }
        reactor.table.forEach { $0.parkedReply?.end(.stopping) }
        step.store(.leaving, ordering: .releasing)
        reactor.timers.schedule(after: .seconds(1)) { [self] in closeIdle() }
        reactor.timers.schedule(at: deadline) { [self] in step.store(.forced, ordering: .releasing) }
    }

    func drain() {
        guard reactor.mode.load(ordering: .acquiring) == .running else { return }
        reactor.mode.store(.draining, ordering: .sequentiallyConsistent)
        acceptors.forEach { $0.end() }
        step.store(.leaving, ordering: .releasing)
        reactor.timers.schedule(after: Self.longestDrain) { [self] in stop(by: SystemClock().monotonic + .seconds(2)) }
    }

    /// Closes whatever a stop that ran out of time has left.
    func closeAll() {
        reactor.table.forEach { connection in
            connection.parkedReply?.end(.stopping)
            if connection.isOpen { reactor.close(connection) }
        }
    }

    /// Has the event threads serve every connection that waits. False when none did.
    @discardableResult
    private func acceptBacklog() -> Bool {
        var found = false
        for acceptor in acceptors {
            while let connection = acceptor.next() {
                found = true
                reactor.rest(connection)
            }
        }
        return found
    }

    /// Closes connections that nothing came on since the stop began.
    private func closeIdle() {
        reactor.table.forEach { connection in
            if connection.isQuiet { connection.hangUp() }
        }
    }
}
