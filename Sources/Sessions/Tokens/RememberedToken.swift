/// A verified token in memory, with what `sessions.db` last said about it.
final class RememberedToken: Sendable {
    let token: Token
    /// The key that it was verified with.
    let mark: TokenHash
    private let state = Locked(State())  // guards the last answer and when the session's use was last noted

    private struct State {
        var answer: LedgerAnswer?
        var stamp: FileStamp?
        var notedAt: Int64 = 0
    }

    init(token: Token, mark: TokenHash) {
        self.token = token
        self.mark = mark
    }

    /// The last answer, if the file has not been written since. A commit with a rollback journal always writes the file itself
    /// (sqlite.org/atomiccommit.html, section 3.9), so an unchanged stamp means an unchanged answer.
    func answer(at stamp: FileStamp) -> LedgerAnswer? {
        state.withLock { $0.stamp == stamp ? $0.answer : nil }
    }

    /// - Parameter stamp: taken before the question was asked.
    func remember(_ answer: LedgerAnswer, at stamp: FileStamp, now: Int64) {
        guard stamp.isSettled(now: now) else { return }
        state.withLock {
            $0.answer = answer
            $0.stamp = stamp
        }
    }

    /// Whether the use of the session should be noted: true once a minute.
    func isDueToBeNoted(now: Int64) -> Bool {
        state.withLock {
            guard now - $0.notedAt >= 60_000 || now < $0.notedAt else { return false }
            $0.notedAt = now
            return true
        }
    }
}
