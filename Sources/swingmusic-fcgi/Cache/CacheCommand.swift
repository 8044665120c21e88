import ArgumentParser

/// `swingmusic-fcgi cache`: the four caches from the command line.
struct CacheCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cache",
        abstract: "Look into and change the four caches: spotify, session, user and temp.",
        discussion: """
            Works on cache.db in the data folder, beside a running 'serve' or without one; copies in DragonflyDB follow. \
            Started as root it acts as the owner of the data folder.

            Entries of 'spotify' are never lost by delete and clear: they become due, are served stale, and are fetched again. \
            Exits 3 when there is no such entry.
            """,
        subcommands: [CacheGet.self, CacheSet.self, CacheDelete.self, CacheClear.self])
}
