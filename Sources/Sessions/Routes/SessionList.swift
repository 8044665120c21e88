import JSON
import Logging
import Platform

/// A session as it is shown.
public struct ShownSession: Sendable, Equatable {
    public var id: String
    public var userID: Int64
    public var userName: String
    public var device: String
    public var userAgent: String
    public var address: String
    /// ms since 1970.
    public var createdAt: Int64
    public var seenAt: Int64
    public var isCurrent: Bool

    var json: JSONValue {
        .object([
            JSONMember("id", .string(id)),
            JSONMember("user", .object([JSONMember("id", .integer(userID)), JSONMember("username", .string(userName))])),
            JSONMember("device", .string(device)), JSONMember("user_agent", .string(userAgent)), JSONMember("address", .string(address)),
            JSONMember("created", .integer(createdAt / 1000)), JSONMember("last_seen", .integer(seenAt / 1000)),
            JSONMember("current", .bool(isCurrent)),
        ])
    }
}

extension Sessions {
    /// `GET /auth/sessions`: one's own, or for an admin those of `user`.
    /// - Parameter user: of the query: a user's id, or `all`; nil for oneself.
    public func list(
        _ authenticated: AuthenticatedRequest, _ caller: Caller, user: String?, _ context: borrowing BlockingContext
    ) -> Answer {
        var userID: Int64? = authenticated.user.id
        if let user {
            guard user == "all" || Int64(user) != nil else { return .message("user must be an id or all", status: 422) }
            userID = Int64(user)
            guard authenticated.user.isAdmin || userID == authenticated.user.id else { return .refused(.adminsOnly) }
        }
        note(authenticated, caller)
        guard let shown = try? openSessions(of: userID, current: authenticated.session.id, context) else { return .unavailable }
        return .json(.object([JSONMember("sessions", .array(shown.map(\.json)))]))
    }

    /// `DELETE /auth/sessions/{id}`: one's own, or for an admin anybody's.
    public func end(
        _ authenticated: AuthenticatedRequest, _ caller: Caller, session id: String, _ context: borrowing BlockingContext
    ) -> Answer {
        let now = clock.wall.milliseconds
        let owner: Int64?
        do {
            owner = try database.write(context) { rows -> Int64? in
                guard let session = try rows.session(id), session.userID == authenticated.user.id || authenticated.user.isAdmin else {
                    return nil
                }
                return try rows.end(session: id, now: now) ? session.userID : nil
            }
        } catch {
            return .unavailable
        }
        // Somebody else's is answered like one that is not: ids of others are not to be probed.
        guard let owner else { return .message("Session not found", status: 404) }
        forgetRecords([id])
        let isOwn = owner == authenticated.user.id
        security.note(
            .sessionEnded, from: caller.address, user: isOwn ? authenticated.user.name : directory.name(of: owner),
            by: isOwn ? nil : authenticated.user.name)
        var answer = Answer.message("Session ended", status: 200)
        if id == authenticated.session.id { answer.cookies = [SetCookie.cleared(for: caller)] }
        return answer
    }

    /// `DELETE /auth/sessions`: all of one's own but this one, with every older token that is not known here.
    public func endOthers(_ authenticated: AuthenticatedRequest, _ caller: Caller, _ context: borrowing BlockingContext) -> Answer {
        let now = clock.wall.milliseconds
        let ended = try? database.write(context) { rows in
            try endAll(authenticated.user.id, except: authenticated.session.id, in: rows, now)
        }
        guard let ended else { return .unavailable }
        forgetRecords(ended)
        security.note(.sessionsEnded, from: caller.address, user: authenticated.user.name)
        return .json(.object([JSONMember("ended", .integer(Int64(ended.count))), JSONMember("msg", .string("Other sessions ended"))]))
    }

    /// Tokens not known here that were issued before the present second are refused from now on.
    func endAll(_ userID: Int64, except kept: String?, in rows: SessionTables, _ now: Int64) throws -> [String] {
        let ended = try rows.endAll(of: userID, except: kept, now: now)
        if var account = try rows.account(userID) {
            account.refusedBefore = max(now / 1000, account.refusedBefore ?? 0)
            try rows.put(account, now: now)
        }
        return ended
    }

    func openSessions(of userID: Int64?, current: String?, _ context: borrowing BlockingContext) throws -> [ShownSession] {
        let now = clock.wall.milliseconds
        let open = try database.read(context) { try $0.openSessions(of: userID, now: now) }
        var names: [Int64: String] = [:]
        for account in try directory.accounts(.brief) { names[account.user.id] = account.user.name }
        let records = (try? records.records(open.map(\.id))) ?? open.map { _ in nil }
        return zip(open, records).compactMap { session, record in
            guard let name = names[session.userID] else { return nil }
            return ShownSession(
                id: session.id, userID: session.userID, userName: name, device: record?.device ?? Device.name(userAgent: nil),
                userAgent: record?.userAgent ?? "", address: record?.address ?? "", createdAt: session.beganAt,
                seenAt: max(record?.seenAt ?? session.beganAt, session.beganAt), isCurrent: session.id == current)
        }
    }

    /// Writes the present use down now, so that the list shows it.
    func note(_ authenticated: AuthenticatedRequest, _ caller: Caller) {
        let now = clock.wall.milliseconds
        keepRecord(
            SessionRecord(
                userID: authenticated.user.id, userName: authenticated.user.name, userAgent: caller.userAgent, address: caller.address,
                createdAt: authenticated.session.beganAt, seenAt: now),
            as: authenticated.session.id)
    }

    // MARK: For the command line

    /// Everybody's open sessions, the newest first.
    public func all(_ context: borrowing BlockingContext) throws -> [ShownSession] { try openSessions(of: nil, current: nil, context) }

    /// False where there is no such open session.
    /// - Parameters:
    ///   - actor: for the security log: who does it, from `address`; nil: who owns the files.
    public func end(session id: String, by actor: String? = nil, from address: String = "", _ context: borrowing BlockingContext) throws
        -> Bool
    {
        let now = clock.wall.milliseconds
        let owner = try database.write(context, .long) { rows in try rows.end(session: id, now: now) ? try rows.session(id)?.userID : nil }
        guard let owner else { return false }
        forgetRecords([id])
        if let actor { security.note(.sessionEnded, from: address, user: directory.name(of: owner), by: actor) }
        return true
    }

    /// Ends all sessions of the user of that name, with every token that is not known here. nil where there is no such user.
    public func endAll(userNamed name: String, _ context: borrowing BlockingContext) throws -> Int? {
        guard let row = try directory.account(named: name, .brief) else { return nil }
        let now = clock.wall.milliseconds
        let ended = try database.write(context, .long) { rows in
            try AccountSettlement.settle(row.user.id, row: try directory.account(id: row.user.id, .brief), in: rows, now: now)
            return try endAll(row.user.id, except: nil, in: rows, now + 1000)
        }
        forgetRecords(ended)
        return ended.count
    }

    /// Refuses every token that was issued before now, whoever made it. Client keys stay, and are given new ones.
    public func endEverything(_ context: borrowing BlockingContext) throws -> Int {
        let ended = try Self.endEverything(in: database, now: clock.wall.milliseconds, context)
        forgetRecords(ended)
        return ended.count
    }

    /// The same in the `sessions.db` of a folder that nobody uses yet, such as a backup's, and without client keys, of which nobody knows which
    /// were revoked since. Asks nothing of swingmusic's files.
    public static func endEverything(
        in folder: String, clock: any HostClock = SystemClock(), log: Logger, _ context: borrowing BlockingContext
    ) throws {
        let database = SessionDatabase(folder: folder, clock: clock, log: log) { true }
        defer { database.close() }
        _ = try endEverything(in: database, now: clock.wall.milliseconds, context)
        try database.write(context, .long) { try $0.removeClientKeys() }
    }

    private static func endEverything(
        in database: SessionDatabase, now: Int64, _ context: borrowing BlockingContext
    ) throws -> [String] {
        try database.write(context, .long) { rows in
            try rows.refuseAll(before: now / 1000 + 1)
            try rows.removeClientTokens()
            return try rows.endEverybodys(now: now)
        }
    }
}
