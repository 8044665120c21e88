/// The four caches. Their names are part of `/cache/{name}/{key}` and of the keys in DragonflyDB.
public enum CacheName: String, CaseIterable, Sendable {
    /// Spotify's answers: kept for good, due for renewal when their time has passed.
    case spotify
    case session
    case user
    case temp

    /// The number in `cache.db`. Never reuse one.
    var number: Int64 {
        switch self {
        case .spotify: 0
        case .session: 1
        case .user: 2
        case .temp: 3
        }
    }

    /// Whether rows outlive their time, and are only due (to be renewed, served stale meanwhile).
    var keepsDueRows: Bool { self == .spotify }
}

/// Where an entry was found; the `detail` of `Cache-Status` (RFC 9211).
public enum Tier: String, Sendable, CaseIterable {
    case memory
    case dragonfly
    case sqlite
}
