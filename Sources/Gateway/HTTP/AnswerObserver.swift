import FastCGI

/// Dresses every answer, counts it, and names in the log those that were not served, when they are known.
final class AnswerObserver: Sendable {
    private let figures: FiguresPage?
    private let log: AnswerLog?

    init(figures: FiguresPage?, log: AnswerLog?) {
        self.figures = figures
        self.log = log
    }

    /// - Parameter grant: what the answer is dressed with.
    func observe(_ outcome: Outcome, of family: Counter.Family, _ request: Request, _ grant: CrossOrigin.Grant = .init()) -> Outcome {
        guard case .soon(let soon) = outcome else { return note(outcome.dressed(grant), family, AnswerLog.Subject(request)) }
        // The request's parameters are gone when the answer comes.
        let kept = request.kept
        return .soon(soon.observed { [self] in note($0.dressed(grant), family, kept.read(AnswerLog.Subject.init)) })
    }

    private func note(_ outcome: Outcome, _ family: Counter.Family, _ subject: @autoclosure () -> AnswerLog.Subject) -> Outcome {
        let logged = log?.observe(outcome, of: subject()) ?? outcome
        return figures?.count(logged, of: family) ?? logged
    }
}
