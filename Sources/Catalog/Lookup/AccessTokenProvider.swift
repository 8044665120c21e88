import Logging
import Platform
import RateLimiting
import Spotify

/// Keeps this worker's copy of the one token that all workers share, and renews it when that is this worker's task.
/// Confined to the lookup thread.
final class AccessTokenProvider {
    enum Standing {
        case ready(String)
        /// Ask again after this.
        case wait(Duration, WaitReason)
    }

    private let credentials: SpotifyCredentials
    private let rateLimiter: any RateLimiter
    private let worker: String
    private let clock: any HostClock
    private var token: SharedToken?
    private var refused: String?
    private var isRenewing = false

    init(credentials: SpotifyCredentials, rateLimiter: any RateLimiter, worker: String, clock: any HostClock) {
        self.credentials = credentials
        self.rateLimiter = rateLimiter
        self.worker = worker
        self.clock = clock
    }

    /// A fresh token, or how long to wait for one. May start the renewal on `client`.
    func stand(_ client: any SpotifyCalls) throws -> Standing {
        if let token, isFresh(token), try !isRefusedElsewhere(token) { return .ready(token.token) }
        if isRenewing { return .wait(.milliseconds(100), .turnOfAnother) }
        switch try rateLimiter.claimTokenRenewal(refusing: refused, worker: worker) {
        case .current(let stored) where stored.issuedFor != credentials.clientID:
            // The account was changed in the settings.
            refused = stored.token
            return .wait(.zero, .turnOfAnother)
        case .current(let stored):
            token = stored
            return .ready(stored.token)
        case .wait(let pause, let reason):
            return .wait(pause, reason)
        case .yours:
            renew(client)
            return .wait(.milliseconds(100), .turnOfAnother)
        }
    }

    private func isFresh(_ token: SharedToken) -> Bool {
        token.token != refused && clock.wall.milliseconds < token.renewAt
    }

    // MARK: Renewing

    private func renew(_ client: any SpotifyCalls) {
        isRenewing = true
        client.requestToken(credentials) { [self] result in
            isRenewing = false
            // A file that cannot be written shows at the next permit, which fails closed.
            switch result {
            case .success(let fresh):
                try? rateLimiter.storeToken(fresh.token, expiresIn: fresh.expiresIn, issuedFor: credentials.clientID, worker: worker)
            case .failure(let error): fail(error)
            }
        }
    }

    private func fail(_ error: SpotifyError) {
        if case .rateLimited(let retryAfter, let quotaExceeded) = error {
            _ = try? rateLimiter.coolDown(retryAfter, quotaExceeded: quotaExceeded)
        }
        var told: Duration?
        if case .server(_, _, let retryAfter) = error { told = retryAfter }
        var isRefusal = false
        if case .badCredentials = error { isRefusal = true }
        _ = try? rateLimiter.backOff(.token(error.description, credentials: credentials.mark(), isRefusal: isRefusal), told: told)
    }

    // MARK: Tokens that Spotify refuses

    /// The Web API refused `token` (401) for a lookup: the next call, of every worker, waits for another one.
    ///
    /// The lookup may be tried once more with that one, at the cost of another permit. A second token's 401 is the lookup's failure: it is
    /// not the token then, and asking for more of them would be a loop. Which worker gets the second turn is open, so that the first is
    /// remembered for all.
    /// - Returns: false when an earlier token was refused for this lookup, too.
    func refuse(_ token: String, for lookup: String) throws -> Bool {
        let fact = "refused/\(lookup)"
        if let earlier = try rateLimiter.recall(fact), earlier != Self.mark(of: token) {
            try rateLimiter.remember(fact, "", until: clock.wall.milliseconds)
            try noteThatEveryTokenIsRefused(token, by: lookup)
            return false
        }
        try rateLimiter.remember(fact, Self.mark(of: token), until: (clock.wall + .seconds(60)).milliseconds)
        try refuse(token)
        return true
    }

    /// One lookup that refuses every token is odd; two are a Spotify that refuses us: then no token is asked for, and none used, for
    /// a while, because tokens are to be rare.
    private func noteThatEveryTokenIsRefused(_ token: String, by lookup: String) throws {
        let fact = "refuses-every-token"
        let other = try rateLimiter.recall(fact)
        try rateLimiter.remember(fact, lookup, until: (clock.wall + .seconds(600)).milliseconds)
        guard let other, other != lookup else { return }
        try refuse(token)
        _ = try rateLimiter.backOff(.token("Spotify refuses every token", credentials: credentials.mark()))
    }

    private func refuse(_ token: String) throws {
        refused = token
        if self.token?.token == token { self.token = nil }
        try rateLimiter.remember(Self.refusedFact, Self.mark(of: token), until: nil)
    }

    private func isRefusedElsewhere(_ token: SharedToken) throws -> Bool {
        guard try rateLimiter.recall(Self.refusedFact) == Self.mark(of: token.token) else { return false }
        refused = token.token
        return true
    }

    /// Tells tokens apart without showing them.
    fileprivate static func mark(of token: String) -> String { String(FNV.hash(Array(token.utf8)), radix: 16) }

    private static let refusedFact = "refused-token"
}

/// Keeps this worker's look at the connected account's token, which lies sealed in the data folder for all, and renews it when nobody else is at
/// it. Confined to the lookup thread.
final class AccountTokenProvider {
    enum Standing {
        /// No account is connected, or its consent has ended.
        case absent
        case ready(String)
        /// It is being asked for, here or by another process.
        case renewing
        /// There is none for a while, though the consent is good.
        case unready
    }

    private let file: AccountFile
    private let credentials: SpotifyCredentials
    private let rateLimiter: RateLimiter
    private let clock: any HostClock
    private let log: Logger
    /// That the consent ends, or cannot be used.
    private let trouble: LogOnce
    private var stamp: FileStamp?
    private var standing: AccountStanding?
    private var tokens: AccountTokens?
    /// Held while this process asks for a token.
    private var lock: FileLock?

    private static let pauseFact = "account-pause"
    /// The mark of the token that the Web API refused, until another one was taken.
    private static let refusedFact = "account-refused"

    init(file: AccountFile, credentials: SpotifyCredentials, rateLimiter: RateLimiter, clock: any HostClock, log: Logger) {
        self.file = file
        self.credentials = credentials
        self.rateLimiter = rateLimiter
        self.clock = clock
        self.log = log
        trouble = LogOnce(log, repeatedEvery: .seconds(86_400))
    }

    /// Whose token playlists are to be asked for with. May start a renewal on `client`; to be asked when a call is due, so never in a cooldown.
    func stand(_ client: any SpotifyCalls) throws -> Standing {
        if lock != nil { return .renewing }
        look()
        guard let standing, standing.endReason == nil else { return .absent }
        guard let tokens else {
            let reason = "the connected Spotify account was sealed with other credentials: run 'swingmusic-fcgi connect' again"
            trouble.raise(reason, now: clock.wall, level: .error, "\(reason)")
            return .absent
        }
        tellEnd(standing)
        if let access = try fresh(tokens) { return .ready(access) }
        if try rateLimiter.recall(Self.pauseFact) != nil { return .unready }
        guard let lock = try? file.lock() else { return .unready }
        guard lock.tryLock() else { return .renewing }
        // Who had the lock before may have renewed it.
        look()
        guard let tokens = self.tokens, try fresh(tokens) == nil else {
            lock.unlock()
            return .renewing
        }
        self.lock = lock
        renew(tokens, standing, client)
        return .renewing
    }

    /// Nobody has seen it refused, and it is good for a while.
    private func fresh(_ tokens: AccountTokens) throws -> String? {
        guard let access = tokens.access, clock.wall.milliseconds < tokens.accessEndsAt - 60_000 else { return nil }
        return try rateLimiter.recall(Self.refusedFact) == AccessTokenProvider.mark(of: access) ? nil : access
    }

    private func look() {
        let stamp = file.stamp
        guard stamp != self.stamp else { return }
        self.stamp = stamp
        let had = standing
        standing = file.standing()
        tokens = file.tokens(credentials)
        if tokens != nil, had?.consentedAt != standing?.consentedAt {
            trouble.settle("a Spotify account is connected")
            log.notice("playlists are asked for as the connected Spotify account")
        }
    }

    private func tellEnd(_ standing: AccountStanding) {
        guard standing.isEnding(now: clock.wall) else { return }
        let reason = "the connected Spotify account's consent ends on \(standing.endDay): run 'swingmusic-fcgi connect' before"
        trouble.raise(reason, now: clock.wall, "\(reason)")
    }

    private func renew(_ old: AccountTokens, _ standing: AccountStanding, _ client: any SpotifyCalls) {
        client.requestToken(AccountTokenRequest(refresh: old.refresh, clientID: credentials.clientID)) { [self] result in
            defer {
                lock?.unlock()
                lock = nil
            }
            switch result {
            case .success(let token): keep(token, old, standing)
            case .failure(.grantRefused(let reason)): end(reason, standing)
            case .failure(let error): pause(error)
            }
        }
    }

    private func keep(_ token: AccessToken, _ old: AccountTokens, _ standing: AccountStanding) {
        let tokens = AccountTokens(
            refresh: token.refreshToken ?? old.refresh, access: token.token,
            accessEndsAt: (clock.wall + token.expiresIn).milliseconds)
        self.tokens = tokens
        do throws(SystemError) {
            try file.keep(tokens, consentedAt: standing.consentedAt, credentials)
            stamp = file.stamp
        } catch {
            let reason = "the connected Spotify account's new token cannot be stored: \(error.reason)"
            trouble.raise(reason, kind: "store", now: clock.wall, level: .error, "\(reason); see that the data folder can be written")
        }
    }

    /// `invalid_grant` is final: the owner took the consent back, or its six months are over.
    private func end(_ reason: String, _ standing: AccountStanding) {
        let words = reason.isEmpty ? "invalid_grant" : reason
        log.error("Spotify takes the connected account's consent no more (\(words)): run 'swingmusic-fcgi connect' again")
        self.tokens = nil
        self.standing = AccountStanding(consentedAt: standing.consentedAt, endReason: words)
        try? file.end(words, consentedAt: standing.consentedAt)
        stamp = file.stamp
    }

    private func pause(_ error: SpotifyError) {
        if case .rateLimited(let retryAfter, let quotaExceeded) = error {
            _ = try? rateLimiter.coolDown(retryAfter, quotaExceeded: quotaExceeded)
        }
        log.warning("no token of the connected Spotify account is to be had: \(error); tried again in a minute")
        try? rateLimiter.remember(Self.pauseFact, "failed", until: (clock.wall + .seconds(60)).milliseconds)
    }

    /// The Web API refused the token (401): no worker uses it any more. Another one is asked for; when that is refused, too, not for a while.
    /// - Returns: whether another one may do better.
    func refuse(_ token: String) throws -> Bool {
        let mark = AccessTokenProvider.mark(of: token)
        let earlier = try rateLimiter.recall(Self.refusedFact)
        try rateLimiter.remember(Self.refusedFact, mark, until: (clock.wall + .seconds(3600)).milliseconds)
        guard let earlier, earlier != mark else { return true }
        try rateLimiter.remember(Self.pauseFact, "refused", until: (clock.wall + .seconds(600)).milliseconds)
        log.warning("Spotify refuses every token of the connected account; tried again in ten minutes")
        return false
    }

    /// The Web API took the token.
    func noteTaken() throws {
        guard try rateLimiter.recall(Self.refusedFact) != nil else { return }
        try rateLimiter.remember(Self.refusedFact, "", until: clock.wall.milliseconds)
    }

    // MARK: Lists that are not for everybody

    /// Whether a playlist is asked for as the app: as the account it is one that its owner keeps from others.
    func isKept(_ playlist: SpotifyID) throws -> Bool { try rateLimiter.recall(Self.keptFact(playlist)) != nil }

    func noteKept(_ playlist: SpotifyID) throws {
        try rateLimiter.remember(Self.keptFact(playlist), "kept", until: (clock.wall + .seconds(86_400)).milliseconds)
    }

    private static func keptFact(_ playlist: SpotifyID) -> String { "account-kept/\(playlist.text)" }
}
