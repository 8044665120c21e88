import Caching
import Logging
import Platform
import RateLimiting
import Spotify

/// The catalog: what is known is read at once, what is not is looked up behind the limiter.
public final class Catalog: Sendable {
    public let inbox: LookupInbox
    let records: NotedRecords
    let rateLimiter: any RateLimiter
    /// nil: somebody else runs the loop.
    private let thread: LookupThread?

    /// Starts the lookup thread. Throws where the system gives it no thread or descriptor.
    public init(
        caches: Caches, rateLimiter: any RateLimiter, configuration: CatalogConfiguration, clock: any HostClock = SystemClock(), log: Logger
    ) throws(SystemError) {
        inbox = try LookupInbox()
        records = NotedRecords(caches: caches, inbox: inbox, configuration: configuration, clock: clock)
        self.rateLimiter = rateLimiter
        thread = try LookupThread(
            inbox: inbox, recordStore: records.recordStore, rateLimiter: rateLimiter, configuration: configuration, clock: clock, log: log)
    }

    /// A catalog for a simulation, which runs the lookup loop on its own thread and clock.
    package init(
        caches: Caches, rateLimiter: any RateLimiter, configuration: CatalogConfiguration, clock: any HostClock, log: Logger,
        client: any SpotifyCalls, loop: (LookupLoop) -> Void
    ) throws(SystemError) {
        inbox = try LookupInbox()
        records = NotedRecords(caches: caches, inbox: inbox, configuration: configuration, clock: clock)
        self.rateLimiter = rateLimiter
        thread = nil
        loop(
            LookupLoop(
                inbox: inbox, recordStore: records.recordStore, rateLimiter: rateLimiter, client: client, configuration: configuration,
                clock: clock, log: log))
    }

    /// Answers a question from what is known.
    /// - Parameters:
    ///   - base: for the mirror's links.
    ///   - filled: with the fields that development mode removed (`SPOTIFY_FILL_REMOVED_FIELDS`).
    ///   - seesPrivate: with what the connected account's owner keeps from others; for who may see that alone.
    ///   - isLast: nothing more will come; a question that may be patchy then answers with what there is.
    ///   - ahead: what was read for it already.
    public func answer(
        _ question: any Question, base: LinkBase, filled: Bool = false, seesPrivate: Bool = false, isLast: Bool = false,
        ahead: ReadAhead? = nil
    ) throws(CacheError) -> QueryResult {
        var reader = RecordReader(
            records: records, base: base, filled: filled, seesPrivate: seesPrivate, isLast: isLast, ahead: ahead)
        do {
            let body = try question.compose(&reader)
            guard let body, reader.missing.isEmpty || (isLast && question.mayBePatchy) else { return .missing(reader.missing) }
            return .complete(reader.composed(body))
        } catch let denial as NegativeEntry {
            return .denied(reader.composed(denial))
        } catch let error as CacheError {
            throw error
        } catch {
            return .missing(reader.missing)
        }
    }

    /// What kind of account Spotify's answers show; nil before the first that does. Reads the limiter's file.
    public func accountMode() throws(RateLimiterError) -> AccountMode? {
        try rateLimiter.recall(AccountMode.fact).flatMap { AccountMode(rawValue: $0) }
    }

    /// The endpoints that Spotify refused within the last day, by the names they have in the Web API.
    public func closedEndpoints() throws(CacheError) -> [String] {
        var closed: [String] = []
        for endpoint in Endpoint.allCases where try records.recordStore.isClosed(endpoint) { closed.append(endpoint.rawValue) }
        return closed
    }

    /// A user's preferences; the defaults where nothing was chosen.
    public func preferences(of user: Int) throws(CacheError) -> Preferences {
        try records.recordStore.preferences(of: user)
    }

    /// Changes a user's preferences, in one transaction, for good. May wait for another process's writing.
    /// - Parameter done: called once when the change would outlive a power cut, or with why it may not; at once or by a thread that may block.
    public func changePreferences(
        of user: Int, _ change: (inout Preferences) -> Void, done: @escaping @Sendable (CacheError?) -> Void
    ) throws(CacheError) {
        try records.recordStore.changePreferences(of: user, change)
        records.recordStore.caches.whenSettled(.user, done)
    }

    /// Ends the lookup thread.
    public func stop() { thread?.stop() }

    /// How a question's first record is best read.
    public enum Approach: Sendable {
        /// As the question does it.
        case asItComes
        /// It is here.
        case here(ReadAhead)
        /// `readAhead` can bring it.
        case ahead(Resource, key: [UInt8])
    }

    public func approach(to question: any Question) -> Approach {
        guard records.recordStore.caches.mayAsk, let resource = question.firstResource, resource.cache == .spotify else {
            return .asItComes
        }
        let key = resource.cacheKey
        let found = records.recordStore.caches.remembered(key)
        return found.map { .here(ReadAhead(resource: resource, key: key, found: $0)) } ?? .ahead(resource, key: key)
    }

    public enum Beginning: Sendable {
        /// `then` will be called.
        case begun
        /// It need not be: this is the record, or nil where the question is to be asked as it comes.
        case ended(ReadAhead?)
    }

    /// Reads a record of `approach`'s without waiting for DragonflyDB; where that owes too many answers, from SQLite.
    /// - Parameter then: called once, on a thread of the caches' watcher; with nil when it could not be read.
    public func readAhead(_ resource: Resource, key: [UInt8], then: @escaping @Sendable (ReadAhead?) -> Void) -> Beginning {
        let caches = records.recordStore.caches
        let asking = caches.ask(for: key) { result in
            then((try? result.get()).map { ReadAhead(resource: resource, key: key, found: $0) })
        }
        switch asking {
        case .asked: return .begun
        case .full: return .ended((try? caches.kept(key)).map { ReadAhead(resource: resource, key: key, found: $0) })
        case .impossible: return .ended(nil)
        }
    }
}
