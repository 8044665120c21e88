import ArgumentParser
import Caching
import Foundation
import Gateway

/// `cache set`: writes an entry.
struct CacheSet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Write an entry; the value is the argument, or standard input when there is none.")

    @OptionGroup var entry: CacheEntryArguments

    @Argument(help: "The value, at most 1 MiB; left out: what comes on standard input.")
    var value: String?

    @Option(help: "How long it lives, as in 90s, 12h or 30d; left out: the cache's own time.")
    var ttl: String?

    @Flag(help: "Print one JSON object.")
    var json = false

    private struct Written: Encodable {
        var version: Int64
        var expiresAt: String
    }

    func validate() throws {
        if entry.isCatalogs { throw ValidationError("the catalog's own entries (catalog:...) cannot be written") }
        if let ttl, (Duration(setting: ttl) ?? .zero) <= .zero { throw ValidationError("--ttl: '\(ttl)' is not a duration such as 90s") }
    }

    func run() throws {
        let bytes = value.map { Array($0.utf8) } ?? Array(FileHandle.standardInput.readDataToEndOfFile())
        guard bytes.count <= 1 << 20 else { throw ValidationError("a value has at most 1 MiB") }
        let caches = try DataFolder().openCaches()
        defer { caches.close() }
        let written = try caches.put(entry.cache, entry.bytes, bytes, ttl: ttl.flatMap { Duration(setting: $0) })
        if json { try Output.json(Written(version: written.version, expiresAt: Output.time(written.expiresAt))) }
    }
}
