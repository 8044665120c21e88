import Glibc

/// Why `warm` cannot begin.
enum WarmError: Error, CustomStringConvertible {
    case noCredentials
    case nothingNamed
    case unreadable(String)

    var description: String {
        switch self {
        case .noCredentials: "SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET are not set: nothing can be fetched"
        case .nothingNamed: "there is no link, URI or ID in what was read"
        case .unreadable(let path): "\(path) cannot be read: \(String(cString: strerror(errno)))"
        }
    }
}
