/// What a look at a user's row means for the user's sessions.
enum AccountChange: Equatable {
    case none
    /// Seen for the first time.
    case first
    /// The row is gone: all sessions end.
    case gone
    /// Another password, or another owner of the id.
    case replaced(keeping: Kept)

    enum Kept: Equatable {
        case everything
        case session(String)
        case nothing
    }

    /// - Parameters:
    ///   - known: as the id was last seen.
    ///   - row: as it is now, read after `known`.
    static func decide(known: KnownAccount?, row: Account?, expected: [ExpectedChange]) -> AccountChange {
        guard let row else { return known.map { !$0.isGone } ?? false ? .gone : .none }
        guard let known else { return .first }
        if known.isOwner(row) { return .none }
        // A row that came back under the same id is another owner's, whatever it holds.
        guard !known.isGone, let change = expected.first(where: { $0.isMet(by: row) }) else { return .replaced(keeping: .nothing) }
        return .replaced(keeping: change.sessionID.map(Kept.session) ?? .everything)
    }
}

extension ExpectedChange {
    func isMet(by row: Account) -> Bool {
        userID == row.user.id && name.isSpelled(row.user.name) && fingerprint == Fingerprint(of: row)
    }
}
