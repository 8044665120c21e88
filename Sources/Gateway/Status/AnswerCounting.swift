import FastCGI

/// Counts answers at the moment they are handed to the event loop. A worker that is killed between that and the socket has counted
/// an answer that its caller did not get: at most one for each of its threads. (Counting after the write would lose as many.)
extension FiguresPage {
    func count(_ outcome: Outcome, of family: Counter.Family) -> Outcome {
        switch outcome {
        case let .now(response):
            count(response, of: family)
            return outcome
        case let .later(ticket):
            park()
            return .later(ticket.observed { [self] response in
                unpark()
                if let response { count(response, of: family) }
            })
        }
    }

    private func count(_ response: Response, of family: Counter.Family) {
        add(Counter.place(family, status: response.status))
        guard let (source, isStale) = CacheStatus.source(inHead: response.head) else { return }
        add(Counter.place(source))
        if isStale { add(Counter.stale) }
    }
}

extension CacheStatus {
    private static let name = Array("Cache-Status: swingmusic-fcgi; ".utf8)

    /// What an answer's own header says of where it came from: nil without one.
    static func source(inHead head: [UInt8]) -> (Counter.Source, isStale: Bool)? {
        var start = 0
        while let end = head[start...].firstIndex(of: UInt8(ascii: "\n")) {
            if head[start..<end].starts(with: name) { return source(head[(start + name.count)..<(end - 1)]) }
            start = end + 1
        }
        return nil
    }

    private static func source(_ value: ArraySlice<UInt8>) -> (Counter.Source, isStale: Bool)? {
        var source = Counter.Source.unanswered
        var isStale = false
        for parameter in value.split(separator: UInt8(ascii: ";")) {
            let word = parameter.dropFirst(parameter.first == UInt8(ascii: " ") ? 1 : 0)
            if word.elementsEqual("detail=memory".utf8) { source = .memory }
            if word.elementsEqual("detail=dragonfly".utf8) { source = .dragonfly }
            if word.elementsEqual("detail=sqlite".utf8) { source = .sqlite }
            if word.elementsEqual("stored".utf8) { source = .stored }
            if word.elementsEqual("collapsed".utf8) { source = .collapsed }
            if word.elementsEqual("fwd=stale".utf8) { isStale = true }
        }
        return (source, isStale)
    }
}
