import Spotify

/// What a call's end means for its lookup: decided from the result alone.
enum CallOutcome: Sendable {
    /// A complete answer.
    case answer([UInt8])
    /// Spotify said no, and will say so again. `ofAccount`: it may mean everything that this account asks for.
    case refusal(NegativeEntry, ofAccount: Bool)
    /// The token was refused: renew it and ask once more.
    case renewToken
    /// Spotify told us to wait.
    case coolDown(retryAfter: Duration?, quotaExceeded: Bool)
    /// Something failed on the way, after the slot was spent. `told`: how long it said that it will go on.
    case retry(Obstacle, told: Duration? = nil)
    /// No connection came about; no slot was spent.
    case unreachable(reason: String)
    /// The permit was not ours after all; nothing was sent.
    case nothing

    init(_ result: CallResult, sent: Bool) {
        switch result {
        case .held: self = .nothing
        case .answer(let answer): self = .answer(answer.body)
        case .failure(let error): self.init(error, sent: sent)
        }
    }

    private init(_ error: SpotifyError, sent: Bool) {
        switch error {
        case .unauthorized: self = .renewToken
        case .notFound(let message): self = .refusal(NegativeEntry(status: 404, message: message), ofAccount: false)
        case .badRequest(let message): self = .refusal(NegativeEntry(status: 400, message: message), ofAccount: false)
        case .forbidden(let message): self = .refusal(NegativeEntry(status: 403, message: message), ofAccount: false)
        case .accountRefused(let message): self = .refusal(NegativeEntry(status: 403, message: message), ofAccount: true)
        case .rateLimited(let retryAfter, let quotaExceeded):
            self = .coolDown(retryAfter: retryAfter, quotaExceeded: quotaExceeded)
        case .server(_, _, let told?) where sent: self = .retry(Obstacle(.spotify, error.description), told: told)
        case .timedOut where sent: self = .retry(Obstacle(.timeout, error.description))
        default: self = sent ? .retry(Obstacle(.spotify, error.description)) : .unreachable(reason: error.description)
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

/// A refusal as the limiter's file keeps it in mind for whichever worker makes the control call: `a` or `-`, and the entry.
struct SuspectedWords {
    var refusal: NegativeEntry
    var ofAccount: Bool

    init(_ refusal: NegativeEntry, ofAccount: Bool) {
        self.refusal = refusal
        self.ofAccount = ofAccount
    }

    init?(text: String) {
        guard let mark = text.first, let refusal = NegativeEntry(encoded: Array(text.dropFirst().utf8)) else { return nil }
        self.init(refusal, ofAccount: mark == "a")
    }

    var text: String { (ofAccount ? "a" : "-") + String(decoding: refusal.encoded, as: UTF8.self) }
}
