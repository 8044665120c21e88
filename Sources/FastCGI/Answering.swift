import CSystem
import Glibc
import Synchronization

/// From a response to the caller's socket.
extension EventThread {
    func answer(_ connection: Connection, _ response: Response) {
        let omitsBody = response.omitsBody || !response.allowsBody
        guard put(response, on: connection.exchange) else { return reactor.close(connection) }
        if omitsBody { return finish(connection) }
        guard response.body.count > Outgoing.burst else {
            guard response.body.withUnsafeBytes(connection.exchange.put) else { return reactor.close(connection) }
            return finish(connection)
        }
        reactor.limitWork(of: connection, to: reactor.limits.sendTimeout, since: csys_monotonic_ns())
        var outgoing = Outgoing(response.body)
        guard outgoing.advance(connection.exchange.put) else { return reactor.close(connection) }
        send(connection, outgoing)
    }

    /// Sends on while the socket takes it, then waits without a thread.
    func send(_ connection: Connection, _ outgoing: Outgoing) {
        var outgoing = outgoing
        while !outgoing.isDone {
            guard csys_is_writable(connection.descriptor) != 0 else {
                connection.work = .sending(outgoing)
                return reactor.rest(connection, until: .writable)
            }
            guard outgoing.advance(connection.exchange.put) else { return reactor.close(connection) }
        }
        connection.work = .none
        reactor.liftLimit(of: connection)
        finish(connection)
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
            ticket.answered($0)
            reactor.replies.push($0, to: connection)
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
        ticket.answered(response)
        answer(connection, response)
    }

    private func finish(_ connection: Connection) {
        let exchange = connection.exchange
        let keeps = exchange.isKept && !connection.hasUnreadInput && !reactor.isLeaving
        let written = exchange.isKept && !keeps ? exchange.finishLeaving() : exchange.finish()
        tally.answered.add(1, ordering: .relaxed)
        if written, keeps { return reactor.rest(connection) }
        guard written, connection.hasUnreadInput else { return reactor.close(connection) }
        shutdown(connection.descriptor, CInt(SHUT_WR))
        connection.work = .lingering
        reactor.limitWork(of: connection, to: reactor.limits.receiveTimeout, since: csys_monotonic_ns())
        linger(connection)
    }

    /// Status line, head and length (RFC 3875 section 6).
    private func put(_ response: Response, on exchange: Exchange) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { line in
            var text = LineWriter(line)
            text.write("Status: ")
            text.write(max(100, min(response.status, 999)))
            text.write(response.reason)
            text.write("\r\n")
            guard exchange.put(text.written), response.head.withUnsafeBytes(exchange.put) else { return false }
            text.clear()
            if response.allowsBody {
                text.write("Content-Length: ")
                text.write(response.body.count)
                text.write("\r\n")
            }
            text.write("\r\n")
            return exchange.put(text.written)
        }
    }
}

extension Response {
    /// A space and the reason phrase of the codes an application is likely to use: nginx repeats the Status line as it is.
    fileprivate var reason: StaticString {
        switch status {
        case 200: " OK"
        case 201: " Created"
        case 202: " Accepted"
        case 204: " No Content"
        case 301: " Moved Permanently"
        case 302: " Found"
        case 303: " See Other"
        case 304: " Not Modified"
        case 307: " Temporary Redirect"
        case 308: " Permanent Redirect"
        case 400: " Bad Request"
        case 401: " Unauthorized"
        case 403: " Forbidden"
        case 404: " Not Found"
        case 405: " Method Not Allowed"
        case 409: " Conflict"
        case 413: " Content Too Large"
        case 415: " Unsupported Media Type"
        case 422: " Unprocessable Content"
        case 429: " Too Many Requests"
        case 500: " Internal Server Error"
        case 501: " Not Implemented"
        case 502: " Bad Gateway"
        case 503: " Service Unavailable"
        case 504: " Gateway Timeout"
        default: ""
        }
    }

    /// Neither a body nor a Content-Length belongs to 1xx, 204 and 304 (RFC 9110 section 8.6).
    fileprivate var allowsBody: Bool { status >= 200 && status != 204 && status != 304 }
}
