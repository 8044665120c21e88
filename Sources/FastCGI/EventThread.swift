import Glibc
import Platform
import Synchronization

/// One of the threads that serve what epoll reports, while it leads. It has a reader and a writer, and does with each connection what that
/// asks for. Used by its own thread alone, but for the counters.
final class EventThread {
    private let number: Int
    private let reactor: Reactor
    private let acceptors: [Acceptor]
    /// Counted by thread, so that threads do not share a cache line.
    private let counters: ThreadCounters
    private let reader: RequestReader
    private let writer: ResponseWriter

    init(number: Int, reactor: Reactor, acceptors: [Acceptor], counters: ThreadCounters) {
        self.number = number
        self.reactor = reactor
        self.acceptors = acceptors
        self.counters = counters
        reader = RequestReader(limits: reactor.limits, bodyPolicy: reactor.handler.bodyPolicy)
        writer = ResponseWriter(log: reactor.log)
    }

    /// Serves, whenever it leads, until the loop's stop bell rings.
    func run() {
        while reactor.leaderFollowers.follow(number) {
            do throws(SystemError) { try lead() } catch {
                reactor.log.critical("the event threads end: \(error)")
                reactor.leaderFollowers.finish()
            }
        }
    }

    private func lead() throws(SystemError) {
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
        case .listening(let number): if let connection = acceptors[number].next() { carryOut(connection.ready(), on: connection) }
        case .watched(let number): look(atWatch: number)
        case .replies: deliver(reactor.replies.fetch())
        case .stop: reactor.leaderFollowers.finish()
        }
    }

    // MARK: What is ready

    private func serve(_ descriptor: CInt, _ epoch: UInt32) {
        guard let connection = reactor.table[descriptor] else { return }
        switch connection.take(epoch: epoch) {
        case .mine: carryOut(connection.ready(), on: connection)
        case .stale: break
        case .staying: reactor.watchOn(connection)
        case .leaving(let reply): if unpark(connection, reply) { reactor.close(connection) }
        case .aborting(let reply): if unpark(connection, reply) { carryOut(connection.aborted(), on: connection) }
        }
    }

    /// Nobody waits for the reply any more. False when it has come after all.
    private func unpark(_ connection: Connection, _ reply: ResponseHandle) -> Bool {
        guard reply.end(.clientLeft) else { return false }
        reactor.parked.subtract(1, ordering: .relaxed)
        connection.takeBack()
        return true
    }

    private func deliver(_ items: [ResponseQueue.Item]) {
        for item in items {
            reactor.parked.subtract(1, ordering: .relaxed)
            item.connection.takeBack()
            switch item.delivery {
            case .response(let response): carryOut(answer(item.connection, response), on: item.connection)
            case .outcome(let proceed):
                if let action = conclude(item.connection, proceed()) { carryOut(action, on: item.connection) }
            }
        }
    }

    /// Lets the owner of a watched descriptor look at it, and answers the requests that this was for.
    private func look(atWatch number: UInt32) {
        guard let watch = reactor.descriptorWatches[number] else { return }
        if !watch.ready() || reactor.poller.rearm(watched: watch.descriptor, number) != 0 { reactor.descriptorWatches.remove(number) }
        for (connection, outcome) in reactor.kept.take() {
            if let action = conclude(connection, outcome) { carryOut(action, on: connection) }
        }
    }

    // MARK: What connections ask for

    /// Does what the connection says until it is another's: epoll's, the handler's, or nobody's.
    private func carryOut(_ first: consuming Connection.Action, on connection: Connection) {
        var action = first
        while true {
            switch consume action {
            case .read: action = connection.arrived(reader.read(from: connection.descriptor, after: nil))
            case .readOn(let partial): action = connection.arrived(reader.read(from: connection.descriptor, after: partial))
            case .look(let partial): action = connection.arrived(reader.look(at: partial))
            case .handle(let request):
                guard let next = handle(connection, request) else { return }
                action = next
            case .write(let unsent):
                let isResponse = unsent.isResponse
                action = wrote(connection, writer.write(unsent, on: connection.descriptor), isResponse: isResponse)
            case .endSending:
                reactor.liftLimit(of: connection)
                shutdown(connection.descriptor, CInt(SHUT_WR))
                action = .discard
            case .discard: action = connection.discarded(mayGoOn: reader.discard(from: connection.descriptor))
            case .wait(let interest, let limit): return reactor.rest(connection, until: interest, within: limit)
            case .close(let fault):
                if let fault { reactor.log.debug("a connection ends: \(fault)") }
                return reactor.close(connection)
            }
        }
    }

    private func wrote(_ connection: Connection, _ progress: ResponseWriter.Progress, isResponse: Bool = true) -> Connection.Action {
        if isResponse, case .done = progress { counters.answered.add(1, ordering: .relaxed) }
        let action = connection.wrote(progress)
        // What comes behind an answer has its own time.
        if isResponse, case .look = action { reactor.liftLimit(of: connection) }
        return action
    }

    /// The request's parameters are gone when its outcome is looked at: what asks on has taken what it needs of them.
    private func handle(_ connection: Connection, _ request: Request) -> Connection.Action? {
        reactor.liftLimit(of: connection)
        return conclude(connection, reactor.handler.handle(request))
    }

    /// Does with a request what its handler wants. What is to be done next; nil when the connection is another's now.
    private func conclude(_ connection: Connection, _ outcome: Outcome) -> Connection.Action? {
        switch outcome {
        case .now(let response): answer(connection, response)
        case .parked(let parkedRequest): park(connection, parkedRequest)
        case .pending(let soon):
            // From here on the connection may be another thread's.
            soon.outcome(for: connection, reactor.kept).flatMap { conclude(connection, $0) }
        }
    }

    private func answer(_ connection: Connection, _ response: Response) -> Connection.Action {
        let ending = connection.answering(isLeaving: reactor.isLeaving)
        return wrote(connection, writer.write(response, to: connection.request, ending, on: connection.descriptor))
    }

    // MARK: Parking

    private func park(_ connection: Connection, _ parkedRequest: ParkedRequest) -> Connection.Action? {
        guard reactor.mode.load(ordering: .relaxed) != .stopping else {
            return answer(connection, parkedRequest.finished(parkedRequest.end(.stopping)))
        }
        guard reactor.parked.add(1, ordering: .relaxed).newValue <= reactor.limits.parked else {
            reactor.parked.subtract(1, ordering: .relaxed)
            return answer(connection, parkedRequest.finished(parkedRequest.end(.refused)))
        }
        let reactor = reactor
        let reply = ResponseHandle(timers: reactor.timers, ended: parkedRequest.end) { delivery in
            switch delivery {
            case .response(let response): reactor.replies.push(.response(parkedRequest.finished(response)), to: connection)
            case .outcome(let proceed): reactor.replies.push(.outcome { parkedRequest.goingOn(proceed()) }, to: connection)
            }
        }
        parkedRequest.parked(reply)
        let early = reply.begin { reply in
            reactor.park(connection, reply)
            return reactor.timers.schedule(at: parkedRequest.deadline) { reply.end(.deadline) }
        }
        if let early {
            reactor.parked.subtract(1, ordering: .relaxed)
            switch early {
            case .response(let response): return answer(connection, parkedRequest.finished(response))
            case .outcome(let proceed): return conclude(connection, parkedRequest.goingOn(proceed()))
            }
        }
        // A stop that began meanwhile may have looked for parked callers before this one was there.
        if reactor.mode.load(ordering: .sequentiallyConsistent) == .stopping { reply.end(.stopping) }
        return nil
    }
}

/// What a thread has done.
final class ThreadCounters: Sendable {
    let answered = Atomic(0)
    let wakes = Atomic(0)
}
