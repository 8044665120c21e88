/// Which tokens that swingmusic made are let in when they are seen here for the first time.
///
/// swingmusic knows of no session that was ended: who reaches it past us with a token of such a session is given new ones, and nothing in
/// those says where they come from.
public enum TokenAdoption: String, CaseIterable, Sendable {
    /// Those of users none of whose tokens has ended, and of the others those from before that end.
    case safe
    /// Of these those from before there was a `sessions.db`, and the one that the first user is given with the account.
    case never

    /// From when on a token counts as ended that is seen for the first time, in ms since 1970; nil for one that is let in.
    /// - Parameters:
    ///   - issuedAt: its `iat`, in seconds. A token that does not say it may be of any time.
    ///   - now: ms since 1970.
    func end(ofTokenIssuedAt issuedAt: Int64?, among ended: EndedTokens, now: Int64) -> Int64? {
        // Tokens that are forgotten since they had expired are good again by a clock that was set back, and this may be one.
        if let purged = ended.purgedUpTo, now / 1000 < purged { return now }
        if let end = ended.earliestEnd(now: now), !isBefore(issuedAt, end) { return end }
        guard self == .never else { return nil }
        if let begunAt = ended.begunAt, isBefore(issuedAt, begunAt) { return nil }
        if let issuedAt, let madeAt = ended.firstUserAt, (0...Self.firstUserSeconds).contains(issuedAt - madeAt / 1000) { return nil }
        return now
    }

    /// In whole seconds, as tokens have them, the instant rounded down.
    private func isBefore(_ issuedAt: Int64?, _ instant: Int64) -> Bool { issuedAt.map { $0 < instant / 1000 } ?? false }

    /// How long swingmusic may take to make the first user, and the token with it.
    private static let firstUserSeconds: Int64 = 60
}

/// What `sessions.db` knows of a user's tokens that are not to be good any more.
struct EndedTokens: Sendable, Equatable {
    /// When the first of the user's sessions ended that has a token which has not expired; ms since 1970.
    var endedAt: Int64?
    /// Seconds since 1970: tokens of before that are not known here are refused.
    var refusedBefore: [Int64] = []
    /// When the file was begun, and when this user was made through us as the first one; ms since 1970.
    var begunAt: Int64?
    var firstUserAt: Int64?
    /// When the last of the tokens expired that are known no more; seconds since 1970.
    var purgedUpTo: Int64?

    /// Tokens that are refused without being known may be good for as long as swingmusic makes any.
    func earliestEnd(now: Int64) -> Int64? {
        let refused = refusedBefore.filter { $0 + TokenIssuer.lifetime > now / 1000 }.map { $0 * 1000 }
        return ([endedAt].compactMap(\.self) + refused).min()
    }
}
