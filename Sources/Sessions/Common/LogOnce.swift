import Logging

/// Says a lasting trouble once when it begins, every minute while it lasts, and once when it is over.
final class LogOnce: Sendable {
    private struct State {
        var reason: String?
        var saidAt: Int64 = 0
    }

    private let subject: String
    private let log: Logger
    private let state = Locked(State())  // guards what was said last

    init(about subject: String, log: Logger) {
        self.subject = subject
        self.log = log
    }

    func raise(_ reason: String, now: Int64) {
        let isDue = state.withLock { state -> Bool in
            guard state.reason != reason || now - state.saidAt >= 60_000 || now < state.saidAt else { return false }
            state = State(reason: reason, saidAt: now)
            return true
        }
        if isDue { log.warning("\(subject): \(reason)") }
    }

    func settle() {
        let wasRaised = state.withLock { state -> Bool in
            guard state.reason != nil else { return false }
            state = State()
            return true
        }
        if wasRaised { log.notice("\(subject): all right again") }
    }
}
