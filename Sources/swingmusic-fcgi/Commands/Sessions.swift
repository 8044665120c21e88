import ArgumentParser
import Caching
import Catalog
import JSON
import Platform
import Sessions

/// `swingmusic-fcgi sessions`: who is signed in, and ending it.
struct SessionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sessions",
        abstract: "List and end swingmusic's sessions, and forget a user.",
        discussion: """
            Works on sessions.db in the data folder, beside a running 'serve' or without one; a revocation holds from the next \
            request on, in every worker. Needs SWINGMUSIC_CONFIG_DIR. Started as root it acts as the owner of the data folder.

            EXAMPLES
              sudo swingmusic-fcgi sessions list
            """,
        subcommands: [SessionsList.self, SessionsRevoke.self, SessionsForget.self])
}

/// `sessions list`: all open sessions.
struct SessionsList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the open sessions, the newest first.",
        discussion: """
            EXAMPLES
              sudo swingmusic-fcgi sessions list --user anna
            """)

    @Option(help: "Only those of the user of this name.")
    var user: String?

    @Flag(help: "Print a JSON array.")
    var json = false

    @OptionGroup var environment: EnvironmentOptions

    private struct Shown {
        var id: String
        var userID: Int64
        var user: String
        var device: String
        var userAgent: String
        var address: String
        var createdAt: String
        var lastSeenAt: String

        init(_ session: ShownSession) {
            id = session.id
            userID = session.userID
            user = session.userName
            device = session.device
            userAgent = session.userAgent
            address = session.address
            createdAt = Output.time(session.createdAt)
            lastSeenAt = Output.time(session.seenAt)
        }

        var json: JSONValue {
            [
                "id": .string(id), "userID": .integer(userID), "user": .string(user), "device": .string(device),
                "userAgent": .string(userAgent), "address": .string(address), "createdAt": .string(createdAt),
                "lastSeenAt": .string(lastSeenAt),
            ]
        }
    }

    func run() throws {
        let folder = try DataFolder(environment)
        let caches = try folder.openCaches(withStore: false)
        defer { caches.close() }
        let sessions = try folder.openSessions(caches)
        defer { sessions.close() }
        let all = try WorkerThread.wait(forWorkNamed: "command") { context in try sessions.all(context) }
        let shown = all.filter { user == nil || $0.userName == user }.map(Shown.init)
        if json { return Output.json(.array(shown.map(\.json))) }
        if shown.isEmpty { return print("no open sessions") }
        let rows =
            [["SESSION", "USER", "DEVICE", "ADDRESS", "SINCE", "LAST SEEN"]]
            + shown.map { [$0.id, $0.user, $0.device, $0.address, $0.createdAt, $0.lastSeenAt] }
        for line in TextColumns.lines(rows) { print(line) }
    }
}

/// `sessions revoke`: ends sessions, one, a user's, or all.
struct SessionsRevoke: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "End a session, all of one user, or everything.",
        discussion: """
            --user and --everything refuse older tokens that are not known here as well, such as those that swingmusic itself \
            gave out. Revocations cannot be taken back; who is revoked signs in again. Exits 3 when there is no such session or user.

            EXAMPLES
              sudo swingmusic-fcgi sessions revoke --user anna
              sudo swingmusic-fcgi sessions revoke --everything
            """)

    @Argument(help: "The session's id, as 'sessions list' shows it.")
    var session: String?

    @Option(help: "End all sessions of the user of this name.")
    var user: String?

    @Flag(help: "Refuse every token that was issued before now, whoever made it.")
    var everything = false

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var environment: EnvironmentOptions

    func validate() throws {
        let ways = (session == nil ? 0 : 1) + (user == nil ? 0 : 1) + (everything ? 1 : 0)
        guard ways == 1 else { throw ValidationError("name a session's id, --user or --everything: one of the three") }
    }

    func run() throws {
        let folder = try DataFolder(environment)
        let caches = try folder.openCaches(withStore: false)
        defer { caches.close() }
        let sessions = try folder.openSessions(caches)
        defer { sessions.close() }
        let ended = try WorkerThread.wait(forWorkNamed: "command") { context in try end(sessions, context) }
        if json { Output.json(["ended": .integer(ended ?? 0)]) }
        guard let ended else {
            Output.complain(session == nil ? "there is no user of that name" : "there is no such open session")
            throw ExitStatus.nothingThere
        }
        if !json { print("\(ended) session\(ended == 1 ? "" : "s") ended") }
    }

    /// An id is random, and may begin like an option: it is then put behind `--`, after which nothing is one.
    static func markingID(in words: [String]) -> [String] {
        guard words.prefix(2) == ["sessions", "revoke"], !words.contains("--"),
            let place = words.firstIndex(where: { $0.hasPrefix("-") && $0.utf8.count >= Self.shortestID })
        else { return words }
        return words[..<place] + words[(place + 1)...] + ["--", words[place]]
    }

    /// No option is as long.
    private static let shortestID = 16

    /// How many ended; nil where there is nothing of that name.
    private func end(_ sessions: Sessions, _ context: borrowing BlockingContext) throws -> Int? {
        if let session { return try sessions.end(session: session, context) ? 1 : nil }
        if let user { return try sessions.endAll(userNamed: user, context) }
        return try sessions.endEverything(context)
    }
}

/// `sessions forget`: removes what is kept of a person.
struct SessionsForget: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget",
        abstract: "Remove what is kept of a user, and say what went.",
        discussion: """
            Ends the user's sessions and removes names, devices, addresses, preferences and counts of failed logins. Of tokens that have not expired a \
            hash and times stay, so that they stay refused. A user who is deleted in swingmusic is named by the id, or by the name last known; one whom \
            swingmusic has is known again from there. Backups made before know more. Exits 3 when nothing is kept of such a user.

            EXAMPLES
              sudo swingmusic-fcgi sessions forget anna
            """)

    @Argument(help: "The user's name, or the id.")
    var user: String

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var environment: EnvironmentOptions

    /// What went, and whether there were preferences.
    private struct Forgotten {
        var user: ForgottenUser
        var hadPreferences: Bool

        var json: JSONValue {
            [
                "id": .integer(user.id), "name": user.name.map(JSONValue.string) ?? .null, "inSwingmusic": .bool(user.isInSwingmusic),
                "ended": .integer(user.ended), "devices": .integer(user.devices), "preferences": .bool(hadPreferences),
                "failedLogins": .integer(user.failures), "pending": .integer(user.pending), "refusedTokens": .integer(user.refusedTokens),
            ]
        }

        var lines: [String] {
            var lines = ["user \(user.id)\(user.name.map { ", \($0)" } ?? "")"]
            lines.append("  sessions ended: \(user.ended)")
            lines.append("  devices removed, with address and last use: \(user.devices)")
            lines.append("  preferences: \(hadPreferences ? "removed" : "none")")
            lines.append("  counts of failed logins removed: \(user.failures)")
            lines.append("  pair codes and changes under way removed: \(user.pending)")
            lines.append("  kept: hashes of \(user.refusedTokens) tokens, until they expire")
            if user.isInSwingmusic { lines.append("  swingmusic still has this user: the name is known again from there") }
            return lines
        }
    }

    func run() throws {
        let folder = try DataFolder(environment)
        // With the store: copies there hold what is to go.
        let caches = try folder.openCaches()
        defer { caches.close() }
        let sessions = try folder.openSessions(caches)
        defer { sessions.close() }
        let forgotten = try WorkerThread.wait(forWorkNamed: "command") { context in
            try sessions.userIDs(of: user, context).compactMap { try forget($0, sessions, caches, context) }
        }
        if let store = caches.storeHealth(), !store.isConnected {
            Output.complain("DragonflyDB does not answer: copies in it go when their time has passed")
        }
        if json { Output.json(["forgotten": .array(forgotten.map(\.json))]) }
        guard !forgotten.isEmpty else {
            Output.complain("nothing is kept of such a user")
            throw ExitStatus.nothingThere
        }
        if !json { for line in forgotten.flatMap(\.lines) { print(line) } }
    }

    private func forget(
        _ id: Int64, _ sessions: Sessions, _ caches: Caches, _ context: borrowing BlockingContext
    ) throws -> Forgotten? {
        let user = try sessions.forget(userID: id, context)
        let hadPreferences = try Preferences.forget(of: Int(id), in: caches)
        guard user != nil || hadPreferences else { return nil }
        return Forgotten(user: user ?? ForgottenUser(id: id, name: nil, isInSwingmusic: false), hadPreferences: hadPreferences)
    }
}
