import Caching
import FastCGI

/// What is counted of answers, each under a fixed place in a worker's slot of `figures.shared`.
enum Counter {
    /// The families of routes, as the label `family` names them.
    enum Family: Int, CaseIterable, Sendable {
        case spotify, catalog, auth, cache, dragonfly, own
        /// Of a path that no family has.
        case none

        var label: String { self == .own ? "swingmusic-fcgi" : "\(self)" }
        /// Whether who is parked waits for Spotify, more or less.
        var waitsForLookups: Bool { self == .spotify || self == .catalog }
    }

    /// How a metadata request or a read of `/cache` was served, by its `Cache-Status`: the three tiers, then what the calls brought.
    enum Source: Int, CaseIterable, Sendable {
        case memory, dragonfly, sqlite, stored, collapsed, unanswered

        var isHit: Bool { rawValue <= Source.sqlite.rawValue }
    }

    /// 2xx, 3xx, 4xx, 5xx.
    static let classes = 2...5
    static let answers = Family.allCases.count * classes.count
    static let stale = answers + Source.allCases.count
    static let warnings = stale + 1
    static let errors = stale + 2
    static let calls = stale + 3
    /// How long turns took to take: by the first bound that is not exceeded, then what exceeds all of them, then the sum.
    static let turns = stale + 4
    /// Microseconds.
    static let turnBounds: [UInt64] = [1000, 2000, 5000, 10_000, 50_000, 250_000]
    static let turnMicroseconds = turns + turnBounds.count + 1
    static let count = turnMicroseconds + 1

    static func place(_ family: Family, status: Int) -> Int {
        family.rawValue * classes.count + min(max(status / 100, classes.lowerBound), classes.upperBound) - classes.lowerBound
    }

    static func place(_ source: Source) -> Int { answers + source.rawValue }
}

/// The counters of one worker or of all.
struct Counters: Sendable, Equatable {
    var values = [UInt64](repeating: 0, count: Counter.count)

    subscript(family: Counter.Family, statusClass: Int) -> UInt64 { values[Counter.place(family, status: statusClass * 100)] }
    subscript(source: Counter.Source) -> UInt64 { values[Counter.place(source)] }
    var stale: UInt64 { values[Counter.stale] }
    var warnings: UInt64 { values[Counter.warnings] }
    var errors: UInt64 { values[Counter.errors] }
    var calls: UInt64 { values[Counter.calls] }
    /// Turns that took so long: microseconds of each bound, and how many took no longer. The last is without bound.
    var turns: [(bound: UInt64?, count: UInt64)] {
        var sum: UInt64 = 0
        return (Counter.turnBounds.map { $0 as UInt64? } + [nil]).enumerated().map { place, bound in
            sum &+= values[Counter.turns + place]
            return (bound, sum)
        }
    }
    var turnMicroseconds: UInt64 { values[Counter.turnMicroseconds] }
    /// Of all families and classes.
    var answered: UInt64 { values[..<Counter.answers].reduce(0, &+) }

    /// Answers with 5xx.
    var failed: UInt64 { Counter.Family.allCases.reduce(0) { $0 + self[$1, 5] } }

    static func += (sum: inout Counters, other: Counters) {
        for place in sum.values.indices { sum.values[place] &+= other.values[place] }
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
        Counter.Source(rawValue: note & (staleMark - 1) - 1).map { ($0, note & staleMark != 0) }
    }

    private func source(_ tier: Tier) -> Counter.Source {
        switch tier {
        case .memory: .memory
        case .dragonfly: .dragonfly
        case .sqlite: .sqlite
        }
    }
}
