import Logging
import Platform
import RateLimiting
import Spotify

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
    /// The consent that outlived its time, of which nothing private is left.
    private var removedConsent: Int64?

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
            try file.keep(tokens, consentedAt: standing.consentedAt, isPrivate: standing.isPrivate, credentials)
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
    func isKept(_ playlist: SpotifyID) throws -> Bool { try rateLimiter.recall(Self.keptFact(playlist)) == consent }

    func noteKept(_ playlist: SpotifyID, under consent: Int64) throws {
        try rateLimiter.remember(Self.keptFact(playlist), "\(consent)", until: (clock.wall + .seconds(86_400)).milliseconds)
    }

    func forgetKept(_ playlist: SpotifyID) throws { try rateLimiter.remember(Self.keptFact(playlist), "", until: clock.wall.milliseconds) }

    /// Whether pages of a playlist may be asked for as the account and be for everybody. A page does not say whether its list is public, so the
    /// list has to have said so within the last minute. Whatever the consent is for: one that is not public is read by who has its link.
    func isOpen(_ playlist: SpotifyID) throws -> Bool { try rateLimiter.recall(Self.openFact(playlist)) == consent }

    func noteOpen(_ playlist: SpotifyID, under consent: Int64) throws {
        try rateLimiter.remember(Self.openFact(playlist), "\(consent)", until: (clock.wall + .seconds(60)).milliseconds)
    }

    /// The consent is for lists that are not public, too, and its six months are not over.
    var isPrivate: Bool { standing.map { $0.isPrivate && clock.wall.milliseconds < $0.endsAt } ?? false }

    /// Of the consent that `stand` was asked about.
    var consentedAt: Int64 { standing?.consentedAt ?? 0 }

    /// Whether a call that was made under a consent may be learned from: no other was given meanwhile, nor has it ended.
    func isCurrent(_ consent: Int64) -> Bool {
        look()
        return standing.map { $0.consentedAt == consent && $0.endReason == nil } ?? false
    }

    /// Another consent has found out nothing yet.
    private var consent: String { "\(consentedAt)" }

    // MARK: What was asked for before

    /// The account that was connected since lookups asked as the app alone, and whose turn it is to ask for playlists without items; nil: none,
    /// or it has been done.
    func newConsent() throws -> WallTime? {
        look()
        removeOutlived()
        guard let standing, standing.endReason == nil, tokens != nil, try rateLimiter.recall(Self.askedFact) != consent else { return nil }
        return WallTime(milliseconds: standing.consentedAt)
    }

    /// What was kept under a consent whose six months are over: nobody is shown it any more, and Spotify may not be asked for long.
    private func removeOutlived() {
        guard let standing, standing.isPrivate, removedConsent != standing.consentedAt, clock.wall.milliseconds >= standing.endsAt
        else { return }
        removedConsent = standing.consentedAt
        try? file.removePrivateFolder(consentedAt: standing.consentedAt)
    }

    func noteAsked(_ since: WallTime) throws {
        guard standing?.consentedAt == since.milliseconds else { return }
        try rateLimiter.remember(Self.askedFact, consent, until: nil)
    }

    private static let askedFact = "account-asked"

    // MARK: Whose it is

    /// An account reads the items of playlists that are its own, so one of those names it.
    func noteOwner(_ name: String, under consent: Int64) throws {
        let value = "\(consent) \(name.prefix(100))"
        guard try rateLimiter.recall(Self.ownerFact) != value else { return }
        try rateLimiter.remember(Self.ownerFact, value, until: nil)
    }

    fileprivate static let ownerFact = "account-owner"
    private static func openFact(_ playlist: SpotifyID) -> String { "account-open/\(playlist.text)" }

    private static func keptFact(_ playlist: SpotifyID) -> String { "account-kept/\(playlist.text)" }
}

extension AccountStanding {
    /// What its owner is called, as a playlist of its own says; nil where none was seen yet. Reads the limiter's file.
    public func owner(by rateLimiter: any RateLimiter) throws(RateLimiterError) -> String? {
        let parts = try rateLimiter.recall(AccountTokenProvider.ownerFact)?.split(separator: " ", maxSplits: 1) ?? []
        return parts.count == 2 && parts[0] == "\(consentedAt)" ? String(parts[1]) : nil
    }
}
