import CSystem
import Glibc
import Synchronization

/// From a response to the caller's socket.
extension EventThread {
    func answer(_ connection: Connection, _ response: Response) {
        let keeps = connection.isKept && !connection.hasUnreadInput && !reactor.isLeaving
        let ending: Outgoing.Ending = connection.isKept && !keeps ? .leaving : .asAsked
        connection.isKept = keeps
        guard let outgoing = Outgoing(response, to: connection.request, ending, front: takeFront()) else {
            reactor.log.error("an answer has \(response.head.count) bytes of header lines, which nobody takes")
            return reactor.close(connection)
        }
        send(connection, outgoing)
    }

    /// Sends what the socket takes, then waits without a thread.
    func send(_ connection: Connection, _ outgoing: Outgoing) {
        connection.work = .none
        var outgoing = outgoing
        switch outgoing.send(on: connection.descriptor) {
        case .done:
            front = outgoing.front
            reactor.liftLimit(of: connection)
            finish(connection)
        case .blocked:
            if connection.deadline == nil { reactor.limitWork(of: connection, to: reactor.limits.sendTimeout, since: csys_monotonic_ns()) }
            connection.work = .sending(outgoing)
            reactor.rest(connection, until: .writable)
        case .failed: reactor.close(connection)
        }
    }

    private func takeFront() -> [UInt8] {
        defer { front = [] }
        return front
    }

    /// Throws away what the caller still sends, so that closing does not cost it the answer (a reset overtakes what it has not read).
    func linger(_ connection: Connection) {
        for _ in 0..<16 {
            let count = recv(connection.descriptor, scratch.baseAddress, scratch.count, CInt(MSG_DONTWAIT))
            if count < 0, errno == EAGAIN { return reactor.rest(connection) }
            guard count > 0 else { return reactor.close(connection) }
        }
        reactor.rest(connection)
    }

    func park(_ connection: Connection, _ ticket: Ticket) {
        guard reactor.mode.load(ordering: .relaxed) != .stopping else { return answer(connection, ticket, ticket.ended(.stopping)) }
        guard reactor.parked.add(1, ordering: .relaxed).newValue <= reactor.limits.parked else {
            reactor.parked.subtract(1, ordering: .relaxed)
            return answer(connection, ticket, ticket.ended(.refused))
        }
        let reactor = reactor
        let reply = Reply(timetable: reactor.timetable, ended: ticket.ended) {
            let answer = ticket.change($0)
            ticket.answered(answer)
            reactor.replies.push(answer, to: connection)
        }
        ticket.parked(reply)
        let early = reply.begin { reply in
            // Should epoll refuse the descriptor, the deadline still ends the wait.
            _ = connection.park(reply, in: reactor.poller)
            return reactor.timetable.schedule(at: ticket.deadline) { reply.end(.deadline) }
        }
        if let early {
            reactor.parked.subtract(1, ordering: .relaxed)
            return answer(connection, ticket, early)
        }
        // A stop that began meanwhile may have looked for parked callers before this one was there.
        if reactor.mode.load(ordering: .sequentiallyConsistent) == .stopping { reply.end(.stopping) }
    }

    private func answer(_ connection: Connection, _ ticket: Ticket, _ response: Response) {
        let response = ticket.change(response)
        ticket.answered(response)
        answer(connection, response)
    }

    private func finish(_ connection: Connection) {
        tally.answered.add(1, ordering: .relaxed)
        if connection.isKept { return reactor.rest(connection) }
        guard connection.hasUnreadInput else { return reactor.close(connection) }
        shutdown(connection.descriptor, CInt(SHUT_WR))
        connection.work = .lingering
        reactor.limitWork(of: connection, to: reactor.limits.receiveTimeout, since: csys_monotonic_ns())
        linger(connection)
    }
}
