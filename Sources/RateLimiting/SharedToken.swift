import GRDB
import Platform

/// The access token that all workers share. Its text does not show when it is printed.
public struct SharedToken: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
    public let token: String
    /// Wall-clock milliseconds.
    public let expiresAt: Int64
    /// From then on a new one should be asked for: the smaller of 60 s and a tenth of its life before the end.
    public let renewAt: Int64
    /// Tells which client's it is (a hash of the client id), as given to `storeToken`.
    public let issuedFor: String

    public var description: String { "token for \(issuedFor), expires at \(expiresAt)" }
    public var customMirror: Mirror { Mirror(self, children: ["issuedFor": issuedFor, "expiresAt": expiresAt]) }
}

/// Who asks for a new token.
public enum TokenClaim: Sendable, Equatable {
    /// Nobody: this one is good.
    case current(SharedToken)
    /// You, now. End it with `storeToken` or `backOff(.token)`.
    case yours
    /// Not now: another worker is at it (`turnOfAnother`; `changeCounter` shows when it is done), it failed
    /// lately (`backoff`), or Spotify told us to wait (`cooldown`).
    case wait(Duration, WaitReason)
}

extension FileRateLimiter {
    /// The stored token, unless it has expired; good or due for renewal.
    public func token() throws(RateLimiterError) -> SharedToken? {
        try file.read { try $0.token() }
    }

    /// Asks who should request a new token. A worker whose claim is older than a lease's lifetime has lost it.
    ///
    /// - Parameter refusing: the token that Spotify refused, if that is why: only another one counts as current.
    public func claimTokenRenewal(refusing: String?, worker: String) throws(RateLimiterError) -> TokenClaim {
        try file.write { transaction in
            let now = transaction.now
            if let cooldown = try blocks(transaction).cooldown {
                return .wait(cooldown - now, .cooldown)
            }
            if let token = try transaction.token(), token.token != refusing, token.renewAt > transaction.moment.wall.milliseconds {
                return .current(token)
            }
            if let pause = try tokenPause(transaction), pause.until > now {
                return .wait(pause.until - now, .backoff)
            }
            if let end = try transaction.claimEnd(otherThan: worker) {
                return .wait(end - now, .turnOfAnother)
            }
            try transaction.claim(worker, until: now + leaseLifetime)
            return .yours
        }
    }

    /// Stores a new token for all workers and ends a token outage.
    ///
    /// - Parameters:
    ///   - expiresIn: its whole life, from now.
    ///   - issuedFor: tells which client's it is; not the client secret.
    public func storeToken(
        _ token: String, expiresIn: Duration, issuedFor: String = "", worker: String
    ) throws(RateLimiterError) {
        try file.write { transaction in
            let life = max(.zero, expiresIn)
            let expires = transaction.now + life
            try transaction.run(
                """
                UPDATE token SET token = ?, issued_for = ?, expires = ?, renew = ?, claimed_by = NULL, claimed_until = NULL
                """, [token, issuedFor, expires, expires - min(.seconds(60), life / 10)])
            try transaction.run("DELETE FROM pauses WHERE what = 'token'")
        }
    }
}

extension Transaction {
    func token() throws -> SharedToken? {
        let row = try row(
            "SELECT token, expires, renew, issued_for FROM token WHERE token IS NOT NULL AND expires > ?", [now])
        return row.map {
            SharedToken(
                token: $0[0], expiresAt: moment.wall(of: $0[1]), renewAt: moment.wall(of: $0[2]), issuedFor: $0[3])
        }
    }

    func hasToken() throws -> Bool {
        try one("SELECT 1 FROM token WHERE token IS NOT NULL AND expires > ?", [now], as: Int.self) != nil
    }

    fileprivate func claimEnd(otherThan worker: String) throws -> BootTime? {
        try one("SELECT claimed_until FROM token WHERE claimed_by <> ? AND claimed_until > ?", [worker, now])
    }

    fileprivate func claim(_ worker: String, until: BootTime) throws {
        try run("UPDATE token SET claimed_by = ?, claimed_until = ?", [worker, until])
    }

    func releaseClaim() throws {
        try run("UPDATE token SET claimed_by = NULL, claimed_until = NULL WHERE claimed_by IS NOT NULL")
    }
}
