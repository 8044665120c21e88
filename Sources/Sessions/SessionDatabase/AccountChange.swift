import Platform

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
    ///   - changing: sessions of the user that are changing the password at this moment, to what we do not know.
    static func decide(known: KnownAccount?, row: Account?, expected: [ExpectedChange], changing: [String] = []) -> AccountChange {
        guard let row else { return known.map { !$0.isGone } ?? false ? .gone : .none }
        guard let known else { return .first }
        if known.isOwner(row) { return .none }
        // A row that came back under the same id is another owner's, whatever it holds.
        guard !known.isGone else { return .replaced(keeping: .nothing) }
        // Who is known to set this very password goes before who may have set it.
        if let change = expected.first(where: { $0.isMet(by: row) }) {
            return .replaced(keeping: change.sessionID.map(Kept.session) ?? .everything)
        }
        // Of two at once nobody can tell which it was, and one of them may be a thief's.
        guard known.name.isSpelled(row.user.name), changing.count == 1 else { return .replaced(keeping: .nothing) }
        return .replaced(keeping: .session(changing[0]))
    }
}

/// Brings what is known of a user into line with the user's row, within a transaction of `sessions.db`.
enum AccountSettlement {
    /// - Parameters:
    ///   - row: read inside the transaction, so that no other process can have settled a later state.
    ///   - now: ms since 1970.
    static func settle(_ userID: Int64, row: Account?, in rows: SessionTables, now: Int64) throws {
        let known = try rows.account(userID)
        let ended = try change(userID, known, row: row, in: rows, now: now)
        if !ended.isEmpty { rows.effects.ended.append((row?.user.name ?? known?.name ?? "id \(userID)", ended)) }
    }

    /// - Returns: the sessions that ended.
    private static func change(
        _ userID: Int64, _ known: KnownAccount?, row: Account?, in rows: SessionTables, now: Int64
    ) throws -> [String] {
        let change = AccountChange.decide(
            known: known, row: row, expected: try rows.expectedChanges(userID, now: now),
            changing: try rows.passwordChanges(userID, now: now))
        switch change {
        case .none: return []
        case .first:
            if let row { try rows.put(KnownAccount(row, refusedBefore: nil), now: now) }
            return []
        case .gone:
            guard var known else { return [] }
            known.isGone = true
            known.refusedBefore = cutoff(now, known)
            try rows.put(known, now: now)
            return try rows.endAll(of: userID, except: nil, now: now)
        case .replaced(let kept):
            guard let row else { return [] }
            let refusedBefore = kept == .everything ? known?.refusedBefore : cutoff(now, known)
            try rows.put(KnownAccount(row, refusedBefore: refusedBefore), now: now)
            try rows.forgetPasswordChanges(userID)
            switch kept {
            case .everything: return []
            case .session(let id): return try rows.endAll(of: userID, except: id, now: now)
            case .nothing: return try rows.endAll(of: userID, except: nil, now: now)
            }
        }
    }

    /// The end of the present second: when the row changed is not known, only that it is seen now.
    private static func cutoff(_ now: Int64, _ known: KnownAccount?) -> Int64 { max(now / 1000 + 1, known?.refusedBefore ?? 0) }
}

extension KnownAccount {
    init(_ row: Account, refusedBefore: Int64?) {
        self.init(
            userID: row.user.id, name: row.user.name, fingerprint: Fingerprint(of: row), refusedBefore: refusedBefore, isGone: false)
    }
}
