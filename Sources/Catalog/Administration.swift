import Caching
import JSON
import Platform
import RateLimiting
import Spotify

/// A record, or what a lookup is about, as an administrator is shown it. What somebody typed into a search is never in it.
public struct RecordSummary: Sendable, Equatable {
    /// In words: `track`, `tracks of an album`, `search`.
    public var kind: String
    /// By which it is renewed and evicted, `track/<id>`; nil for a search, and for what only a newer version knows.
    public var name: String?
    /// Spotify's id of it, or of what it belongs to.
    public var id: String?
    /// What it is called, with the first of its artists, as far as that is known.
    public var title: String?
    /// The address of a small picture of it.
    public var picture: String?
    /// When it was fetched, and when it falls due: wall-clock milliseconds. nil where there is no record.
    public var storedAt: Int64?
    public var dueAt: Int64?
    /// The status of Spotify's refusal, where it was refused when it was asked for last.
    public var refusedWith: Int?
}

/// What an administrator does with records by hand.
extension Catalog {
    /// What is known of what a lookup or a record is called `name`. Reads SQLite; leaves no trace in the counts.
    public func summary(of name: String) -> RecordSummary {
        guard let resource = Resource(name: name) else {
            return RecordSummary(kind: String(name.prefix { $0 != "/" && $0 != "@" }).replacing("-", with: " "))
        }
        return summary(of: resource, entry: resource.cache == .spotify ? glance(resource) : nil)
    }

    private func summary(of resource: Resource, entry: Entry?) -> RecordSummary {
        var summary = RecordSummary(kind: resource.kindInWords)
        guard let subject = resource.subject else { return summary }
        summary.name = resource.name
        if case .object(_, let id, _) = subject { summary.id = id.text }
        if let entry {
            (summary.storedAt, summary.dueAt) = (entry.storedAt, entry.expiresAt)
            summary.refusedWith = Record(encoded: entry.value)?.refusedWith
        }
        let object = subject == resource ? entry : glance(subject)
        if let root = object.flatMap({ Record(encoded: $0.value) }).flatMap({ try? JSONDocument($0.body) })?.root {
            let artist = (root["artists"]?.elements.first ?? root["owner"] ?? root["show"])
            summary.title = [root["name"]?.string, artist?["name"]?.string ?? artist?["display_name"]?.string]
                .compactMap(\.self).joined(separator: " · ")
            summary.picture = (root["images"] ?? root["album"]?["images"])?.elements.last?["url"]?.string
        }
        return summary
    }

    private func glance(_ resource: Resource) -> Entry? { try? records.recordStore.caches.glance(resource.cacheKey) }

    /// The records in which all of the words stand, in the order of their keys. Reads them one after the other, so it takes its time.
    /// - Parameters:
    ///   - words: in lower case.
    ///   - after: the key behind which it begins.
    ///   - most: records.
    ///   - end: when it stops at the latest.
    /// - Returns: with the key behind which it goes on; nil: it has read all of them.
    public func search(
        _ words: [String], after: [UInt8]?, most: Int, until end: MonotonicTime
    ) throws(CacheError) -> (found: [RecordSummary], next: [UInt8]?) {
        let caches = records.recordStore.caches
        var (found, next) = ([RecordSummary](), after)
        repeat {
            let page = try caches.keys(.spotify, prefix: Array(Resource.cachePrefix.utf8), after: next, limit: 100)
            for key in page.keys {
                next = key.key
                guard let resource = Resource(cacheKey: key.key), resource.subject == resource, let entry = try caches.glance(key.key)
                else {
                    continue
                }
                let text = String(decoding: key.key + [0x0A] + entry.value, as: UTF8.self).lowercased()
                guard words.allSatisfy({ text.contains($0) }) else { continue }
                found.append(summary(of: resource, entry: entry))
                if found.count == most || SystemClock().monotonic >= end { return (found, next) }
            }
            next = page.next
        } while next != nil && SystemClock().monotonic < end
        return (found, next)
    }

    /// Has a record fetched anew, as soon as its turn comes; it is served as it is until then.
    /// - Returns: nil where there is no such name, or it is a search's.
    public func renew(_ name: String) throws -> Admission? {
        guard let resource = Resource(name: name), resource.subject != nil else { return nil }
        let caches = records.recordStore.caches
        _ = try caches.delete(.spotify, resource.cacheKey)
        _ = try caches.delete(.temp, resource.denialKey)
        return try rateLimiter.enqueue([Ask(key: resource.name, priority: .unattended, client: "administrator", attendedUntil: 0)]).first
    }

    /// Removes a record for good. Answers whether there was one.
    public func evict(_ name: String) throws(CacheError) -> Bool {
        guard let resource = Resource(name: name), resource.subject != nil else { return false }
        return try records.recordStore.caches.evict(resource.cacheKey)
    }

    /// What was typed into the searches that wait, with the kinds that they are about. For an administrator who asks for it alone.
    public func waitingSearches(most: Int) throws(RateLimiterError) -> [(kinds: String, words: String)] {
        try rateLimiter.queued(atMost: most).compactMap { lookup in
            guard case .search(let term, let kinds, _, _)? = Resource(name: lookup.key) else { return nil }
            return (kinds.map(\.rawValue).joined(separator: ", "), term.typed)
        }
    }
}

extension Resource {
    fileprivate var kindInWords: String {
        switch self {
        case .object(let kind, _, _): kind.rawValue
        case .parts(.albumTracks, _, _, _): "tracks of an album"
        case .parts(.showEpisodes, _, _, _): "episodes of a show"
        case .parts(.audiobookChapters, _, _, _): "chapters of an audiobook"
        case .artistAlbums: "albums of an artist"
        case .playlistItems: "items of a playlist"
        case .search: "search"
        case .topTracks: "top tracks of an artist"
        case .playlistImages: "pictures of a playlist"
        case .withEpisodes(let plain): "\(plain.kindInWords), with episodes"
        case .kept: "private playlist"
        }
    }

    /// The object that it is, or belongs to; nil for a search, and for what is for some alone.
    fileprivate var subject: Resource? {
        switch self {
        case .object: self
        case .parts(let parts, let id, _, let market): .object(parts.parent, id, market: market)
        case .artistAlbums(let id, _, _, _), .topTracks(let id, _): .object(.artist, id, market: nil)
        case .playlistItems(let id, _, _, let market): .object(.playlist, id, market: market)
        case .playlistImages(let id): .object(.playlist, id, market: nil)
        case .search: nil
        case .withEpisodes(let plain): plain.subject
        // For who may see it, which an administrator by the admin token may not.
        case .kept: nil
        }
    }
}
