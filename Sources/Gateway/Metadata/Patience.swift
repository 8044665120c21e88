/// How long a caller of a metadata route is willing to wait (RFC 7240).
struct Patience: Equatable {
    var wait: Duration
    /// `respond-async`: does not want to wait at all; is told to come back with 202.
    var isAsync = false
    /// Only wants to know how long it would take.
    var isNone: Bool { isAsync || wait == .zero }

    /// - Parameters:
    ///   - preferences: the request's `Prefer`.
    ///   - most: `SWINGMUSIC_FCGI_MISS_WAIT`.
    init(_ preferences: String?, most: Duration) {
        wait = most
        guard let preferences else { return }
        for preference in preferences.split(whereSeparator: { $0 == "," || $0 == ";" }) {
            let parts = preference.split(separator: "=", maxSplits: 1).map { $0.filter { $0 != " " && $0 != "\"" }.lowercased() }
            if parts == ["respond-async"] { isAsync = true }
            if parts.count == 2, parts[0] == "wait", let seconds = Int64(parts[1]), (0...86_400).contains(seconds) {
                wait = min(most, .seconds(seconds))
            }
        }
    }
}
