import ArgumentParser
import Caching

/// `cache delete`: takes an entry away.
struct CacheDelete: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete an entry; one of spotify becomes due and is served stale until it is fetched again.")

    @OptionGroup var entry: CacheEntryArguments

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let caches = try DataFolder().openCaches()
        defer { caches.close() }
        let wasThere = try caches.delete(entry.cache, entry.bytes)
        if json { try Output.json(["deleted": wasThere]) }
        guard wasThere else {
            if !json { Output.complain("there is no entry \(entry.key) in \(entry.cache.rawValue)") }
            throw ExitStatus.nothingThere
        }
    }
}
