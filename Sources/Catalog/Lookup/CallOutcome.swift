import CSystem
import RateLimiting
import Spotify

/// What comes of a call.
extension LookupLoop {
    /// Keeps an answer or a refusal, or sees to it that the lookup is tried again.
    func conclude(_ lease: Lease, _ resource: Resource, _ token: String, _ verdict: CallOutcome) throws {
        switch verdict {
        case .keep(let body):
            guard let parsed = ParsedAnswer(resource, body) else {
                return try again(lease, resource, reason: "Spotify's answer has an unknown form")
            }
            try store(lease, resource) { try recordStore.store(parsed) }
            try learn(parsed.mode)
        case .deny(let denial):
            try store(lease, resource) { try recordStore.store(denial, for: resource) }
            try learn(AccountMode(resource, refusedWith: denial))
        case .renewToken:
            try renewToken(lease, resource, token)
        case .coolDown(let retryAfter, let quotaExceeded):
            try coolDown(lease, retryAfter, quotaExceeded)
        case .retry(let reason), .unreachable(let reason):
            try again(lease, resource, reason: reason)
        case .nothing:
            try rateLimiter.losePermit(lease)
        }
    }

    /// A 401: the lookup is tried once more with another token, at the cost of another permit. A second token's 401 is the lookup's
    /// failure: it is not the token then, and asking for more of them would be a loop. Which worker gets the second turn is open, so
    /// that the first is remembered for all.
    private func renewToken(_ lease: Lease, _ resource: Resource, _ token: String) throws {
        let fact = "refused/\(resource.name)"
        if let earlier = try rateLimiter.recall(fact), earlier != AccessTokenProvider.mark(of: token) {
            try rateLimiter.remember(fact, "", until: csys_wall_ms())
            try noteThatEveryTokenIsRefused(token, by: resource)
            return try again(lease, resource, reason: "Spotify refuses every token for this", isFinal: true)
        }
        log.notice("Spotify refused the token; a new one is asked for", metadata: ["lookup": "\(resource.name)"])
        try rateLimiter.remember(fact, AccessTokenProvider.mark(of: token), until: csys_wall_ms() + 60_000)
        try tokens?.refuse(token)
        _ = try rateLimiter.finish(lease, .failed(reason: "Spotify refused the token", retryAfter: .zero, final: false))
    }

    /// One lookup that refuses every token is odd; two are a Spotify that refuses us: then no token is asked for, and none used, for
    /// a while, because tokens are to be rare.
    private func noteThatEveryTokenIsRefused(_ token: String, by resource: Resource) throws {
        let fact = "refuses-every-token"
        let other = try rateLimiter.recall(fact)
        try rateLimiter.remember(fact, resource.name, until: csys_wall_ms() + 600_000)
        guard let other, other != resource.name else { return }
        try tokens?.refuse(token)
        _ = try rateLimiter.backOff(.token("Spotify refuses every token"))
    }

    /// What kind of account this is, for the status page: written when it is new.
    private func learn(_ mode: AccountMode?) throws {
        guard let mode, mode != accountMode else { return }
        accountMode = mode
        guard try rateLimiter.recall(AccountMode.fact) != mode.rawValue else { return }
        try rateLimiter.remember(AccountMode.fact, mode.rawValue, until: nil)
        log.notice("Spotify's answers show the account's mode", metadata: ["mode": "\(mode.rawValue)"])
    }

    /// Keeps an answer while the lease is still ours, and ends the wait of its callers.
    private func store(_ lease: Lease, _ resource: Resource, _ write: () throws -> Void) throws(RateLimiterError) {
        do {
            guard try rateLimiter.finish(lease, .answered, storing: write) else { return }
            singleFlight.settle(resource)
        } catch .storing(let cause) {
            log.error("what was fetched cannot be stored: \(cause)", metadata: ["lookup": "\(resource.name)"])
            try again(lease, resource, reason: "the database cannot be written: \(cause)", pauseAtLeast: .seconds(30))
        }
    }

    /// Something failed: another permit later, or the end for those who wait.
    private func again(
        _ lease: Lease, _ resource: Resource, reason: String, pauseAtLeast least: Duration = .zero, isFinal isHopeless: Bool = false
    ) throws(RateLimiterError) {
        let attended = singleFlight.waits(for: resource) || lease.priority == .caller
        let isFinal = attended && (isHopeless || lease.attempt >= Retries.turns)
        let pause = max(least, Retries.pause(after: lease.attempt, attended: attended))
        log.warning(
            "a lookup failed",
            metadata: [
                "lookup": "\(resource.name)", "reason": "\(reason)", "attempt": "\(lease.attempt)", "pause": "\(pause.components.seconds)s",
            ])
        guard try rateLimiter.finish(lease, .failed(reason: reason, retryAfter: pause, final: isFinal)) else { return }
        if isFinal { singleFlight.fail(resource, .failed(reason: reason, after: max(pause, .seconds(5)))) }
    }

    private func coolDown(_ lease: Lease, _ retryAfter: Duration?, _ quotaExceeded: Bool) throws {
        let end = try rateLimiter.coolDown(retryAfter, quotaExceeded: quotaExceeded)
        let rest = Duration.milliseconds(max(end - csys_wall_ms(), 1000))
        _ = try rateLimiter.finish(lease, .failed(reason: "rate limited", retryAfter: .zero, final: false))
        log.warning(
            quotaExceeded ? "Spotify says that the quota is spent" : "Spotify limits the rate of calls",
            metadata: ["wait": "\(rest.components.seconds)s"])
    }

    func noteUnreachable(_ reason: String) {
        guarded {
            let end = try rateLimiter.backOff(.upstream(reason))
            let pause = Duration.milliseconds(max(end - csys_wall_ms(), 1000))
            log.warning("Spotify cannot be reached", metadata: ["reason": "\(reason)", "pause": "\(pause.components.seconds)s"])
        }
    }
}

/// What a call's end means for its lookup: decided from the result alone.
enum CallOutcome: Sendable {
    /// A complete answer to keep.
    case keep([UInt8])
    /// Spotify said no, and will say so again.
    case deny(NegativeEntry)
    /// The token was refused: renew it and ask once more.
    case renewToken
    /// Spotify told us to wait.
    case coolDown(retryAfter: Duration?, quotaExceeded: Bool)
    /// Something failed on the way, after the slot was spent.
    case retry(reason: String)
    /// No connection came about; no slot was spent.
    case unreachable(reason: String)
    /// The permit was not ours after all; nothing was sent.
    case nothing

    init(_ result: CallResult, sent: Bool) {
        switch result {
        case .held: self = .nothing
        case .answer(let answer): self = .keep(answer.body)
        case .failure(let error): self.init(error, sent: sent)
        }
    }

    private init(_ error: SpotifyError, sent: Bool) {
        switch error {
        case .unauthorized: self = .renewToken
        case .notFound(let message): self = .deny(NegativeEntry(status: 404, message: message))
        case .badRequest(let message): self = .deny(NegativeEntry(status: 400, message: message))
        case .forbidden(let message): self = .deny(NegativeEntry(status: 403, message: message))
        case .rateLimited(let retryAfter, let quotaExceeded):
            self = .coolDown(retryAfter: retryAfter, quotaExceeded: quotaExceeded)
        default: self = sent ? .retry(reason: error.description) : .unreachable(reason: error.description)
        }
    }
}

/// How often and how soon a failed lookup is tried again.
enum Retries {
    /// Turns that a waiting caller's lookup may use before its callers are told.
    static let turns = 3

    /// 1 s, 2 s, 4 s ... for callers; 1 min, 2 min, 4 min ... up to an hour for what nobody waits for.
    static func pause(after attempt: Int, attended: Bool) -> Duration {
        let doublings = min(max(attempt - 1, 0), 10)
        let first: Duration = attended ? .seconds(1) : .seconds(60)
        return min(first * (1 << doublings), .seconds(3600))
    }
}
