import CSystem
import Glibc
import Synchronization

/// One of the threads that serve what epoll reports, while it leads. Used by its own thread alone, but for the tally.
final class EventThread {
    let reactor: Reactor
    private let number: Int
    /// Counted by thread, so that threads do not share a cache line.
    let counters: ThreadCounters
    /// Holds what has come while it is looked at: parameters, their framing, and a body that fits.
    let scratch: UnsafeMutableRawBufferPointer
    /// Holds the head of an answer while it is sent; kept for its memory.
    var front: [UInt8] = []
    private let acceptor: Acceptor

    init(number: Int, reactor: Reactor, acceptor: Acceptor, counters: ThreadCounters) {
        self.number = number
        self.reactor = reactor
        self.acceptor = acceptor
        self.counters = counters
        scratch = .allocate(byteCount: reactor.limits.parameterBytes + 128 * 1024, alignment: 64)
    }

    deinit {
        scratch.deallocate()
    }

    /// Serves, whenever it leads, until the loop's stop bell rings.
    func run() {
        while reactor.leaderFollowers.follow(number) {
            do { try lead() } catch {
                reactor.log.critical("the event threads end: \(error)")
                reactor.leaderFollowers.finish()
            }
        }
    }

    private func lead() throws(EventLoopError) {
        while true {
            switch reactor.leaderFollowers.next(for: number) {
            case .piece(let token): serve(Poller.signal(token))
            case .nothing:
                reactor.atEndOfTick.run()
                reactor.leaderFollowers.found(try reactor.poller.wait(into: reactor.leaderFollowers.ready))
                counters.wakes.add(1, ordering: .relaxed)
            case .lost:
                // What this thread has just added may have come too late for the next leader, who waits on epoll already.
                return reactor.atEndOfTick.run()
            }
        }
    }

    private func serve(_ signal: Poller.Signal) {
        switch signal {
        case .connection(let descriptor, let epoch): serve(descriptor, epoch)
        case .listening: if let connection = acceptor.next() { look(at: connection) }
        case .watched(let number): look(atWatch: number)
        case .replies: deliver(reactor.replies.fetch())
        case .stop: reactor.leaderFollowers.finish()
        }
    }

    private func deliver(_ items: [ResponseQueue.Item]) {
        for item in items {
            reactor.parked.subtract(1, ordering: .relaxed)
            item.connection.unpark()
            answer(item.connection, item.response)
        }
    }

    private func serve(_ descriptor: CInt, _ epoch: UInt32) {
        guard let connection = reactor.table[descriptor] else { return }
        switch connection.take(epoch: epoch) {
        case .mine: proceed(connection)
        case .stale: break
        case .leaving(let reply):
            guard reply.end(.clientLeft) else { return }
            reactor.parked.subtract(1, ordering: .relaxed)
            connection.unpark()
            reactor.close(connection)
        }
    }

    private func proceed(_ connection: Connection) {
        switch connection.work {
        case .none: look(at: connection)
        case .receiving(let input, let pairs): receive(connection, input, pairs)
        case .sending(let writer): send(connection, writer)
        case .lingering: linger(connection)
        }
    }

    // MARK: From ready bytes to a request in the handler's hands

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
        case .parked(let parkedRequest): park(connection, parkedRequest)
        case .pending(let soon):
            // From here on the connection may be another thread's.
            if let outcome = soon.outcome(for: connection, reactor.kept) { conclude(connection, outcome) }
        }
    }

    private func end(_ connection: Connection, because fault: Fault) {
        reactor.log.debug("a connection ends: \(fault)")
        reactor.close(connection)
    }

    // MARK: From a response to the caller's socket

    func answer(_ connection: Connection, _ response: Response) {
        let keeps = connection.isKept && !connection.hasUnreadInput && !reactor.isLeaving
        let ending: ResponseWriter.Ending = connection.isKept && !keeps ? .leaving : .asAsked
        connection.isKept = keeps
        guard let writer = ResponseWriter(response, to: connection.request, ending, front: takeFront()) else {
            reactor.log.error("an answer has \(response.head.count) bytes of header lines, which nobody takes")
            return reactor.close(connection)
        }
        send(connection, writer)
    }

    /// Sends what the socket takes, then waits without a thread.
    func send(_ connection: Connection, _ writer: ResponseWriter) {
        connection.work = .none
        var writer = writer
        switch writer.send(on: connection.descriptor) {
        case .done:
            front = writer.front
            reactor.liftLimit(of: connection)
            finish(connection)
        case .blocked:
            if connection.deadline == nil { reactor.limitWork(of: connection, to: reactor.limits.sendTimeout, since: csys_monotonic_ns()) }
            connection.work = .sending(writer)
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

    func park(_ connection: Connection, _ parkedRequest: ParkedRequest) {
        guard reactor.mode.load(ordering: .relaxed) != .stopping else {
            return answer(connection, parkedRequest, parkedRequest.ended(.stopping))
        }
        guard reactor.parked.add(1, ordering: .relaxed).newValue <= reactor.limits.parked else {
            reactor.parked.subtract(1, ordering: .relaxed)
            return answer(connection, parkedRequest, parkedRequest.ended(.refused))
        }
        let reactor = reactor
        let reply = ResponseHandle(timers: reactor.timers, ended: parkedRequest.ended) {
            let answer = parkedRequest.change($0)
            parkedRequest.answered(answer)
            reactor.replies.push(answer, to: connection)
        }
        parkedRequest.parked(reply)
        let early = reply.begin { reply in
            // Should epoll refuse the descriptor, the deadline still ends the wait.
            _ = connection.park(reply, in: reactor.poller)
            return reactor.timers.schedule(at: parkedRequest.deadline) { reply.end(.deadline) }
        }
        if let early {
            reactor.parked.subtract(1, ordering: .relaxed)
            return answer(connection, parkedRequest, early)
        }
        // A stop that began meanwhile may have looked for parked callers before this one was there.
        if reactor.mode.load(ordering: .sequentiallyConsistent) == .stopping { reply.end(.stopping) }
    }

    private func answer(_ connection: Connection, _ parkedRequest: ParkedRequest, _ response: Response) {
        let response = parkedRequest.change(response)
        parkedRequest.answered(response)
        answer(connection, response)
    }

    private func finish(_ connection: Connection) {
        counters.answered.add(1, ordering: .relaxed)
        if connection.isKept { return reactor.rest(connection) }
        guard connection.hasUnreadInput else { return reactor.close(connection) }
        shutdown(connection.descriptor, CInt(SHUT_WR))
        connection.work = .lingering
        reactor.limitWork(of: connection, to: reactor.limits.receiveTimeout, since: csys_monotonic_ns())
        linger(connection)
    }

    /// Lets the owner of a watched descriptor look at it, and answers the requests that this was for.
    func look(atWatch number: UInt32) {
        guard let watch = reactor.descriptorWatches[number] else { return }
        if !watch.ready() || reactor.poller.rearm(watched: watch.descriptor, number) != 0 { reactor.descriptorWatches.remove(number) }
        for (connection, outcome) in reactor.kept.take() { conclude(connection, outcome) }
    }
}

/// What a thread has done.
final class ThreadCounters: Sendable {
    let answered = Atomic(0)
    let wakes = Atomic(0)
}
