import GRDB
import Platform

/// A time during which something is not tried: Spotify's cooldown, or an outage.
struct Backoff: Equatable {
    enum Kind: String {
        case cooldown, upstream, token, account
    }

    /// How a pause grows by itself: `first`, then twice as long each time, up to `longest`.
    struct Growth: Equatable {
        var first: Duration
        var longest: Duration

        static let cooldown = Growth(first: .seconds(30), longest: .seconds(3600))
        static let upstream = Growth(first: .seconds(1), longest: .seconds(60))
        static let token = Growth(first: .seconds(30), longest: .seconds(3600))
        static let account = Growth(first: .seconds(5), longest: .seconds(600))

        func length(_ repeats: Int) -> Duration { min(first * (1 << (min(max(repeats, 1), 20) - 1)), longest) }
    }

    /// When the pause was last confirmed.
    var recorded: BootTime
    var until: BootTime
    /// How often in a row it began without a length being told; 0 for an outage whose length was told.
    var repeats: Int
    var quotaExceeded = false
    var reason = ""
    /// Of a token that could not be had: tells with which credentials. Empty: it is not known.
    var credentials = ""
    /// They were refused.
    var isRefusal = false

    /// The pause after one more failure at `now`. It is never shortened. What fails while a pause lasts was under
    /// way before it began and does not make it grow.
    ///
    /// - Parameter told: the length that was asked for; nil to go by the growth.
    static func after(_ earlier: Backoff?, now: BootTime, told: Duration?, growth: Growth) -> Backoff {
        let isOver = earlier.map { $0.until <= now } ?? true
        var repeats = earlier?.repeats ?? 0
        if told == nil, isOver || repeats == 0 { repeats += 1 }
        let end = now + (told ?? growth.length(repeats))
        return Backoff(recorded: now, until: max(end, earlier?.until ?? end), repeats: repeats)
    }
}

extension Transaction {
    func pause(_ kind: Backoff.Kind) throws -> Backoff? {
        try row(
            "SELECT recorded, until, repeats, quota_exceeded, reason, credentials, refused FROM pauses WHERE what = ?", [kind.rawValue]
        ).map {
            Backoff(
                recorded: $0[0], until: $0[1], repeats: $0[2], quotaExceeded: $0[3], reason: $0[4], credentials: $0[5], isRefusal: $0[6])
        }
    }

    func set(_ kind: Backoff.Kind, _ pause: Backoff) throws {
        try run(
            """
            INSERT OR REPLACE INTO pauses (what, recorded, until, repeats, quota_exceeded, reason, credentials, refused)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                kind.rawValue, pause.recorded, pause.until, pause.repeats, pause.quotaExceeded, pause.reason, pause.credentials,
                pause.isRefusal,
            ])
    }

    /// A call came back well: upstream is there, and the next cooldown starts small again. While a cooldown
    /// lasts, or an outage whose length was told, the call was made before it began and says nothing about it.
    func noteSuccess() throws {
        try run(
            "DELETE FROM pauses WHERE what IN ('upstream', 'cooldown') AND (until <= :now OR what = 'upstream' AND repeats > 0)",
            ["now": now])
    }
}
