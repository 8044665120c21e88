import ArgumentParser
import Sessions

/// `sessions list`: all open sessions.
struct SessionsList: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the open sessions, the newest first.")

    @Option(help: "Only those of the user of this name.")
    var user: String?

    @Flag(help: "Print a JSON array.")
    var json = false

    private struct Shown: Encodable {
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
    }

    func run() throws {
        let folder = try DataFolder()
        let caches = try folder.openCaches(withStore: false)
        defer { caches.close() }
        let sessions = try folder.openSessions(caches)
        defer { sessions.close() }
        let shown = try sessions.all().filter { user == nil || $0.userName == user }.map(Shown.init)
        if json { return try Output.json(shown) }
        if shown.isEmpty { return print("no open sessions") }
        let rows =
            [["SESSION", "USER", "DEVICE", "ADDRESS", "SINCE", "LAST SEEN"]]
            + shown.map { [$0.id, $0.user, $0.device, $0.address, $0.createdAt, $0.lastSeenAt] }
        for line in Columns.lines(rows) { print(line) }
    }
}
