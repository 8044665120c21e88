import Caching
import JSON
import Platform

/// A record as it is served.
public struct Served: Sendable {
    public var record: Record
    public var tier: Tier
    /// Seconds until it, or its oldest part, becomes stale; negative when it is (RFC 9211, `ttl`).
    public var ttl: Int64
    public var freshness: Freshness
    /// When it was fetched, or refused, wall-clock milliseconds.
    public var storedAt: Int64
    /// When Spotify shall be asked again, wall-clock milliseconds.
    public var dueAt: Int64
    /// That time has come. What Spotify refused is stale from then on, but not due for a day.
    public var isDue: Bool
}

/// What the database knows of a resource.
public enum Reading: Sendable {
    case hit(Served)
    /// Spotify said no within the last `TEMP_CACHE_TTL`, of which `ttl` seconds are left.
    case denied(NegativeEntry, Tier, ttl: Int64)
    case miss
}

/// The records' place in the caches: `spotify` for what Spotify says of things, `temp` for search results and refusals.
public struct RecordStore: Sendable {
    let caches: Caches
    let clock: any HostClock
    /// `TEMP_CACHE_TTL`: how long a search result is as good as new.
    private let temporaryTTL: Duration
    let filledRecords: FilledRecords
    /// Where answers wait that `cache.db` cannot take; nil: nowhere.
    let spool: AnswerSpool?
    /// What the connected account's owner keeps from others.
    let privateRecords: PrivateRecords?

    /// How long a record that Spotify has refused more than once is left alone. After the first time it is `TEMP_CACHE_TTL`.
    private static let gonePause = Duration.seconds(86_400)
    /// How long a refusal is believed that spoke of the account, though others are served; and how long a page has no form.
    static let doubtfulPause = Duration.seconds(300)
    /// How long an old search result may stand in when no newer one can be had.
    private static let searchGrace = Duration.seconds(7 * 86_400)
    /// How long an endpoint that answered 403 counts as closed.
    private static let closedPause = Duration.seconds(86_400)

    public init(caches: Caches, temporaryTTL: Duration, spool: AnswerSpool? = nil, clock: any HostClock = SystemClock()) {
        self.init(caches: caches, temporaryTTL: temporaryTTL, spool: spool, privateRecords: nil, clock: clock)
    }

    init(caches: Caches, temporaryTTL: Duration, spool: AnswerSpool?, privateRecords: PrivateRecords?, clock: any HostClock) {
        self.caches = caches
        self.spool = spool
        self.privateRecords = privateRecords
        self.temporaryTTL = temporaryTTL
        self.clock = clock
        filledRecords = FilledRecords(now: clock.monotonic)
    }

    /// Reads without a limiter, a queue or the network but DragonflyDB's deadline.
    /// - Parameter filled: with the fields that development mode removed.
    public func read(_ resource: Resource, filled: Bool = false) throws(CacheError) -> Reading {
        if case .kept(let plain) = resource { return readPrivate(resource, plain, filled: filled) }
        return try read(resource, found: try caches.get(resource.cache, resource.cacheKey), filled: filled)
    }

    /// The same for what `caches.get` has answered already.
    func read(_ resource: Resource, found: Found?, filled: Bool = false) throws(CacheError) -> Reading {
        if let found, var served = served(found, resource, filled: filled), !served.isDue || !hasSpooled {
            try mark(&served, resource)
            return .hit(served)
        }
        if let found = newer(than: found, resource.cache, resource.cacheKey), var served = served(found, resource, filled: filled) {
            try mark(&served, resource)
            return .hit(served)
        }
        guard let denial = try denial(of: resource) else { return .miss }
        return .denied(denial.entry, denial.found.tier, ttl: Self.seconds(denial.found.entry.expiresAt - clock.wall.milliseconds))
    }

    /// What lies apart. It is filled anew each time: seldom read, and in no memory that others are answered from.
    private func readPrivate(_ resource: Resource, _ plain: Resource, filled: Bool) -> Reading {
        guard let entry = privateRecords?.find(resource) else { return .miss }
        let now = clock.wall.milliseconds
        guard let known = Record(encoded: entry.value) else {
            let denial = entry.expiresAt > now ? NegativeEntry(encoded: entry.value) : nil
            return denial.map { .denied($0, .sqlite, ttl: Self.seconds(entry.expiresAt - now)) } ?? .miss
        }
        let isGood = known.refusedWith == nil && entry.expiresAt > now
        return .hit(
            Served(
                record: filled ? RemovedFields(of: known, plain).filled(known) : known, tier: .sqlite,
                ttl: Self.seconds((known.refusedWith == nil ? entry.expiresAt : entry.storedAt) - now), freshness: isGood ? .fresh : .stale,
                storedAt: entry.storedAt, dueAt: entry.expiresAt, isDue: entry.expiresAt <= now))
    }

    /// A search that was refused when it was asked for again is what it was.
    private func mark(_ served: inout Served, _ resource: Resource) throws(CacheError) {
        if resource.cache == .temp, served.isDue { served.record.refusedWith = try denial(of: resource)?.entry.status }
    }

    private func denial(of resource: Resource) throws(CacheError) -> (entry: NegativeEntry, found: Found)? {
        guard let found = try get(.temp, resource.denialKey) else { return nil }
        return NegativeEntry(encoded: found.entry.value).map { ($0, found) }
    }

    private func record(of resource: Resource) throws(CacheError) -> Served? {
        try get(resource.cache, resource.cacheKey).flatMap { served($0, resource) }
    }

    /// Whether answers wait that `cache.db` has not: a look at memory.
    private var hasSpooled: Bool { spool?.isFilled ?? false }

    private func get(_ cache: CacheName, _ key: [UInt8]) throws(CacheError) -> Found? {
        newer(than: try caches.get(cache, key), cache, key)
    }

    /// What was found, or what waits for `cache.db` under the key and is newer.
    private func newer(than found: Found?, _ cache: CacheName, _ key: [UInt8]) -> Found? {
        guard hasSpooled, let entry = spool?.find(cache, key), found.map({ $0.entry.storedAt < entry.storedAt }) ?? true,
            cache == .spotify || entry.expiresAt > clock.wall.milliseconds
        else { return found }
        return Found(entry: entry, tier: .memory)
    }

    private func served(_ found: Found, _ resource: Resource, filled: Bool = false) -> Served? {
        let entry = found.entry
        let form =
            filled
            ? filledRecords.record(of: resource, entry, isBusy: found.tier == .memory, now: clock.monotonic)
            : Record(encoded: entry.value)
        guard let record = form else { return nil }
        let due = resource.cache == .temp ? entry.storedAt + temporaryTTL.wholeMilliseconds : entry.expiresAt
        // The oldest part that is seen was as good for as long as the rest.
        let whole = record.wholeAt.map { $0 + due - entry.storedAt } ?? due
        let end = record.refusedWith == nil ? min(due, whole) : entry.storedAt
        let now = clock.wall.milliseconds
        return Served(
            record: record, tier: found.tier, ttl: Self.seconds(end - now), freshness: Freshness(expiresAt: end, now: now),
            storedAt: entry.storedAt, dueAt: due, isDue: due <= now)
    }

    /// Whole ones, never more than there are, before an end as after it: nothing is told to be younger than it is.
    private static func seconds(_ milliseconds: Int64) -> Int64 {
        milliseconds / 1000 - (milliseconds % 1000 < 0 ? 1 : 0)
    }

    // MARK: Keeping answers

    /// A value that is to be kept, in order of what was asked for; without a ttl for the cache's own.
    private typealias Value = (cache: CacheName, key: [UInt8], value: [UInt8], ttl: Duration?)

    /// Keeps what Spotify's answer taught: for good, due again after `SPOTIFY_CACHE_TTL`; search results for a week. Where `cache.db` cannot take
    /// it, it waits in the spool; throws when that cannot take it either.
    /// - Parameters:
    ///   - consent: of the connected account, whose token brought it; nil: the app's did, which is given nothing private.
    ///   - age: since it was asked for. Spotify may have said it as long ago, and its time is counted from then (RFC 9111, 4.2.3).
    @discardableResult
    func store(_ parsed: ParsedAnswer, under consent: Int64? = nil, age: Duration = .zero) throws(CacheError) -> Learned {
        try store([parsed], under: consent, age: age)
    }

    /// The same for several answers that came in one.
    func store(_ answers: [ParsedAnswer], under consent: Int64? = nil, age: Duration = .zero) throws(CacheError) -> Learned {
        let asked = clock.monotonic - age
        var lines: [ParsedAnswer.Line] = []
        var unlike: [Refresh.Due] = []
        for parsed in answers {
            lines += parsed.lines
            guard let listed = parsed.listed else { continue }
            let renewals = try self.renewals(by: listed)
            lines += renewals.lines
            unlike += renewals.unlike
        }
        for line in lines where line.resource.isKept {
            guard let privateRecords, let consent else { throw .cannotWrite("there is no account whose private list it is") }
            try privateRecords.keep(line, under: consent, age: age)
        }
        try keep(
            lines.filter { !$0.resource.isKept }.map { line in
                let cache = line.resource.cache
                return (cache, line.resource.cacheKey, line.encoded, cache == .temp ? Self.searchGrace : nil)
            }, asked: asked)
        return Learned(resources: lines.map(\.resource), unlike: unlike)
    }

    /// What an answer has taught.
    struct Learned {
        /// What need not be asked for any more.
        var resources: [Resource]
        /// Records that it lists otherwise than they are: each is to be asked for alone.
        var unlike: [Refresh.Due] = []
    }

    /// The records that a list renews, and those that it does not since they are another thing there. What a list does not carry stays for 30
    /// days; then a call for the record alone is due.
    private func renewals(by listed: ListedTracks) throws(CacheError) -> (lines: [ParsedAnswer.Line], unlike: [Refresh.Due]) {
        var lines: [ParsedAnswer.Line] = []
        var unlike: [Refresh.Due] = []
        for resource in listed.resources {
            guard let served = try record(of: resource), !isLongPartial(served), served.record.refusedWith == nil,
                let known = try? JSONDocument(served.record.body)
            else { continue }
            if let body = listed.renewed(resource, known.root) {
                let record = Record(body: body, wholeAt: served.record.wholeAt ?? served.storedAt)
                lines.append(ParsedAnswer.Line(resource, record))
            } else {
                unlike.append(Refresh.Due(resource: resource, at: WallTime(milliseconds: served.dueAt)))
            }
        }
        return (lines, unlike)
    }

    /// What is known of what shall be renewed: of an album as soon due as the first of the records that its list renews.
    func readForRenewal(_ resource: Resource) throws(CacheError) -> Reading {
        guard case .hit(var served) = try read(resource), served.record.refusedWith == nil,
            let listed = (try? JSONDocument(served.record.body)).flatMap({ ListedTracks(resource, $0.root) })
        else { return try read(resource) }
        for track in listed.resources {
            guard let known = try record(of: track), known.dueAt < served.dueAt, try isRenewed(known, track, by: listed) else { continue }
            served.dueAt = known.dueAt
        }
        return .hit(served)
    }

    private func isRenewed(_ served: Served, _ resource: Resource, by listed: ListedTracks) throws(CacheError) -> Bool {
        guard served.record.refusedWith == nil, !isLongPartial(served), let known = try? JSONDocument(served.record.body) else {
            return false
        }
        return listed.renewed(resource, known.root) != nil
    }

    /// Whether a record has parts that are so old that only an answer to itself will do.
    func isLongPartial(_ served: Served) -> Bool {
        clock.wall.milliseconds - (served.record.wholeAt ?? served.storedAt) >= Self.wholeLifetime.wholeMilliseconds
    }

    private static let wholeLifetime = Duration.seconds(30 * 86_400)

    /// What is counted of the time since something was asked for, by now: who had to wait for `cache.db` has grown older. A caller is answered
    /// with a search that is fresh, so it is that for a while, however long Spotify took.
    private func age(_ asked: MonotonicTime?, _ cache: CacheName) -> Duration {
        let age = asked.map { clock.monotonic - $0 } ?? .zero
        return cache == .temp ? min(age, temporaryTTL / 2) : age
    }

    /// - Parameter asked: when it was asked for; nil: it is of now.
    private func keep(_ values: [Value], asked: MonotonicTime? = nil) throws(CacheError) {
        // What was refused a moment ago is not waited for again, with the limiter's file locked; `drainSpool` sees when it can be written.
        if let spool, let reason = caches.troubles().writeRefusal, spool.refusal() == nil {
            return try put(values, asked: asked, into: spool, because: .cannotWrite(reason))
        }
        do throws(CacheError) {
            for cache in [CacheName.spotify, .temp] {
                let these = values.filter { $0.cache == cache }
                if !these.isEmpty { try caches.put(cache, these.map { ($0.key, $0.value, $0.ttl) }, age: age(asked, cache)) }
            }
        } catch {
            guard let spool, error != .tooLarge else { throw error }
            try put(values, asked: asked, into: spool, because: error)
        }
    }

    private func put(_ values: [Value], asked: MonotonicTime?, into spool: AnswerSpool, because cause: CacheError) throws(CacheError) {
        // What no row may hold would wait for ever.
        guard values.allSatisfy({ $0.value.count <= EntryLimits.valueBytes }) else { throw .tooLarge }
        let items = values.map { value in
            let begin = (clock.wall - age(asked, value.cache)).milliseconds
            return AnswerSpool.Item(
                cache: value.cache, key: value.key,
                entry: Entry(
                    value: value.value, version: 0, storedAt: begin, expiresAt: caches.end(of: value.cache, ttl: value.ttl, from: begin)))
        }
        do throws(SystemError) { try spool.put(items) } catch { throw .cannotWrite("\(cause); nor can it be kept in memory: \(error)") }
    }

    /// Why an answer could be kept nowhere; nil: it could. To be asked before a call is made. Writes to `cache.db` where that is all there is.
    func refusalToKeep() -> String? {
        guard let reason = spool.map({ $0.refusal() }) ?? "there is no place for it" else { return nil }
        let place = "what is fetched could not be kept in memory (\(reason))"
        do throws(CacheError) { try caches.probeWriting() } catch { return "\(error), and \(place)" }
        guard let free = Files.freeBytes(at: caches.folder), free < AnswerSpool.roomForAnswer else { return nil }
        return "the disk is full, and \(place)"
    }

    /// Moves what waits longest into `cache.db`. Answers how many entries; throws when it still cannot be written.
    func drainSpool() throws(CacheError) -> Int {
        guard let spool, spool.isFilled else { return 0 }
        let oldest = spool.oldest(Self.mostDrained)
        for cache in [CacheName.spotify, .temp] {
            let items = oldest.map(\.item).filter { $0.cache == cache }
            if !items.isEmpty { try caches.putLate(cache, items.map { ($0.key, $0.entry) }) }
        }
        spool.remove(oldest)
        return oldest.count
    }

    private static let mostDrained = 64

    /// Keeps Spotify's refusal for `TEMP_CACHE_TTL`. What was once answered stays and is served stale, marked with the refusal; it is asked for
    /// again as soon, and when it is refused again, after a day each time.
    /// - Parameters:
    ///   - briefly: for five minutes.
    ///   - consent: as of an answer.
    func store(_ denial: NegativeEntry, for resource: Resource, briefly: Bool = false, under consent: Int64? = nil) throws(CacheError) {
        let first = briefly ? min(Self.doubtfulPause, temporaryTTL) : temporaryTTL
        if resource.isKept { return try privateRecords?.keep(denial, for: resource, first, under: consent) ?? () }
        var closed: [Value] = []
        if !briefly, denial.status == 403, let endpoint = resource.endpointThatCloses {
            closed = [(.temp, endpoint.closedKey, Array("403".utf8), Self.closedPause)]
        }
        guard var known = try record(of: resource)?.record, resource.cache == .spotify else {
            return try keep([(.temp, resource.denialKey, denial.encoded, first)] + closed)
        }
        let pause = known.refusedWith == nil || briefly ? min(first, Self.gonePause) : Self.gonePause
        known.refusedWith = denial.status
        try keep([(.spotify, resource.cacheKey, ParsedAnswer.Line(resource, known).encoded, pause)] + closed)
    }

    /// The playlists that were fetched without items before an account was connected, which are due from now on; and removes what was refused
    /// of playlists then. Some keys at a time.
    /// - Returns: with where to go on; nil: these were the last.
    func outdatedPlaylists(before consent: WallTime, after: [UInt8]?) throws(CacheError) -> (due: [Refresh.Due], next: [UInt8]?) {
        if after == nil { try forgetRefusalsOfPlaylists() }
        var due: [Refresh.Due] = []
        let page = try caches.keys(.spotify, prefix: Array("\(Resource.cachePrefix)playlist".utf8), after: after, limit: Self.mostReviewed)
        for key in page.keys.map(\.key) {
            guard let resource = Resource(cacheKey: key), case .object = resource, let entry = try caches.glance(key),
                entry.storedAt < consent.milliseconds, let body = Record(encoded: entry.value)?.body,
                let list = try? JSONDocument(body).root, !list.has("items"), !list.has("tracks")
            else { continue }
            try caches.delete(.spotify, key)
            due.append(Refresh.Due(resource: resource, at: clock.wall))
        }
        return (due, page.next)
    }

    private static let mostReviewed = 64

    private func forgetRefusalsOfPlaylists() throws(CacheError) {
        for family in ["playlist", "with-episodes/playlist"] {
            var next: [UInt8]?
            repeat {
                let page = try caches.keys(
                    .temp, prefix: Array("\(Resource.cachePrefix)denied/\(family)".utf8), after: next, limit: Self.mostReviewed)
                for key in page.keys { try caches.delete(.temp, key.key) }
                next = page.next
            } while next != nil
        }
    }

    /// Whether an endpoint answered 403 within the last day, as development mode does.
    func isClosed(_ endpoint: Endpoint) throws(CacheError) -> Bool {
        try get(.temp, endpoint.closedKey) != nil
    }
}

/// An endpoint that development mode closed and that is still worth a try in extended mode.
enum Endpoint: String, Sendable, CaseIterable {
    case topTracks = "top-tracks"

    fileprivate var closedKey: [UInt8] { Array("\(Resource.cachePrefix)closed/\(rawValue)".utf8) }
}

extension Resource {
    var cache: CacheName {
        if case .search = self { .temp } else { .spotify }
    }

    var endpointThatCloses: Endpoint? {
        if case .topTracks = self { .topTracks } else { nil }
    }
}

/// What is known, and the notes on what of it is used and what has to be renewed.
///
/// A class, so that what passes it on counts one reference and not one for each of its parts: the counts are shared by all threads.
final class NotedRecords: Sendable {
    let recordStore: RecordStore
    let recentlyUsed: RecentlyUsed
    private let inbox: LookupInbox
    private let usageFilter: UsageFilter

    init(caches: Caches, inbox: LookupInbox, configuration: CatalogConfiguration, clock: any HostClock) {
        recordStore = RecordStore(
            caches: caches, temporaryTTL: configuration.temporaryTTL, spool: AnswerSpool(of: caches.folder),
            privateRecords: configuration.account.map { PrivateRecords($0, ttl: configuration.recordTTL, clock: clock) }, clock: clock)
        self.inbox = inbox
        recentlyUsed = RecentlyUsed(caches: caches, clock: clock)
        usageFilter = UsageFilter(ttl: configuration.recordTTL)
    }

    /// Reads a record for a caller. One that is due is noted for renewal, and that it was used.
    ///
    /// Both only when it did not come from the worker's memory: what is asked for a thousand times in the few seconds of a
    /// memory copy is noted once.
    func read(_ resource: Resource, ahead: ReadAhead? = nil, filled: Bool = false) throws(CacheError) -> Reading {
        if resource.isKept {
            let reading = try recordStore.read(resource, filled: filled)
            if case .hit(let served) = reading, served.isDue { inbox.noteDue(resource, since: WallTime(milliseconds: served.dueAt)) }
            return reading
        }
        let key = ahead?.key ?? resource.cacheKey
        let found = if let ahead { ahead.found } else { try recordStore.caches.get(resource.cache, key) }
        let reading = try recordStore.read(resource, found: found, filled: filled)
        if found?.tier != .memory, resource.cache == .spotify, case .hit(let served) = reading, served.tier != .memory {
            if usageFilter.isNews(key, now: recordStore.clock.monotonic) { inbox.noteUse(key) }
            if served.isDue { inbox.noteDue(resource, since: WallTime(milliseconds: served.dueAt)) }
        }
        return reading
    }

    /// Reads a record that nobody asked for by its name: no note is made.
    func glance(_ resource: Resource, filled: Bool = false) throws(CacheError) -> Reading {
        try recordStore.read(resource, filled: filled)
    }
}

/// A record that was read before its question was asked: from memory, or from DragonflyDB without waiting for it.
public struct ReadAhead: Sendable {
    let resource: Resource
    /// The resource's.
    let key: [UInt8]
    /// nil: there is none.
    let found: Found?
}

/// Varnish's words for a record's age: fresh within its ttl, then stale within grace, which has no end here.
public enum Freshness: Sendable, Equatable {
    case fresh, stale

    /// - Parameters:
    ///   - expiresAt: when the record falls due, wall-clock milliseconds.
    ///   - now: wall-clock milliseconds.
    public init(expiresAt: Int64, now: Int64) {
        self = expiresAt > now ? .fresh : .stale
    }
}
