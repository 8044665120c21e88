import CSystem
import Glibc

/// From ready bytes to a request in the handler's hands.
extension EventThread {
    /// Takes what has arrived, up to `scratch`'s size.
    func look(at connection: Connection) {
        let count = recv(connection.descriptor, scratch.baseAddress, scratch.count, CInt(MSG_DONTWAIT))
        guard count > 0 else {
            if count < 0, errno == EAGAIN || errno == EINTR { return reactor.rest(connection) }
            return reactor.close(connection)
        }
        let bytes = UnsafeRawBufferPointer(rebasing: scratch[..<count])
        do {
            guard connection.arrival == nil else { return try look(at: connection, with: bytes) }
            if try !begin(connection, bytes) {
                let now = csys_monotonic_ns()
                connection.arrival = Connection.Arrival(since: now, bytes: Array(bytes))
                reactor.limitWork(of: connection, to: reactor.limits.receiveTimeout, since: now)
                reactor.rest(connection)
            }
        } catch {
            end(connection, because: error)
        }
    }

    /// Half a request had come before: it waits without a thread.
    private func look(at connection: Connection, with bytes: UnsafeRawBufferPointer) throws(Fault) {
        connection.arrival?.bytes.append(contentsOf: bytes)
        let arrived = connection.arrival?.bytes ?? []
        // As much framing as one piece may have that comes at once.
        guard arrived.count <= scratch.count else { throw .parametersTooLarge }
        let isWhole = try arrived.withUnsafeBufferPointer { bytes throws(Fault) in try begin(connection, UnsafeRawBufferPointer(bytes)) }
        if !isWhole { reactor.rest(connection) }
    }

    /// false while the parameters are not whole. After true the connection may be another thread's.
    private func begin(_ connection: Connection, _ bytes: UnsafeRawBufferPointer) throws(Fault) -> Bool {
        guard let scan = try RequestScan.look(at: bytes, limits: reactor.limits) else { return false }
        connection.request = scan.request
        connection.isKept = scan.isKept
        connection.arrival = nil
        if let pairs = scan.pairs {
            begin(connection, scan, bytes, UnsafeRawBufferPointer(rebasing: bytes[pairs]))
        } else {
            scan.joinedPairs(bytes).withUnsafeBytes { begin(connection, scan, bytes, $0) }
        }
        return true
    }

    private func begin(_ connection: Connection, _ scan: RequestScan, _ bytes: UnsafeRawBufferPointer, _ pairs: UnsafeRawBufferPointer) {
        let request = Request(environment: Environment(pairs: pairs), body: .none)
        let length = request.contentLength
        guard length > 0 || scan.inputLength > 0 || !scan.isWhole else { return handle(connection, request) }
        switch reactor.handler.bodyPolicy(for: request) {
        case .ignore: handle(connection, pairs, with: .ignored, unread: !scan.isWhole)
        case .read(let limit) where max(length, scan.inputLength) > limit:
            handle(connection, pairs, with: .tooLarge, unread: !scan.isWhole)
        case .read(let limit):
            let input = StandardInput(request: scan.request, limit: limit, expecting: max(length, scan.inputLength))
            take(UnsafeRawBufferPointer(rebasing: bytes[scan.parametersEnd...]), into: input, pairs, for: connection)
        }
    }

    /// Takes what has arrived of the body, then waits for more without a thread.
    func receive(_ connection: Connection, _ input: StandardInput, _ pairs: [UInt8]) {
        connection.work = .none  // so that the content has one owner and grows in place
        var input = input
        do {
            var progress = try input.feed(UnsafeRawBufferPointer(start: nil, count: 0))
            while case .wants(let wanted) = progress {
                let count = recv(connection.descriptor, scratch.baseAddress, min(wanted, scratch.count), CInt(MSG_DONTWAIT))
                if count < 0, errno == EAGAIN {
                    connection.work = .receiving(input, pairs: pairs)
                    return reactor.rest(connection)
                }
                guard count > 0 else { return reactor.close(connection) }
                progress = try input.feed(UnsafeRawBufferPointer(rebasing: scratch[..<count]))
            }
            pairs.withUnsafeBytes { complete(connection, $0, input, progress) }
        } catch {
            end(connection, because: error)
        }
    }

    private func take(
        _ bytes: UnsafeRawBufferPointer, into input: StandardInput, _ pairs: UnsafeRawBufferPointer, for connection: Connection
    ) {
        var input = input
        do {
            let progress = try input.feed(bytes)
            guard case .wants = progress else { return complete(connection, pairs, input, progress) }
            if connection.deadline == nil {
                reactor.limitWork(of: connection, to: reactor.limits.receiveTimeout, since: csys_monotonic_ns())
            }
            receive(connection, input, Array(pairs))
        } catch {
            end(connection, because: error)
        }
    }

    private func complete(
        _ connection: Connection, _ pairs: UnsafeRawBufferPointer, _ input: StandardInput, _ progress: StandardInput.Progress
    ) {
        switch progress {
        case .complete: handle(connection, pairs, with: input.content.isEmpty ? .none : .bytes(input.content), unread: false)
        case .overLimit, .wants: handle(connection, pairs, with: .tooLarge, unread: true)
        }
    }

    private func handle(_ connection: Connection, _ pairs: UnsafeRawBufferPointer, with body: Body, unread: Bool) {
        connection.hasUnreadInput = unread
        handle(connection, Request(environment: Environment(pairs: pairs), body: body))
    }

    /// The request's parameters are gone when its outcome is looked at: what asks on has taken what it needs of them.
    private func handle(_ connection: Connection, _ request: Request) {
        reactor.liftLimit(of: connection)
        conclude(connection, reactor.handler.handle(request))
    }

    /// Does with a request what its handler wants.
    func conclude(_ connection: Connection, _ outcome: Outcome) {
        switch outcome {
        case .now(let response): answer(connection, response)
        case .later(let ticket): park(connection, ticket)
        case .soon(let soon):
            // From here on the connection may be another thread's.
            if let outcome = soon.outcome(for: connection, reactor.kept) { conclude(connection, outcome) }
        }
    }

    private func end(_ connection: Connection, because fault: Fault) {
        reactor.log.debug("a connection ends: \(fault)")
        reactor.close(connection)
    }
}
