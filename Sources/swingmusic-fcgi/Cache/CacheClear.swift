import ArgumentParser
import Caching

/// `cache clear`: empties a cache, or one prefix of it.
struct CacheClear: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clear",
        abstract: "Delete all entries of a cache; those of spotify become due and are served stale until they are fetched again.",
        discussion: "What 'user' and 'session' hold (preferences, what is shown of sessions) cannot be fetched again: they need --yes.")

    @Argument(help: "The cache: spotify, session, user or temp.")
    var cache: CacheName

    @Option(help: "Only entries whose key begins so.")
    var prefix: String = ""

    @Flag(help: "Clear user or session without a way back.")
    var yes = false

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        if cache == .user || cache == .session, !yes {
            throw ValidationError("what \(cache.rawValue) holds cannot be fetched again; add --yes to clear it all the same")
        }
    }

    func run() throws {
        let caches = try DataFolder().openCaches()
        defer { caches.close() }
        let count = try caches.clear(cache, prefix: Array(prefix.utf8))
        if json { return try Output.json(["cleared": count]) }
        let verb = cache == .spotify ? "made due" : "deleted"
        print("\(count) entr\(count == 1 ? "y" : "ies") of \(cache.rawValue) \(verb)")
    }
}
