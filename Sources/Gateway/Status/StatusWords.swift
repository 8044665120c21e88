import RateLimiting

// What the figures are called where people read them: on the page and in the terminal.

extension Counter.Source {
    var words: String {
        switch self {
        case .memory: "memory"
        case .dragonfly: "DragonflyDB"
        case .sqlite: "SQLite"
        case .stored: "called Spotify"
        case .collapsed: "joined a call"
        case .unanswered: "not in time"
        }
    }
}

extension Priority {
    var words: String {
        switch self {
        case .caller: "somebody waits"
        case .unattended: "nobody waits any more"
        case .renewal: "renewals"
        case .warming: "warming"
        }
    }
}

extension Readiness {
    var words: String { !isReady ? "not ready" : warnings.isEmpty ? "ready" : "ready, with warnings" }
}

extension StatusReport {
    /// How DragonflyDB stands.
    var storeWords: String {
        guard let store = caches.store else { return "none" }
        return store.isUsed ? "used" : "not used" + (store.fault.map { ": \($0)" } ?? "")
    }
}
