/// Links that were pasted where an ID belongs arrive cut at their slashes; this puts them together again.
enum LinkFolding {
    /// `["tracks", "https:", "open.spotify.com", "intl-de", "track", "ID"]` becomes `["tracks", "https:/open.spotify.com/intl-de/track/ID"]`.
    /// What follows the link stays a segment of its own.
    static func fold(_ path: [String]) -> [String] {
        guard path.count > 2, path[1] == "https:" || path[1] == "http:" else { return path }
        let isLocalised = path.count > 3 && path[3].hasPrefix("intl-")
        let end = min(path.count, isLocalised ? 6 : 5)
        return [path[0], path[1..<end].joined(separator: "/")] + path[end...]
    }
}
