/// What an Authorization header holds for us: `Bearer <token>`, alone or as the only such item of a comma list.
enum BearerText: Equatable {
    case absent
    /// Another scheme, or more than one `Bearer`.
    case otherScheme
    case malformed
    case token([UInt8])

    init(_ headers: [String]) {
        var text = Substring(headers.joined(separator: ", ")).trimmed
        while text.first == "," { text.removeFirst() }
        while text.last == "," { text.removeLast() }
        guard !text.isEmpty else {
            self = .absent
            return
        }
        let items = text.split(separator: ",", omittingEmptySubsequences: false).map { $0.split(whereSeparator: \.isWhitespace) }
        // An empty item between two commas is an error of swingmusic's library (500 there).
        guard items.allSatisfy({ !$0.isEmpty }) else {
            self = .malformed
            return
        }
        let bearers = items.filter { $0[0] == "Bearer" }
        guard bearers.count == 1 else {
            self = .otherScheme
            return
        }
        self = bearers[0].count == 2 ? .token(Array(bearers[0][1].utf8)) : .malformed
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        var text = self
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return text
    }
}
