import CSystem
import Glibc
import Logging
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
    let timetable = Timetable()
    let replies: ReplyQueue
    let watches = Watches()
    let kept = KeptPromises()
    let leadership = Leadership()
    let afterwards = Afterwards()
    let stopBell: EventCounter
    let connections = Atomic(0)
    let parked = Atomic(0)
    let mode = Atomic(Mode.running)

    init(limits: Limits, handler: any Handler, log: Logger) throws {
        self.limits = limits
        self.handler = handler
        self.log = log
        poller = try Poller()
        replies = try ReplyQueue()
        stopBell = try EventCounter()
        table = try ConnectionTable(capacity: Limits.descriptors)
        for error in [poller.watch(replies: replies.bell.descriptor), poller.watch(stop: stopBell.descriptor)] where error != 0 {
            throw EventLoopError.system(call: "epoll_ctl", errno: error)
        }
    }

    deinit {
        poller.close()
        replies.bell.close()
        stopBell.close()
    }

    /// No connection is kept beyond its next answer.
    var isLeaving: Bool { mode.load(ordering: .relaxed) != .running }

    /// Gives a connection back to epoll.
    func rest(_ connection: Connection, until readiness: Readiness = .readable) {
        if !connection.rest(until: readiness, in: poller) { close(connection) }
    }

    /// Closes a connection that the calling thread has.
    func close(_ connection: Connection) {
        if let deadline = connection.deadline { timetable.cancel(deadline) }
        connection.close()
        countClosed()
    }

    /// Closes the connection when its present work is not done after so long.
    func limitWork(of connection: Connection, to duration: Duration, since start: UInt64) {
        let epoch = connection.renewEpoch()
        connection.deadline = timetable.schedule(at: start + duration.nanoseconds) { connection.hangUp(epoch: epoch) }
    }

    /// The work is done.
    func liftLimit(of connection: Connection) {
        guard let deadline = connection.deadline else { return }
        timetable.cancel(deadline)
        connection.deadline = nil
        _ = connection.renewEpoch()
    }

    private func countClosed() {
        let left = connections.subtract(1, ordering: .relaxed).newValue
        if left == 0, isLeaving { timetable.ring() }
    }
}

extension Duration {
    /// Whole nanoseconds, not below zero.
    var nanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        return UInt64(max(0, seconds)) * 1_000_000_000 + UInt64(max(0, attoseconds / 1_000_000_000))
    }
}
