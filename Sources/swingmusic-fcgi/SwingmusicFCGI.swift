import ArgumentParser

/// The command line.
@main
struct SwingmusicFCGI: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swingmusic-fcgi",
        abstract: "A FastCGI responder for swingmusic's metadata and session routes.",
        discussion: "Settings are read from the environment; the README names the first few, docs/settings.md all.",
        version: Version.text,
        subcommands: [Serve.self, Worker.self, Check.self, Status.self, CacheCommand.self, SessionsCommand.self, Backup.self, Warm.self],
        defaultSubcommand: Serve.self)
}
