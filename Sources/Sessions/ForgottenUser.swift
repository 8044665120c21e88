import Platform

/// What was kept of a person and is no more.
public struct ForgottenUser: Sendable, Equatable {
    public var id: Int64
    /// As it was known last; nil where only the id was.
    public var name: String?
    /// swingmusic has the user still: name and mark of the password come back from there.
    public var isInSwingmusic: Bool
    /// Sessions that went on until now.
    public var ended = 0
    /// Sessions of which device, address and last use were kept.
    public var devices = 0
    /// Pair codes, claims of names and changes that were about to happen.
    public var pending = 0
    /// Counts of wrong logins and pair codes from addresses of those devices.
    public var failures = 0
    /// Tokens that have not expired: what is kept of them is a hash and times, so that they stay refused.
    public var refusedTokens = 0

    public init(id: Int64, name: String?, isInSwingmusic: Bool) {
        self.id = id
        self.name = name
        self.isInSwingmusic = isInSwingmusic
    }

    /// Whether there was anything of a person.
    var isAnything: Bool { name != nil || ended + devices + pending + failures > 0 }
}

extension Sessions {
    /// Whom a text names, for `forget`: those who have the name in swingmusic or had it when they were seen last; else, of an id, the one with
    /// that id, be there anything of it or not.
    public func userIDs(of text: String, _ context: borrowing BlockingContext) throws -> [Int64] {
        let present = try directory.accounts(.brief).map { ($0.user.id, $0.user.name) }
        let known = try database.read(context) { try $0.accounts() }.map { ($0.userID, $0.name) }
        let named = Set((present + known).filter { !text.isEmpty && $0.1.isSpelled(text) }.map(\.0))
        return named.isEmpty ? [Int64(text)].compactMap(\.self) : named.sorted()
    }

    /// Ends a user's sessions and removes what is kept of the person; what is needed to refuse the tokens stays until they expire. nil where
    /// nothing was kept.
    public func forget(userID: Int64, _ context: borrowing BlockingContext) throws -> ForgottenUser? {
        let now = clock.wall.milliseconds
        let (forgotten, sessions) = try database.write(context, .long) { rows -> (ForgottenUser, [String]) in
            let row = try directory.account(id: userID, .brief)
            let known = try rows.account(userID)
            let name = [row?.user.name, known?.name].compactMap(\.self).first { !$0.isEmpty }
            var forgotten = ForgottenUser(id: userID, name: name, isInSwingmusic: row != nil)
            let sessions = try rows.sessionIDs(of: userID)
            forgotten.ended = try endAll(userID, except: nil, in: rows, now + 1000).count
            forgotten.pending = try rows.forgetPending(userID, names: [row?.user.name, known?.name].compactMap(\.self))
            if row == nil { try rows.forgetAccount(userID) }
            forgotten.refusedTokens = try rows.countTokens(of: userID)
            return (forgotten, sessions)
        }
        var result = forgotten
        let records = try records.records(sessions).compactMap(\.self)
        result.devices = records.count
        result.failures = try throttle.forget(Set(records.map(\.address)))
        for id in sessions { seen.forget(id) }
        try self.records.remove(sessions)
        return result.isAnything ? result : nil
    }
}
