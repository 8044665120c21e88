import ArgumentParser
import Caching
import Catalog
import Foundation

/// `cache get`: the value's bytes as they are, or with `--json` what is known of the entry.
struct CacheGet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Write an entry's value to standard output, byte for byte; a record of the catalog as its JSON.")

    @OptionGroup var entry: CacheEntryArguments

    @Flag(help: "Print one JSON object: value, version, times. A value that is not UTF-8 stands in valueBase64.")
    var json = false

    private struct Shown: Encodable {
        var cache: String
        var key: String
        var version: Int64
        var storedAt: String
        /// Left out when the entry never expires.
        var expiresAt: String?
        var tier: String
        var value: String?
        var valueBase64: String?
    }

    func run() throws {
        let caches = try DataFolder().openCaches()
        defer { caches.close() }
        guard let found = try caches.get(entry.cache, entry.bytes) else {
            Output.complain("there is no entry \(entry.key) in \(entry.cache.rawValue)")
            throw ExitStatus.nothingThere
        }
        let record = entry.isCatalogs ? Record(encoded: found.entry.value) : nil
        let value = record?.body ?? found.entry.value[...]
        guard json else { return FileHandle.standardOutput.write(Data(value)) }
        let text = String(validating: value, as: UTF8.self)
        try Output.json(
            Shown(
                cache: entry.cache.rawValue, key: entry.key, version: found.entry.version, storedAt: Output.time(found.entry.storedAt),
                expiresAt: found.entry.expiresAt == .max ? nil : Output.time(found.entry.expiresAt), tier: found.tier.rawValue,
                value: text, valueBase64: text == nil ? Data(value).base64EncodedString() : nil))
    }
}
