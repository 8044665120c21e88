import ArgumentParser

/// `swingmusic-fcgi sessions`: who is signed in, and ending it.
struct SessionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sessions",
        abstract: "List and end swingmusic's sessions.",
        discussion: """
            Works on sessions.db in the data folder, beside a running 'serve' or without one; a revocation holds from the next \
            request on, in every worker. Needs SWINGMUSIC_CONFIG_DIR. Started as root it acts as the owner of the data folder.
            """,
        subcommands: [SessionsList.self, SessionsRevoke.self])
}
