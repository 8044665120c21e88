import Caching
import FastCGI

/// Counts answers at the moment they are handed to the event loop. A worker that is killed between that and the socket has counted
/// an answer that its caller did not get: at most one for each of its threads. (Counting after the write would lose as many.)
extension FiguresPage {
    func count(_ outcome: Outcome, of family: Counter.Family) -> Outcome {
        switch outcome {
        case .now(let response):
            count(response, of: family)
            return outcome
        case .soon: return outcome
        case .later(let ticket):
            park()
            return .later(
                ticket.observed { [self] response in
                    unpark()
                    if let response { count(response, of: family) }
                })
        }
    }

    private func count(_ response: Response, of family: Counter.Family) {
        add(Counter.place(family, status: response.status))
        guard let (source, isStale) = CacheStatus.counted(response.note) else { return }
        add(Counter.place(source))
        if isStale { add(Counter.stale) }
    }
}

extension CacheStatus {
    private static let staleMark = 256

    /// What is counted of the header, as a response's note: 0 stands for an answer without one.
    var note: Int {
        switch self {
        case .hit(let tier, _, let freshness, _): source(tier).rawValue + 1 + (freshness == .stale ? Self.staleMark : 0)
        case .miss: Counter.Source.unanswered.rawValue + 1
        case .stored(let joined): (joined ? Counter.Source.collapsed : .stored).rawValue + 1
        }
    }

    /// What a note says of where an answer came from: nil without a header.
    static func counted(_ note: Int) -> (Counter.Source, isStale: Bool)? {
        Counter.Source(rawValue: note % staleMark - 1).map { ($0, note >= staleMark) }
    }

    private func source(_ tier: Tier) -> Counter.Source {
        switch tier {
        case .memory: .memory
        case .dragonfly: .dragonfly
        case .sqlite: .sqlite
        }
    }
}
