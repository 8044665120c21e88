import CSystem
import Glibc

/// From ready bytes to a request in the handler's hands.
extension EventThread {
    /// Looks at what has arrived, without taking it. Only a request that is right, and whose parameters are whole, is read.
    func look(at connection: Connection) {
        let count = recv(connection.descriptor, scratch.baseAddress, scratch.count, CInt(MSG_PEEK | MSG_DONTWAIT))
        guard count > 0 else {
            if count < 0, errno == EAGAIN || errno == EINTR { return reactor.rest(connection) }
            return reactor.close(connection)
        }
        do {
            let bytes = UnsafeRawBufferPointer(rebasing: scratch[..<count])
            guard let scan = try RequestScan.look(at: bytes, limits: reactor.limits) else { return pause(connection, seen: count) }
            let taken = scan.libraryEnd.roundedUp(to: reactor.readSize)
            // With less than one whole read of libfcgi's, how far it read into the body could not be told.
            guard scan.isWhole || count >= taken else { return pause(connection, seen: count) }
            begin(connection, scan, seen: count, takenByLibrary: min(taken, count))
        } catch {
            end(connection, because: error)
        }
    }

    /// Half a request: it waits without a thread, and is looked at again soon.
    private func pause(_ connection: Connection, seen count: Int) {
        let now = csys_monotonic_ns()
        var arrival = connection.arrival ?? Connection.Arrival(since: now, pause: 500_000)
        arrival.pause = min(arrival.pause * 2, 50_000_000)
        connection.arrival = arrival
        let isLate = now - arrival.since >= reactor.limits.receiveTimeout.nanoseconds
        guard !isLate, count < scratch.count, !hasEnded(connection, at: count) else { return reactor.close(connection) }
        let (reactor, epoch) = (reactor, connection.pause())
        reactor.timetable.schedule(at: now + arrival.pause) {
            // What has arrived already wakes a thread at once.
            if connection.resume(epoch: epoch) { reactor.rest(connection) }
        }
    }

    /// The caller hung up, and there is no more than what was seen.
    private func hasEnded(_ connection: Connection, at count: Int) -> Bool {
        guard csys_peer_closed(connection.descriptor) != 0 else { return false }
        var waiting: CInt = 0
        return ioctl(connection.descriptor, UInt(FIONREAD), &waiting) != 0 || Int(waiting) <= count
    }

    private func begin(_ connection: Connection, _ scan: RequestScan, seen count: Int, takenByLibrary taken: Int) {
        guard connection.exchange.accept(on: connection.descriptor) else { return reactor.forget(connection) }
        // The rest of what was seen is taken over the copy of itself.
        let rest = UnsafeMutableRawBufferPointer(rebasing: scratch[taken..<count])
        if !rest.isEmpty, recv(connection.descriptor, rest.baseAddress, rest.count, CInt(MSG_DONTWAIT)) != rest.count {
            return reactor.close(connection)
        }
        let request = Request(environment: connection.exchange.environment, body: .none)
        let length = request.contentLength
        guard length > 0 || scan.inputLength > 0 || !scan.isWhole else { return handle(connection, request) }
        switch reactor.handler.bodyPolicy(for: request) {
        case .ignore: handle(connection, with: .ignored, unread: !scan.isWhole)
        case .read(let limit) where max(length, scan.inputLength) > limit:
            handle(connection, with: .tooLarge, unread: !scan.isWhole)
        case .read(let limit):
            let input = StandardInput(request: scan.request, limit: limit, expecting: max(length, scan.inputLength))
            take(UnsafeRawBufferPointer(rebasing: scratch[scan.parametersEnd..<count]), into: input, for: connection)
        }
    }

    /// Takes what has arrived of the body, then waits for more without a thread.
    func receive(_ connection: Connection, _ input: StandardInput) {
        connection.work = .none  // so that the content has one owner and grows in place
        var input = input
        do {
            var progress = try input.feed(UnsafeRawBufferPointer(start: nil, count: 0))
            while case .wants(let wanted) = progress {
                let count = recv(connection.descriptor, scratch.baseAddress, min(wanted, scratch.count), CInt(MSG_DONTWAIT))
                if count < 0, errno == EAGAIN {
                    connection.work = .receiving(input)
                    return reactor.rest(connection)
                }
                guard count > 0 else { return reactor.close(connection) }
                progress = try input.feed(UnsafeRawBufferPointer(rebasing: scratch[..<count]))
            }
            reactor.liftLimit(of: connection)
            complete(connection, input, progress)
        } catch {
            end(connection, because: error)
        }
    }

    private func take(_ bytes: UnsafeRawBufferPointer, into input: StandardInput, for connection: Connection) {
        var input = input
        do {
            let progress = try input.feed(bytes)
            guard case .wants = progress else { return complete(connection, input, progress) }
            let start = connection.arrival?.since ?? csys_monotonic_ns()
            reactor.limitWork(of: connection, to: reactor.limits.receiveTimeout, since: start)
            receive(connection, input)
        } catch {
            end(connection, because: error)
        }
    }

    private func complete(_ connection: Connection, _ input: StandardInput, _ progress: StandardInput.Progress) {
        switch progress {
        case .complete: handle(connection, with: input.content.isEmpty ? .none : .bytes(input.content), unread: false)
        case .overLimit, .wants: handle(connection, with: .tooLarge, unread: true)
        }
    }

    private func handle(_ connection: Connection, with body: Body, unread: Bool) {
        connection.hasUnreadInput = unread
        handle(connection, Request(environment: connection.exchange.environment, body: body))
    }

    private func handle(_ connection: Connection, _ request: Request) {
        connection.arrival = nil
        conclude(connection, reactor.handler.handle(request))
    }

    /// Does with a request what its handler wants.
    func conclude(_ connection: Connection, _ outcome: Outcome) {
        switch outcome {
        case .now(let response): answer(connection, response)
        case .later(let ticket): park(connection, ticket)
        case .soon(let begin):
            // From here on the connection may be another thread's.
            if let outcome = begin(Promise(connection: connection, kept: reactor.kept)) { conclude(connection, outcome) }
        }
    }

    private func end(_ connection: Connection, because fault: Fault) {
        reactor.log.debug("a connection ends: \(fault)")
        reactor.close(connection)
    }
}

extension Int {
    fileprivate func roundedUp(to unit: Int) -> Int { (self + unit - 1) / unit * unit }
}
