import FastCGI

/// Counts every answer, and names in the log those that were not served, when they are known.
final class AnswerObserver: Sendable {
    private let figures: FiguresPage?
    private let log: AnswerLog?

    init(figures: FiguresPage?, log: AnswerLog?) {
        self.figures = figures
        self.log = log
    }

    func observe(_ outcome: Outcome, of family: Counter.Family, _ request: Request) -> Outcome {
        guard case .soon(let soon) = outcome else { return note(outcome, family, AnswerLog.Subject(request)) }
        // The request's parameters are gone when the answer comes.
        let kept = request.kept
        return .soon(soon.observed { [self] in note($0, family, kept.read(AnswerLog.Subject.init)) })
    }

    private func note(_ outcome: Outcome, _ family: Counter.Family, _ subject: @autoclosure () -> AnswerLog.Subject) -> Outcome {
        let logged = log?.observe(outcome, of: subject()) ?? outcome
        return figures?.count(logged, of: family) ?? logged
    }
}
