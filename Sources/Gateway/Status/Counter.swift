/// What is counted of answers, each under a fixed place in a worker's slot of `figures.shared`.
enum Counter {
    /// The families of routes, as the label `family` names them.
    enum Family: Int, CaseIterable, Sendable {
        case spotify, catalog, auth, cache, dragonfly, own, none

        /// - Parameter prefix: the router's.
        init(prefix: String) {
            switch prefix {
            case "/spotify/v1/": self = .spotify
            case "/api/catalog/": self = .catalog
            case "/auth/": self = .auth
            case "/cache/": self = .cache
            case "/dragonfly/": self = .dragonfly
            case "/swingmusic-fcgi/": self = .own
            default: self = .none
            }
        }

        var label: String { self == .own ? "swingmusic-fcgi" : "\(self)" }
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
    static let count = stale + 4

    static func place(_ family: Family, status: Int) -> Int {
        family.rawValue * classes.count + min(max(status / 100, classes.lowerBound), classes.upperBound) - classes.lowerBound
    }

    static func place(_ source: Source) -> Int { answers + source.rawValue }
}

/// The counters of one worker or of all.
struct Counts: Sendable, Equatable {
    var values = [UInt64](repeating: 0, count: Counter.count)

    subscript(family: Counter.Family, statusClass: Int) -> UInt64 { values[Counter.place(family, status: statusClass * 100)] }
    subscript(source: Counter.Source) -> UInt64 { values[Counter.place(source)] }
    var stale: UInt64 { values[Counter.stale] }
    var warnings: UInt64 { values[Counter.warnings] }
    var errors: UInt64 { values[Counter.errors] }
    var calls: UInt64 { values[Counter.calls] }
    /// Of all families and classes.
    var answered: UInt64 { values[..<Counter.answers].reduce(0, &+) }

    /// Answers with 5xx.
    var failed: UInt64 { Counter.Family.allCases.reduce(0) { $0 + self[$1, 5] } }

    static func += (sum: inout Counts, other: Counts) {
        for place in sum.values.indices { sum.values[place] &+= other.values[place] }
    }
}
