import Synchronization

/// The handle by which a parked request is answered: once, by whoever comes first.
public final class Reply: Sendable {
    private enum Phase {
        /// The application is being told; nothing watches the caller yet.
        case parking
        /// Answered while parking.
        case answered(Response)
        case parked(Timetable.Timer)
        case ended
    }

    private let phase = Mutex(Phase.parking)
    private let ended: @Sendable (WaitEnding) -> Response
    private let deliver: @Sendable (Response) -> Void
    private let timetable: Timetable

    /// - Parameters:
    ///   - ended: the ticket's answer when the event loop ends the wait.
    ///   - deliver: hands the answer to an event thread; it must not block.
    init(
        timetable: Timetable, ended: @escaping @Sendable (WaitEnding) -> Response, deliver: @escaping @Sendable (Response) -> Void
    ) {
        self.ended = ended
        self.timetable = timetable
        self.deliver = deliver
    }

    /// Answers the caller, from any thread: hands the response to an event thread and never blocks. False when the wait had ended
    /// already, by another reply, its deadline, a stop or the caller's leaving.
    @discardableResult
    public func send(_ response: Response) -> Bool {
        let timer: Timetable.Timer
        switch claim(answer: response) {
        case .refused: return false
        case .kept: return true
        case .mine(let claimed): timer = claimed
        }
        timetable.cancel(timer)
        deliver(response)
        return true
    }

    /// Ends the wait for the event loop's own reason and delivers the ticket's answer, except to a client that left. False when the
    /// wait had ended already.
    @discardableResult
    func end(_ ending: WaitEnding) -> Bool {
        guard case .mine(let timer) = claim(answer: nil) else { return false }
        timetable.cancel(timer)
        let response = ended(ending)
        if ending != .clientLeft { deliver(response) }
        return true
    }

    /// Begins the wait: `arm` watches the caller and the deadline. Returns the answer instead when it was given while parking.
    func begin(_ arm: (Reply) -> Timetable.Timer) -> Response? {
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
        case mine(Timetable.Timer)
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
