import Platform
import Synchronization

/// What became of a request.
public enum Outcome: Sendable {
    case now(Response)
    /// What is needed is on its way.
    case pending(PendingResponse)
    /// Parked: it holds a descriptor and some kilobytes, but no thread, until its reply or its deadline.
    case parked(ParkedRequest)
}

/// How a request begins to wait for what is on its way to it.
public struct PendingResponse: Sendable {
    private let begin: @Sendable (ResponsePromise) -> Outcome?
    private var note: (@Sendable (Outcome) -> Outcome)?

    /// - Parameter begin: begins to wait, and answers nil when the promise will be kept, or else the outcome after all (`now` or `later`).
    ///   Called once, at once, on the event thread.
    public init(_ begin: @escaping @Sendable (ResponsePromise) -> Outcome?) { self.begin = begin }

    /// The same with somebody who sees the outcome, whichever way it comes, and may change it.
    public func observed(_ note: @escaping @Sendable (Outcome) -> Outcome) -> PendingResponse {
        var observed = self
        observed.note = if let inner = self.note { { note(inner($0)) } } else { note }
        return observed
    }

    /// - Parameter keep: what becomes of an outcome that comes later.
    func outcome(_ keep: @escaping @Sendable (Outcome) -> Void) -> Outcome? {
        begin(ResponsePromise(kept: keep, note: note)).map { note?($0) ?? $0 }
    }
}

/// The right to answer a request that its handler has let go of for a moment, because what it needs is on its way on a descriptor
/// that the event loop watches (`EventLoop.watch`).
///
/// Such a request costs a few words: nothing watches its caller, and nothing ends its wait but whoever holds this. That somebody keeps
/// the promise once, soon, and inside a watch's `ready`.
public struct ResponsePromise: Sendable {
    fileprivate let kept: @Sendable (Outcome) -> Void
    fileprivate let note: (@Sendable (Outcome) -> Outcome)?

    /// Answers the request, or parks it after all.
    public func keep(_ outcome: Outcome) { kept(note?(outcome) ?? outcome) }
}

/// The terms under which a request is parked.
public struct ParkedRequest: Sendable {
    public typealias Ending = WaitEnding

    let deadline: MonotonicTime
    let parked: @Sendable (ResponseHandle) -> Void
    private let ended: @Sendable (Ending) -> Response
    /// Told once how the wait ended; see `observed`.
    private var observer: @Sendable (Response?) -> Void = { _ in }
    /// What is made of the answer before it is handed to the loop.
    private var change: @Sendable (Response) -> Response = { $0 }

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
        let observer = observer
        var parkedRequest = self
        parkedRequest.observer = { response in
            observer(response)
            note(response)
        }
        return parkedRequest
    }

    /// The same terms, with every answer changed on its way to the event loop, whoever gives it.
    public func changed(_ change: @escaping @Sendable (Response) -> Response) -> ParkedRequest {
        let before = self.change
        var parkedRequest = self
        parkedRequest.change = { change(before($0)) }
        return parkedRequest
    }

    // MARK: For the event loop

    /// Makes the answer when the event loop ends the wait.
    func end(_ ending: Ending) -> Response {
        defer { if ending == .clientLeft { observer(nil) } }
        return ended(ending)
    }

    /// The answer as it leaves; whoever watches is told.
    func finished(_ response: Response) -> Response {
        let answer = change(response)
        observer(answer)
        return answer
    }

    /// What the request goes on with, under the same eyes.
    func goingOn(_ outcome: Outcome) -> Outcome {
        switch outcome {
        case .now(let response): .now(finished(response))
        case .pending(let soon): .pending(soon.observed { goingOn($0) })
        case .parked(let next): .parked(next.changed(change).observed(observer))
        }
    }
}

/// The handle by which a parked request is answered, or goes on: once, by whoever comes first.
public final class ResponseHandle: Sendable {
    /// What is handed to an event thread.
    enum Delivery: Sendable {
        case response(Response)
        /// What the request goes on with is made there.
        case outcome(@Sendable () -> Outcome)
    }

    private enum Phase {
        /// The application is being told; nothing watches the caller yet.
        case parking
        /// Answered while parking.
        case answered(Delivery)
        case parked(TimerQueue.Timer)
        case ended
    }

    private let phase = Mutex(Phase.parking)
    private let ended: @Sendable (WaitEnding) -> Response
    private let deliver: @Sendable (Delivery) -> Void
    private let timers: TimerQueue

    /// - Parameters:
    ///   - ended: the ticket's answer when the event loop ends the wait.
    ///   - deliver: hands the answer to an event thread; it must not block.
    init(
        timers: TimerQueue, ended: @escaping @Sendable (WaitEnding) -> Response, deliver: @escaping @Sendable (Delivery) -> Void
    ) {
        self.ended = ended
        self.timers = timers
        self.deliver = deliver
    }

    /// Answers the caller, from any thread: hands the response to an event thread and never blocks. False when the wait had ended
    /// already, by another reply, its deadline, a stop or the caller's leaving.
    @discardableResult
    public func send(_ response: Response) -> Bool { hand(over: .response(response)) }

    /// Has the request go on with another outcome, from any thread: `proceed` is called on an event thread, once, and must not block. It may
    /// park the request again. False, and it is not called, when the wait had ended already.
    @discardableResult
    public func goOn(_ proceed: @escaping @Sendable () -> Outcome) -> Bool { hand(over: .outcome(proceed)) }

    private func hand(over delivery: Delivery) -> Bool {
        let timer: TimerQueue.Timer
        switch claim(delivery) {
        case .refused: return false
        case .kept: return true
        case .mine(let claimed): timer = claimed
        }
        timers.cancel(timer)
        deliver(delivery)
        return true
    }

    /// Ends the wait for the event loop's own reason and delivers the ticket's answer, except to a client that left. False when the
    /// wait had ended already.
    @discardableResult
    func end(_ ending: WaitEnding) -> Bool {
        guard case .mine(let timer) = claim(nil) else { return false }
        timers.cancel(timer)
        let response = ended(ending)
        if ending != .clientLeft { deliver(.response(response)) }
        return true
    }

    /// Begins the wait: `arm` watches the caller and the deadline. Returns the answer instead when it was given while parking.
    func begin(_ arm: (ResponseHandle) -> TimerQueue.Timer) -> Delivery? {
        phase.withLock { phase in
            if case .answered(let delivery) = phase {
                phase = .ended
                return delivery
            }
            phase = .parked(arm(self))
            return nil
        }
    }

    private enum Claim {
        case refused, kept
        case mine(TimerQueue.Timer)
    }

    private func claim(_ delivery: Delivery?) -> Claim {
        phase.withLock { phase in
            switch phase {
            case .parking:
                guard let delivery else { return .refused }
                phase = .answered(delivery)
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

/// What the application behind the event loop is. Both functions run on an event thread and must not block.
public protocol Handler: Sendable {
    /// Asked only when there is a body or a CONTENT_LENGTH; `request.body` is not there yet.
    func bodyPolicy(for request: Request) -> BodyPolicy
    func handle(_ request: Request) -> Outcome
}
