import Caching
import Catalog
import FastCGI
import Logging
import Platform
import RateLimiting
import Sessions
import Spotify

/// One worker's rooms, opened from its settings and joined behind one router.
public final class Gateway: Sendable {
    public let router: Router
    private let catalog: Catalog
    private let caches: Caches
    private let maintenance: MaintenanceThread
    private let blockingWorker: BlockingWorker
    /// Apart from the errands: whoever watches a file that hangs must not keep users from theirs.
    private let healthWorker = BlockingWorker(name: "health", mostWaiting: 64)
    /// A search of the page's may take its time.
    private let pageWorker = BlockingWorker(name: "page", mostWaiting: 32)
    private let watchWorker = BlockingWorker(name: "watch", mostWaiting: 1)
    /// nil where this host is alone.
    private let sharedRateLimiter: SharedRateLimiter?
    private let sessions: Sessions?
    /// Keeps warnings and errors for the status page; what else runs in this worker should log here, too.
    public let log: Logger

    /// Opens the databases and starts the lookup thread.
    /// - Parameters:
    ///   - worker: names this process to the others on the host.
    ///   - version: the program's, for the status routes.
    public init(settings: Settings, worker: String, version: String, log given: Logger) throws {
        let scoreboard = Scoreboard(path: settings.dataDirectory + "/figures.shared")
        var log = given
        log.handler = ErrorLog(given.handler, page: scoreboard, redaction: Redaction(secrets: settings.secretTexts))
        self.log = log
        let caches = try Caches(
            CachesConfiguration(
                path: settings.dataDirectory + "/cache.db", ttl: settings.ttl, dragonfly: settings.dragonfly,
                durable: settings.durableCaches),
            log: log)
        let ownRateLimiter = try FileRateLimiter(of: settings, log: log)
        sharedRateLimiter = try settings.sharedAccount.map { try Self.sharing(ownRateLimiter, $0, settings, caches, log) }
        let rateLimiter: any RateLimiter = sharedRateLimiter ?? ownRateLimiter
        self.caches = caches
        let sessions = settings.swingmusicDirectory.map { Self.sessions($0, settings, caches, log) }
        self.sessions = sessions
        if let sessions { try WorkerThread.wait(forWorkNamed: "sessions") { context in sessions.open(context) } }
        let collector = StatusCollector(
            version: version, scoreboard: scoreboard, caches: .success(caches), rateLimiter: rateLimiter,
            sessions: sessions.map(StatusCollector.SessionsView.own) ?? .off, dataDirectory: settings.dataDirectory,
            hasCredentials: settings.credentials != nil, sharesAs: settings.sharedStore.map { _ in settings.hostName }, isWorker: true,
            history: StatusHistory(path: settings.dataDirectory + "/history.shared"))
        let guessLimit = GuessLimit(path: settings.dataDirectory + "/guesses.shared")
        let adminSessions = AdminSessions(path: settings.dataDirectory + "/admins.shared", token: settings.adminToken)
        maintenance = try MaintenanceThread(caches, sessions, collector, guessLimit, adminSessions, log: log)
        let blockingWorker = BlockingWorker(name: "errands")
        let security = SecurityLog(log)
        self.blockingWorker = blockingWorker
        catalog = try Catalog(
            caches: caches, rateLimiter: rateLimiter, configuration: Self.configuration(settings, worker, scoreboard), log: log)
        let accessControl = AccessControl(
            authenticator: Self.authenticator(settings, sessions), metadataNeedsSession: settings.metadataAuth != .off,
            adminToken: settings.adminToken, cacheToken: settings.cacheToken, guessLimit: guessLimit, adminSessions: adminSessions,
            security: security, privatePlaylists: settings.privatePlaylists)
        let health = HealthRoutes.Workers(health: healthWorker, watch: watchWorker, page: pageWorker)
        router = Router(
            families: Self.families(
                settings, catalog, caches, sessions, collector, blockingWorker, health, accessControl, adminSessions, security, log),
            accessControl: accessControl, crossOrigin: CrossOrigin(settings.corsOrigins, publicURL: settings.publicURL),
            scoreboard: scoreboard, log: AccessLog(log: log))
    }

    private static func authenticator(_ settings: Settings, _ sessions: Sessions?) -> any RequestAuthenticator {
        if let sessions { return SessionAuthenticator(sessions: sessions, publicURL: settings.publicURL) }
        return settings.metadataAuth == .nginx ? NginxAuthenticator() : NobodyKnown()
    }

    private static func sharing(
        _ own: FileRateLimiter, _ account: SharedAccount, _ settings: Settings, _ caches: Caches, _ log: Logger
    ) throws -> SharedRateLimiter {
        let records = RecordStore(caches: caches, temporaryTTL: settings.ttl.temp, spool: AnswerSpool(of: settings.dataDirectory))
        return try SharedRateLimiter(
            own, sharing: account, exchange: records.exchange(lifetime: settings.ttl.spotify * 2), log: log)
    }

    private static func families(
        _ settings: Settings, _ catalog: Catalog, _ caches: Caches, _ sessions: Sessions?, _ collector: StatusCollector,
        _ blockingWorker: BlockingWorker, _ health: HealthRoutes.Workers, _ accessControl: AccessControl, _ adminSessions: AdminSessions,
        _ security: SecurityLog, _ log: Logger
    ) -> [any RouteFamily] {
        let responder = MetadataResponder(
            catalog: catalog, missWait: settings.missWait, mirrorWait: settings.mirrorWait, publicURL: settings.publicURL,
            isOpen: settings.metadataAuth == .off)
        let tokens = TokenRoutes(sessions: sessions, needsKey: settings.metadataAuth != .off, blockingWorker: blockingWorker)
        let keys = KeyRoutes(sessions: sessions, blockingWorker: blockingWorker, security: security)
        let includes = IncludeWatch(scoreboard: collector.scoreboard, log: log)
        let activity = Activity(
            collector: collector, catalog: catalog, caches: caches, sessions: sessions, showsCovers: settings.statusCovers)
        let families: [any RouteFamily] = [
            SpotifyRoutes(
                responder: responder, fillsRemovedFields: settings.fillRemovedFields, takesClientKeys: settings.metadataAuth != .nginx),
            tokens,
            CatalogRoutes(responder: responder, blockingWorker: blockingWorker, library: sessions?.library),
            ExtendedRoutes(responder: responder, blockingWorker: blockingWorker, library: sessions?.library),
            AuthRoutes(
                sessions: sessions, blockingWorker: blockingWorker, publicURL: settings.publicURL, timings: collector.scoreboard.timings),
            CacheRoutes(caches: caches, blockingWorker: blockingWorker, includes: includes, security: security),
            DashboardRoutes(caches: caches, blockingWorker: blockingWorker, security: security),
            PageRoutes(
                activity: activity, accessControl: accessControl, adminSessions: adminSessions, worker: health.page,
                publicURL: settings.publicURL, log: log),
        ]
        return families + [
            HealthRoutes(
                collector: collector, accessControl: accessControl, workers: health, keys: keys, showsCovers: settings.statusCovers,
                others: families)
        ]
    }

    private static func configuration(_ settings: Settings, _ worker: String, _ scoreboard: Scoreboard) -> CatalogConfiguration {
        var configuration = CatalogConfiguration(
            credentials: settings.credentials, endpoints: settings.spotify, market: settings.market.flatMap { Market($0) },
            recordTTL: settings.ttl.spotify, temporaryTTL: settings.ttl.temp, worker: worker)
        configuration.account = AccountFile(folder: settings.dataDirectory)
        configuration.noteCall = { _ in scoreboard.add(Counter.calls) }
        configuration.noteResult = { kind, duration in
            scoreboard.timings.add(call: kind, duration)
            if kind == .answered { scoreboard.timings.noteSuccess(SystemClock().wall) }
        }
        configuration.noteTurn = { scoreboard.add(turn: $0) }
        configuration.noteLookup = { scoreboard.note(lookup: $0, status: $1) }
        return configuration
    }

    private static func sessions(_ folder: String, _ settings: Settings, _ caches: Caches, _ log: Logger) -> Sessions {
        Sessions(
            SessionsConfiguration(
                swingmusicFolder: folder, dataFolder: settings.dataDirectory, isRegistrationOpen: settings.registration == .open,
                origins: settings.corsOrigins.named.map(\.text), adoption: settings.adoption),
            caches: caches, log: log)
    }

    /// Has an event loop watch what the rooms wait for, so that none of its threads has to. Without it they work all the same.
    public func attach(to loop: EventLoop) { caches.attach(LoopWatcher(loop: loop)) }

    /// Ends the lookup thread and closes the databases, after the event loop has ended.
    public func close() {
        catalog.stop()
        sharedRateLimiter?.close()
        blockingWorker.stop()
        healthWorker.stop()
        watchWorker.stop()
        pageWorker.stop()
        maintenance.stop()
        sessions?.close()
        caches.close()
    }
}

/// The event loop, as the caches see it.
private struct LoopWatcher: DescriptorWatcher {
    let loop: EventLoop

    func watch(_ descriptor: Int32, _ ready: @escaping @Sendable () -> Bool) -> Bool { loop.watch(descriptor, ready) }

    func atEndOfTick(_ action: @escaping @Sendable () -> Void) { loop.atEndOfTick(action) }

    func schedule(after duration: Duration, _ action: @escaping @Sendable () -> Void) { loop.schedule(after: duration, action) }
}

/// Takes a step of the caches' and the sessions' maintenance every second, and a look at the figures, on a plain thread.
private struct MaintenanceThread {
    private let stopping: EventFD
    private let thread: WorkerThread

    /// Starts the thread.
    init(
        _ caches: Caches, _ sessions: Sessions?, _ collector: StatusCollector, _ guessLimit: GuessLimit, _ adminSessions: AdminSessions,
        log: Logger
    ) throws(SystemError) {
        let stopping = try EventFD()
        thread = try WorkerThread.start(named: "upkeep") { context in
            var steps = 0
            while !stopping.wait(within: .seconds(1)) {
                // What kept it from its work has been logged; the next step tries again.
                try? caches.maintain()
                sessions?.maintain(context)
                if collector.scoreboard.mend() { log.warning("figures.shared was cut, replaced or removed: it was begun anew") }
                if guessLimit.mend() { log.warning("guesses.shared was cut, replaced or removed: it was begun anew") }
                if adminSessions.mend() { log.warning("admins.shared was cut, replaced or removed: it was begun anew") }
                collector.noteConditions()
                collector.scoreboard.sample()
                if collector.history?.mend() == true { log.warning("history.shared was cut, replaced or removed: it was begun anew") }
                if steps % 10 == 0 { collector.keepHistory() }
                steps += 1
            }
        }
        self.stopping = stopping
    }

    /// Ends the thread after its step, which is waited for shortly.
    func stop() {
        stopping.signal()
        thread.join(within: .seconds(1))
    }
}
