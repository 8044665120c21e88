import Caching
import Platform
import RateLimiting

extension RecordStore {
    /// How records get to other hosts that share the account, and from them: each as it is kept here, with when it was answered and when it is due.
    ///
    /// Shape: `swrec1 <storedAt> <expiresAt> r|d` (wall-clock milliseconds; a record, or a refusal), a line, and the stored value.
    public func exchange(lifetime: Duration) -> SharedRateLimiter.RecordExchange {
        SharedRateLimiter.RecordExchange(
            lifetime: lifetime, export: { lookup in Resource(name: lookup).flatMap { exported($0) } },
            adopt: { lookup, record in try Resource(name: lookup).map { try adopt(record, as: $0) } ?? false })
    }

    private static let magic = "swrec1"

    /// Whether all hosts are answered alike. What Spotify shows of a playlist depends on whose token asks, and an account that is connected is
    /// connected on one host.
    private static func isShared(_ resource: Resource) -> Bool {
        switch resource {
        case .object(.playlist, _, _), .playlistItems, .playlistImages, .withEpisodes, .kept: false
        case .object, .parts, .artistAlbums, .search, .topTracks: true
        }
    }

    /// nil where nothing is known of it. A refusal that is newer than what was answered before stands in the record.
    private func exported(_ resource: Resource) -> [UInt8]? {
        guard Self.isShared(resource) else { return nil }
        func form(_ entry: Entry, _ mark: String) -> [UInt8] {
            Array("\(Self.magic) \(entry.storedAt) \(entry.expiresAt) \(mark)\n".utf8) + entry.value
        }
        if let found = kept(resource.cache, resource.cacheKey) { return form(found, "r") }
        return kept(.temp, resource.denialKey).map { form($0, "d") }
    }

    /// Whatever copies say, what waits for `cache.db` included.
    private func kept(_ cache: CacheName, _ key: [UInt8]) -> Entry? {
        let found = cache == .spotify ? try? caches.kept(key) : try? caches.get(cache, key)
        guard let spooled = spool?.find(cache, key) else { return found?.entry }
        return found.map { $0.entry.storedAt >= spooled.storedAt ? $0.entry : spooled } ?? spooled
    }

    /// Keeps what another host was answered, unless what is here is as new.
    private func adopt(_ record: [UInt8], as resource: Resource) throws(CacheError) -> Bool {
        guard Self.isShared(resource) else { return false }
        guard let end = record.firstIndex(of: UInt8(ascii: "\n")) else { return false }
        let words = String(decoding: record[..<end], as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 4, words[0] == Self.magic, let storedAt = Int64(words[1]), let expiresAt = Int64(words[2]) else {
            return false
        }
        let value = Array(record[(end + 1)...])
        let isRecord = words[3] == "r"
        guard isRecord ? Record(encoded: value) != nil : NegativeEntry(encoded: value) != nil else { return false }
        let (cache, key) = isRecord ? (resource.cache, resource.cacheKey) : (.temp, resource.denialKey)
        let now = clock.wall.milliseconds
        // The other host's clock may be ahead of this one's.
        let ahead = max(0, storedAt - now)
        let entry = Entry(value: value, version: 0, storedAt: storedAt - ahead, expiresAt: expiresAt - ahead)
        guard entry.expiresAt > now, kept(cache, key).map({ $0.storedAt < entry.storedAt }) ?? true else { return false }
        try caches.putLate(cache, [(key, entry)])
        return true
    }
}
