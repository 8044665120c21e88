import Platform

/// What could not be reached.
public enum Outage: Sendable, Equatable {
    /// Spotify's Web API, before a byte was sent. The reason is for the log and the status.
    case upstream(String)
    /// The token could not be had.
    /// - credentials: tells with which credentials, so that others need not wait; not the secret. Empty: whoever asks has to wait.
    /// - isRefusal: they were refused. That is remembered until a token is had, or others are in use.
    case token(String, credentials: String = "", isRefusal: Bool = false)
}

/// Cooldowns and outages, shared by all workers.
extension FileRateLimiter {
    /// Spotify answered 429: no call until the cooldown ends, by any process, restarts included.
    ///
    /// - Parameters:
    ///   - retryAfter: as Spotify named it, at most 30 days; nil or zero: 30 s, doubling up to an hour while it
    ///     repeats.
    ///   - quotaExceeded: the answer said QUOTA_EXCEEDED, not merely too many calls lately.
    /// - Returns: the cooldown's end in wall-clock milliseconds; never earlier than it was.
    /// - Throws: when it could not be written. This process keeps to it all the same, and writes it with its
    ///   next turn.
    public func coolDown(_ retryAfter: Duration?, quotaExceeded: Bool) throws(RateLimiterError) -> Int64 {
        let told = retryAfter.flatMap { $0 > .zero ? min($0, .seconds(30 * 86_400)) : nil }
        keep(clock.boot + (told ?? Backoff.Growth.cooldown.first), saved: false)
        let (until, end) = try file.write { transaction in
            var pause = Backoff.after(
                try transaction.pause(.cooldown), now: transaction.now, told: told, growth: .cooldown)
            pause.quotaExceeded = quotaExceeded
            try transaction.set(.cooldown, pause)
            return (pause.until, transaction.moment.wall(of: pause.until))
        }
        keep(until, saved: true)
        log.warning(
            "Spotify asks for a pause; no call is made before it ends.",
            metadata: ["until": .stringConvertible(end), "quotaExceeded": .stringConvertible(quotaExceeded)])
        return end
    }

    /// Something could not be reached: nobody tries before the pause ends. Upstream: 1 s, doubling up to a
    /// minute; token: 30 s, doubling up to an hour. Spends no slot; a success ends it. The reason is logged and
    /// shown in the status: no secret belongs in it.
    ///
    /// - Parameter told: how long it said that it will last, at most 30 days are believed; no success of a call that was under way ends that.
    /// - Returns: the pause's end in wall-clock milliseconds.
    public func backOff(_ outage: Outage, told: Duration?) throws(RateLimiterError) -> Int64 {
        let (kind, growth, reason, credentials, isRefusal): (Backoff.Kind, Backoff.Growth, String, String, Bool) =
            switch outage {
            case .upstream(let reason): (.upstream, .upstream, reason, "", false)
            case .token(let reason, let credentials, let isRefusal): (.token, .token, reason, credentials, isRefusal)
            }
        let (isNew, end) = try file.write { transaction in
            let earlier = kind == .token ? try tokenPause(transaction) : try transaction.pause(kind)
            if kind == .token { try transaction.releaseClaim() }
            let told = told.map { min($0, .seconds(30 * 86_400)) }
            if let earlier, earlier.until >= transaction.now + (told ?? .nanoseconds(1)) {
                return (false, transaction.moment.wall(of: earlier.until))
            }
            var pause = Backoff.after(earlier, now: transaction.now, told: told, growth: growth)
            if told != nil { pause.repeats = 0 }
            (pause.reason, pause.credentials, pause.isRefusal) = (reason, credentials, isRefusal)
            try transaction.set(kind, pause)
            return (true, transaction.moment.wall(of: pause.until))
        }
        if isNew {
            log.warning(
                "Spotify cannot be used; no call is made for a while.",
                metadata: ["what": "\(kind.rawValue)", "reason": "\(reason)", "until": .stringConvertible(end)])
        }
        return end
    }

    /// The pause of who asks for a token; nil where there is none, or it was met with other credentials than this process has.
    func tokenPause(_ transaction: Transaction) throws -> Backoff? {
        guard let pause = try transaction.pause(.token), pause.credentials.isEmpty || isOurs(pause.credentials) else { return nil }
        return pause
    }

    /// A call came back well outside of a lease (`finish` with `.answered` says it by itself).
    public func noteSuccess() throws(RateLimiterError) {
        try file.write { try $0.noteSuccess() }
    }

    private func keep(_ until: BootTime, saved: Bool) {
        memory.withLock {
            $0.cooldown = max(until, $0.cooldown ?? until)
            $0.cooldownIsSaved = saved
        }
    }
}
