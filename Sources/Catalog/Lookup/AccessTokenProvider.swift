import CSystem
import Spotify
import RateLimiting

/// Keeps this worker's copy of the one token that all workers share, and renews it when that is this worker's task.
/// Confined to the lookup thread.
final class AccessTokenProvider {
    enum Standing {
        case ready(String)
        /// Ask again after this.
        case wait(Duration, WaitReason)
    }

    private let credentials: SpotifyCredentials
    private let rateLimiter: RateLimiter
    private let worker: String
    private var token: SharedToken?
    private var refused: String?
    private var isRenewing = false

    init(credentials: SpotifyCredentials, rateLimiter: RateLimiter, worker: String) {
        self.credentials = credentials
        self.rateLimiter = rateLimiter
        self.worker = worker
    }

    /// A fresh token, or how long to wait for one. May start the renewal on `client`.
    func stand(_ client: SpotifyClient) throws -> Standing {
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

    /// The Web API refused `token` (401): the next call, of every worker, waits for another one.
    func refuse(_ token: String) throws {
        refused = token
        if self.token?.token == token { self.token = nil }
        try rateLimiter.remember(Self.refusedFact, Self.mark(of: token), until: nil)
    }

    /// Tells tokens apart without showing them.
    static func mark(of token: String) -> String { String(FNV.hash(Array(token.utf8)), radix: 16) }

    private static let refusedFact = "refused-token"

    private func isRefusedElsewhere(_ token: SharedToken) throws -> Bool {
        guard try rateLimiter.recall(Self.refusedFact) == Self.mark(of: token.token) else { return false }
        refused = token.token
        return true
    }

    private func fail(_ error: SpotifyError) {
        if case .rateLimited(let retryAfter, let quotaExceeded) = error {
            _ = try? rateLimiter.coolDown(retryAfter, quotaExceeded: quotaExceeded)
        }
        _ = try? rateLimiter.backOff(.token(error.description))
    }

    private func isFresh(_ token: SharedToken) -> Bool {
        token.token != refused && csys_wall_ms() < token.renewAt
    }

    private func renew(_ client: SpotifyClient) {
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
}
