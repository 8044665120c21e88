import CSystem
import Logging

/// Whether nginx's include files are as old as this program, by what comes through them.
struct IncludeWatch: Sendable {
    let scoreboard: Scoreboard
    let log: Logger

    /// Called for each request below `/cache`: they need the raw path.
    func saw(rawPath isThere: Bool) {
        let since = scoreboard.rawPathMissedAt
        if isThere {
            if since != 0 { scoreboard.rawPathMissedAt = 0 }
            return
        }
        scoreboard.rawPathMissedAt = csys_wall_ms()
        if since == 0 { log.warning("a request below /cache came without REQUEST_URI: nginx's swingmusic-fcgi/pass.conf is an older one") }
    }
}

/// What the workers have noted of nginx's include files.
public struct IncludeFiles: Sendable {
    /// When the latest request below `/cache` came, in milliseconds since 1970, if it came without the raw path: through an include file
    /// that is older than this program. nil when it had it, or none ever came.
    public let outdatedAt: Int64?

    /// - Parameter dataDirectory: the workers'. Nothing is made or changed in it.
    public init(dataDirectory: String) {
        let missedAt = Scoreboard(reading: dataDirectory + "/figures.shared").rawPathMissedAt
        outdatedAt = missedAt == 0 ? nil : missedAt
    }
}
