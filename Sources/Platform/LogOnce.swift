import Logging
import Synchronization

/// Says a lasting trouble once when it begins, again only after a while, and once when it is over: a fault that every request meets is no
/// reason for a line a request.
public final class LogOnce: Sendable {
    private struct State: Sendable {
        var kind: String?
        var reason: String?
        var saidAt = WallTime(milliseconds: 0)
    }

    private let log: Logger
    private let repetition: Duration?
    private let state = Mutex(State())  // guards what was said last

    /// - Parameter repetition: after so long it is said again while it lasts; nil: never.
    public init(_ log: Logger, repeatedEvery repetition: Duration? = nil) {
        self.log = log
        self.repetition = repetition
    }

    /// Why it is in trouble, as it was told last; nil when it is not.
    public var reason: String? { state.withLock { $0.reason } }

    /// It is in trouble. The message is made and logged where that is news.
    /// - Parameters:
    ///   - reason: what is wrong, in words.
    ///   - kind: what makes one trouble another, which is said at once; nil: the reason itself.
    /// - Returns: whether it was said.
    @discardableResult
    public func raise(
        _ reason: String, kind: String? = nil, now: WallTime, level: Logger.Level = .warning, _ message: @autoclosure () -> Logger.Message,
        metadata: @autoclosure () -> Logger.Metadata? = nil
    ) -> Bool {
        let isNews = state.withLock { state in
            defer { state.reason = reason }
            guard state.kind == nil || state.kind != kind ?? reason || isDue(since: state.saidAt, now) else { return false }
            (state.kind, state.saidAt) = (kind ?? reason, now)
            return true
        }
        if isNews { log.log(level: level, message(), metadata: metadata()) }
        return isNews
    }

    /// It is well. The message is logged where it was not.
    /// - Returns: whether it was said.
    @discardableResult
    public func settle(_ message: @autoclosure () -> Logger.Message, metadata: @autoclosure () -> Logger.Metadata? = nil) -> Bool {
        let wasInTrouble = state.withLock { state in
            guard state.kind != nil else { return false }
            state = State()
            return true
        }
        if wasInTrouble { log.notice(message(), metadata: metadata()) }
        return wasInTrouble
    }

    /// Also where the clock was set back.
    private func isDue(since said: WallTime, _ now: WallTime) -> Bool {
        guard let repetition else { return false }
        return now - said >= repetition || now < said
    }
}
