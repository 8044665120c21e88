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
    static func mark(of token: String) -> String { String(FNV.hash(Array(token.utf8)), radix: 16) }

    private static let refusedFact = "refused-token"
}
