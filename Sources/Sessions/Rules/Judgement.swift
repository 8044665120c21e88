/// What becomes of a token that is good in itself.
enum Judgement: Equatable {
    case good(KnownSession)
    /// swingmusic made it and it is seen here for the first time: it becomes a session.
    case newcomer
    /// The user's row is not what it was: that has to be settled first.
    case unsettled
    case revoked

    /// - Parameters:
    ///   - issuedAt: the token's `iat`, in seconds.
    ///   - row: the user's row, read after `answer`.
    static func decide(issuedAt: Int64?, answer: LedgerAnswer, row: Account) -> Judgement {
        guard let known = answer.account, known.isOwner(row) else { return .unsettled }
        if let session = answer.session {
            return session.endedAt == nil && session.userID == row.user.id ? .good(session) : .revoked
        }
        return answer.isTooOld(issuedAt: issuedAt) ? .revoked : .newcomer
    }
}
