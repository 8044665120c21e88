/// Links that were pasted where an ID belongs arrive cut at their slashes; this puts them together again.
enum LinkFolding {
    /// `["tracks", "https:", "open.spotify.com", "intl-de", "track", "ID"]` becomes `["tracks", "https:/open.spotify.com/intl-de/track/ID"]`.
    /// The scheme may be missing. What follows the link stays a segment of its own.
    static func fold(_ path: [String]) -> [String] {
        guard path.count > 2 else { return path }
        let host = path[1] == "https:" || path[1] == "http:" ? 2 : 1
        guard host == 2 || path[1] == "open.spotify.com" else { return path }
        let isLocalised = path.count > host + 1 && path[host + 1].hasPrefix("intl-")
        let end = min(path.count, host + (isLocalised ? 4 : 3))
        return [path[0], path[1..<end].joined(separator: "/")] + path[end...]
    }
}
