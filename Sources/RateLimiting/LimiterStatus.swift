import GRDB
import Platform

/// The limiter and the queue at one moment, for people and metrics. Instants are wall-clock milliseconds.
public struct RateLimiterStatus: Sendable, Equatable {
    public struct Cooldown: Sendable, Equatable {
        public var recordedAt: Int64
        public var endsAt: Int64
        public var quotaExceeded: Bool
    }

    public struct Interruption: Sendable, Equatable {
        public var recordedAt: Int64
        public var endsAt: Int64
        /// How often in a row.
        public var failures: Int
        public var reason: String
    }

    /// Calls that count at this moment, and how many may.
    public var callsInWindow: Int
    public var callsPerWindow: Int
    /// What renewals and warming may bring them to.
    public var backgroundLimit: Int
    /// When a slot is free for a caller, and for a renewal; in the past when one is free now.
    public var nextSlotAt: Int64
    public var nextBackgroundSlotAt: Int64
    /// While Spotify has told us to wait.
    public var cooldown: Cooldown?
    /// While upstream, or the token, is not tried.
    public var upstream: Interruption?
    public var tokenOutage: Interruption?
    /// Since the credentials of this process were refused, until a token is had: also between two attempts.
    public var refusedCredentials: Interruption?
    /// Since Spotify refuses this account, until it answers a call; its end, when that is tried next, may be in the past.
    public var accountRefusal: Interruption?
    /// Lookups that wait for a permit, by the rank they have now.
    public var waiting: [Priority: Int]
    public var leased: Int
    public var failed: Int
    /// Mean time from a grant to its answer.
    public var callTime: Duration
    public var tokenExpiresAt: Int64?
    /// nil: this host is alone, and was.
    public var shared: SharedStanding?
}

extension FileRateLimiter {
    /// Reads everything an operator may want to know; a few milliseconds with a long queue.
    /// - Throws: also where the lock beside the file cannot be had, since nothing is granted then.
    public func status() throws(RateLimiterError) -> RateLimiterStatus {
        if let reason = sending.refusal() { throw .file(.cannotOpen("the lock beside it: \(reason)")) }
        return try file.read { transaction in
            let forecast = try forecast(transaction)
            let snapshot = try transaction.snapshot()
            let moment = transaction.moment
            let tokenPause = try tokenPause(transaction)
            func nextSlot(_ nextSlot: NextSlot) -> Int64 {
                nextSlot.instant == .always ? moment.wall.milliseconds : moment.wall(of: nextSlot.instant)
            }
            return RateLimiterStatus(
                callsInWindow: try transaction.callsInWindow(of: rateLimit), callsPerWindow: rateLimit.callsPerWindow,
                backgroundLimit: rateLimit.backgroundLimit, nextSlotAt: nextSlot(forecast.callers),
                nextBackgroundSlotAt: nextSlot(forecast.background), cooldown: try transaction.cooldown(),
                upstream: transaction.interruption(try transaction.pause(.upstream)), tokenOutage: transaction.interruption(tokenPause),
                refusedCredentials: tokenPause.flatMap { $0.isRefusal ? transaction.described($0) : nil },
                accountRefusal: try transaction.pause(.account).map { transaction.described($0) },
                waiting: snapshot.waiting, leased: try transaction.leased(), failed: try transaction.failed(),
                callTime: try transaction.callTime(), tokenExpiresAt: try transaction.token()?.expiresAt,
                shared: try transaction.standing())
        }
    }
}

extension QueueSnapshot {
    fileprivate var waiting: [Priority: Int] {
        [
            .caller: clients.values.reduce(0) { $0 + $1.attended },
            .unattended: clients.values.reduce(0) { $0 + $1.unattended },
            .renewal: renewals, .warming: warming,
        ]
    }
}

extension Transaction {
    fileprivate func cooldown() throws -> RateLimiterStatus.Cooldown? {
        guard let pause = try pause(.cooldown), pause.until > now else { return nil }
        return .init(
            recordedAt: moment.wall(of: pause.recorded), endsAt: moment.wall(of: pause.until),
            quotaExceeded: pause.quotaExceeded)
    }

    /// While the pause lasts.
    fileprivate func interruption(_ pause: Backoff?) -> RateLimiterStatus.Interruption? {
        pause.flatMap { $0.until > now ? described($0) : nil }
    }

    fileprivate func described(_ pause: Backoff) -> RateLimiterStatus.Interruption {
        .init(
            recordedAt: moment.wall(of: pause.recorded), endsAt: moment.wall(of: pause.until), failures: pause.repeats,
            reason: pause.reason)
    }

    fileprivate func leased() throws -> Int {
        try one("SELECT count(*) FROM lookups WHERE \(Self.isLeased)", ["now": now]) ?? 0
    }

    fileprivate func failed() throws -> Int {
        try one("SELECT count(*) FROM lookups WHERE failed") ?? 0
    }
}
