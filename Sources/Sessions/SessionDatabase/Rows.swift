import Crypto

/// What `sessions.db` knows of a user: who had the id when it was last looked at, and which unknown tokens are refused.
struct KnownAccount: Sendable, Equatable {
    var userID: Int64
    var name: String
    var fingerprint: Fingerprint
    /// Tokens not known here that were issued before this second (since 1970), or at no stated time, are refused. nil: none is.
    var refusedBefore: Int64?
    /// The user's row was seen missing.
    var isGone: Bool

    func isOwner(_ account: Account) -> Bool {
        !isGone && name.isSpelled(account.user.name) && fingerprint == Fingerprint(of: account)
    }
}

/// What `sessions.db` knows of a session: one login and all tokens that descend from it.
struct KnownSession: Sendable, Equatable {
    var id: String
    var userID: Int64
    /// ms since 1970.
    var beganAt: Int64
    var endedAt: Int64?
}

/// What `sessions.db` says about one token.
struct TokenRow: Sendable, Equatable {
    /// The session that the token belongs to, if the token is known.
    var session: KnownSession?
    var account: KnownAccount?
    /// As in the account, for everybody's tokens.
    var refusedBefore: Int64?
    /// Of a token that was entered in this boot: `ClockReading.offset` as it was then.
    var clockOffset: Int64?

    /// Whether a token that is not known here is too old to be let in.
    func isTooOld(issuedAt: Int64?) -> Bool {
        guard let limit = [refusedBefore, account?.refusedBefore].compactMap(\.self).max() else { return false }
        guard let issuedAt else { return true }
        return issuedAt < limit
    }
}

/// Tells whether a stored password hash is still the same one, without keeping it: a SHA-256 of it.
struct Fingerprint: Sendable, Equatable {
    let bytes: [UInt8]

    init(of account: Account) { self.init(passwordHash: account.passwordHash) }

    init(passwordHash: String) { bytes = Array(SHA256.hash(data: Array(passwordHash.utf8))) }

    /// As read from the database.
    init(stored: [UInt8]) { bytes = stored }
}

/// A change of a user's row that was asked for through us: when it shows, it is no reason to end everything.
struct ExpectedChange: Sendable, Equatable {
    var userID: Int64
    /// The row as it will be.
    var name: String
    var fingerprint: Fingerprint
    /// The session that changed its own password; nil where all sessions go on (a rename, our rehash).
    var sessionID: String?

    func isMet(by row: Account) -> Bool {
        userID == row.user.id && name.isSpelled(row.user.name) && fingerprint == Fingerprint(of: row)
    }
}
