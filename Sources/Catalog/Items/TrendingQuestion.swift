import CSystem
import Spotify

/// `GET /api/catalog/trending`: what is asked for here, and where that is little, what a search for this year's releases finds.
public struct TrendingQuestion: Question {
    let kind: ObjectKind
    let limit: Int
    let query: String
    public let mayBePatchy = true

    /// How many pages of the search are looked at.
    static let searchPages = 2

    public init(kind: ObjectKind, limit: Int) {
        self.kind = kind
        self.limit = limit
        query = "year:\(Self.year(of: csys_wall_ms()))"
    }

    public func compose(_ reader: inout Reader) throws -> ArraySlice<UInt8>? {
        var selection = Selection(of: kind, atMost: limit)
        selection.add(try KnownObjects.lately(kind, &reader))
        var isPending = false
        if !selection.isFull, let term = SearchTerm(query) {
            let window = Window(offset: 0, limit: min(limit, Self.searchPages * PageSize.search))
            let found = try? Search(term: term, kinds: [kind], market: nil).list(of: kind).stretch(window, &reader)
            selection.add(found?.elements ?? [])
            isPending = !reader.missing.isEmpty
        }
        var writer = JSONWriter(reserving: 65_536)
        writer.object { writer in
            writer.member("type", kind.rawValue + "s")
            writer.member("query", query)
            selection.write(as: kind.rawValue + "s", to: &writer)
            writePending(isPending ? [kind.rawValue + "s"] : [], &writer)
        }
        return writer.bytes[...]
    }

    /// The Gregorian year of an instant, in UTC; days are counted from 1 March of the year 0 (a cycle has 146097 days).
    static func year(of milliseconds: Int64) -> Int64 {
        let days = milliseconds / 86_400_000 + 719_468
        let (cycle, day) = (days / 146_097, days % 146_097)
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365
        let dayOfYear = day - (365 * year + year / 4 - year / 100)
        return cycle * 400 + year + (dayOfYear >= 306 ? 1 : 0)
    }
}
