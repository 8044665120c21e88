import Platform
import Synchronization

/// The terms under which a request is parked.
public struct ParkedRequest: Sendable {
    public typealias Ending = WaitEnding

    let deadline: MonotonicTime
    let parked: @Sendable (ResponseHandle) -> Void
    let ended: @Sendable (Ending) -> Response
    /// Told of the answer when it is handed to the loop.
    private(set) var answered: @Sendable (Response) -> Void = { _ in }
    /// What is made of the answer before it is handed to the loop.
    private(set) var change: @Sendable (Response) -> Response = { $0 }

    /// - Parameters:
    ///   - deadline: when the event loop ends the wait.
    ///   - parked: called once with the reply, on the event thread, before the wait begins. Replying inside it is fine.
    ///   - ended: makes the answer when the event loop ends the wait. Called at most once, on any of the loop's threads, and never when
    ///     the reply was sent; for `clientLeft` it is called so that the owner can forget the caller. Must not block.
    public init(
        deadline: MonotonicTime, parked: @escaping @Sendable (ResponseHandle) -> Void, ended: @escaping @Sendable (Ending) -> Response
    ) {
        self.deadline = deadline
        self.parked = parked
        self.ended = ended
    }

    /// The same terms, with somebody who is told once how the wait ended: with the answer when it is handed to the event loop (the
    /// caller may yet be found gone), with nil when the client left before there was one.
    public func observed(_ note: @escaping @Sendable (Response?) -> Void) -> ParkedRequest {
        let (ended, answered, change) = (ended, answered, change)
        var parkedRequest = ParkedRequest(deadline: deadline, parked: parked) { ending in
            defer { if ending == .clientLeft { note(nil) } }
            return ended(ending)
        }
        parkedRequest.answered = { response in
            answered(response)
            note(response)
        }
        parkedRequest.change = change
        return parkedRequest
    }

    /// The same terms, with every answer changed on its way to the event loop, whoever gives it.
    public func changed(_ change: @escaping @Sendable (Response) -> Response) -> ParkedRequest {
        let before = self.change
        var parkedRequest = self
        parkedRequest.change = { change(before($0)) }
        return parkedRequest
    }
}

/// The handle by which a parked request is answered: once, by whoever comes first.
public final class ResponseHandle: Sendable {
    private enum Phase {
        /// The application is being told; nothing watches the caller yet.
        case parking
        /// Answered while parking.
        case answered(Response)
        case parked(TimerQueue.Timer)
        case ended
    }

    private let phase = Mutex(Phase.parking)
    private let ended: @Sendable (WaitEnding) -> Response
    private let deliver: @Sendable (Response) -> Void
    private let timers: TimerQueue

    /// - Parameters:
    ///   - ended: the ticket's answer when the event loop ends the wait.
    ///   - deliver: hands the answer to an event thread; it must not block.
    init(
        timers: TimerQueue, ended: @escaping @Sendable (WaitEnding) -> Response, deliver: @escaping @Sendable (Response) -> Void
    ) {
        self.ended = ended
        self.timers = timers
        self.deliver = deliver
    }

    /// Answers the caller, from any thread: hands the response to an event thread and never blocks. False when the wait had ended
    /// already, by another reply, its deadline, a stop or the caller's leaving.
    @discardableResult
    public func send(_ response: Response) -> Bool {
        let timer: TimerQueue.Timer
        switch claim(answer: response) {
        case .refused: return false
        case .kept: return true
        case .mine(let claimed): timer = claimed
        }
        timers.cancel(timer)
        deliver(response)
        return true
    }

    /// Ends the wait for the event loop's own reason and delivers the ticket's answer, except to a client that left. False when the
    /// wait had ended already.
    @discardableResult
    func end(_ ending: WaitEnding) -> Bool {
        guard case .mine(let timer) = claim(answer: nil) else { return false }
        timers.cancel(timer)
        let response = ended(ending)
        if ending != .clientLeft { deliver(response) }
        return true
    }

    /// Begins the wait: `arm` watches the caller and the deadline. Returns the answer instead when it was given while parking.
    func begin(_ arm: (ResponseHandle) -> TimerQueue.Timer) -> Response? {
        phase.withLock { phase in
            if case .answered(let response) = phase {
                phase = .ended
                return response
            }
            phase = .parked(arm(self))
            return nil
        }
    }

    private enum Claim {
        case refused, kept
        case mine(TimerQueue.Timer)
    }

    private func claim(answer: Response?) -> Claim {
        phase.withLock { phase in
            switch phase {
            case .parking:
                guard let answer else { return .refused }
                phase = .answered(answer)
                return .kept
            case .parked(let timer):
                phase = .ended
                return .mine(timer)
            case .answered, .ended: return .refused
            }
        }
    }
}

/// Why the event loop ends a parked request's wait by itself.
public enum WaitEnding: Sendable, Equatable {
    /// The deadline passed.
    case deadline
    /// The event loop stops.
    case stopping
    /// The caller hung up, or closed its sending end; the answer is thrown away.
    case clientLeft
    /// Too many are parked already: `parked` was never called.
    case refused
}
