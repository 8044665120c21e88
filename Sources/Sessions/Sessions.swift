import Caching
import Logging
import Platform

/// swingmusic's sessions: who a request comes from, and the routes that begin, renew, show and end sessions.
///
/// Event threads ask `authenticate`, and what takes its answer: some file reads, and nothing that waits. All else takes a `BlockingContext` and
/// runs on the thread that has it. Values in, values out; HTTP is somebody else's.
public final class Sessions: Sendable {
    let origins: OriginPolicy
    let configuration: SessionsConfiguration
    let clock: any HostClock
    let log: Logger
    let security: SecurityLog
    let folder: SwingmusicFolder
    let settings: SettingsFile
    let directory: UserDatabase
    /// swingmusic's songs.
    public let library: Library
    let database: SessionDatabase
    let records: any SessionRecords
    let throttle: LoginThrottle
    let seen = SeenSessions()
    let registrar: TokenRegistrar
    let authenticator: Authenticator
    let reviewer: TokenReviewer
    let hasher: PasswordHasher
    let purgedAt = Locked<Int64>(0)  // guards when this process purged last, ms since 1970
    let swept = Locked<SweptFiles?>(nil)  // guards what the files looked like when all users were compared last
    private let storeTrouble: LogOnce

    init(
        _ configuration: SessionsConfiguration, records: any SessionRecords, counts: any CountStore, clock: any HostClock, log: Logger,
        hasher: PasswordHasher? = nil
    ) {
        self.configuration = configuration
        self.clock = clock
        self.log = log
        security = SecurityLog(log, clock: clock)
        self.records = records
        self.hasher = hasher ?? PasswordHasher(folder: configuration.dataFolder)
        origins = OriginPolicy(origins: configuration.origins)
        folder = SwingmusicFolder(configuration.swingmusicFolder, log: log)
        settings = SettingsFile(folder: folder, clock: clock, log: log)
        directory = UserDatabase(folder: folder, clock: clock, log: log)
        library = Library(directory)
        database = SessionDatabase(folder: configuration.dataFolder, clock: clock, log: log) { records.hasBegun() }
        registrar = TokenRegistrar(directory: directory, database: database, seen: seen, clock: clock, adoption: configuration.adoption)
        authenticator = Authenticator(
            settings: settings, directory: directory, database: database, seen: seen, clock: clock, registrar: registrar)
        reviewer = TokenReviewer(database: database, memory: authenticator.memory, clients: authenticator.clients, clock: clock)
        throttle = LoginThrottle(store: counts, clock: clock, log: log)
        storeTrouble = LogOnce(log, repeatedEvery: .seconds(60))
    }

    /// - Parameter caches: `session` holds what is shown of each session, `temp` the failed tries.
    public convenience init(
        _ configuration: SessionsConfiguration, caches: Caches, clock: any HostClock = SystemClock(), log: Logger
    ) {
        self.init(
            configuration, records: CachesRecords(caches: caches), counts: CachesCounts(caches: caches), clock: clock, log: log)
    }

    /// How a `sessions.db` is known and got its tables.
    public static var schema: SchemaSteps { SessionSchema.steps }

    /// Opens `sessions.db` now rather than with the first request: who has it open goes on when a newer version takes the file over.
    /// A file that cannot be opened is logged, and tried again by the requests.
    /// Begins to watch it, too.
    public func open(_ context: borrowing BlockingContext) {
        _ = try? database.stamp(context)
        reviewer.start()
    }

    /// Whether pages of other origins may use a user's cookie.
    public var namesForeignOrigins: Bool { !configuration.origins.isEmpty }

    /// Stops the login thread and the sessions' own ones, and closes the files.
    public func close() {
        hasher.close()
        reviewer.close()
        registrar.close()
        authenticator.clients.close()
        database.close()
        directory.close()
    }

    /// Who a request comes from, by its access token. Never waits.
    /// - Parameter changes: whether the request changes something: then a page of another site must not have sent it.
    public func authenticate(
        _ caller: Caller, changes: Bool = false, duplicates: DuplicateCookies = .refused, renewal: RenewalDelivery = .withAnswer
    ) -> Authentication {
        if changes, !origins.admits(caller) { return .refused(.foreignSite) }
        return authenticator.authenticate(caller, duplicates: duplicates, renewal: renewal)
    }

    /// Who a request that reads the mirror comes from: by a client key's token as bearer, or by a user's. Never waits.
    public func authenticateReader(_ caller: Caller) -> Authentication {
        authenticator.authenticate(caller, duplicates: .refused, renewal: .whenMade, takesClients: true)
    }

    /// Runs a route that needs an access token; every answer of it, refusals included, carries the renewed cookie.
    func signedIn(
        _ caller: Caller, _ context: borrowing BlockingContext, duplicates: DuplicateCookies = .firstCounts, changes: Bool = false,
        _ body: (AuthenticatedRequest) -> Answer
    ) -> Answer {
        if changes, !origins.admits(caller) { return .refused(.foreignSite) }
        do throws(Refused) {
            let authenticated = try authenticator.authenticate(caller, duplicates: duplicates, context).signedIn()
            let answer = body(authenticated)
            // Whoever ends the own session gets no new token for it.
            return answer.cookies.isEmpty ? answer.adding(registrar.renewal(authenticated, caller, context)) : answer
        } catch {
            return .refused(error)
        }
    }

    func keepRecord(_ record: SessionRecord, as id: String) {
        do {
            try records.keep(record, as: id)
            storeTrouble.settle("session records: all right again")
        } catch {
            complainOfStore(error)
        }
    }

    /// Of a session that begins now, in ms since 1970.
    func keepRecord(of user: User, _ caller: Caller, as id: String, _ now: Int64) {
        let record = SessionRecord(
            userID: user.id, userName: user.name, userAgent: caller.userAgent, address: caller.address, createdAt: now, seenAt: now)
        keepRecord(record, as: id)
    }

    func forgetRecords(_ ids: [String]) {
        guard !ids.isEmpty else { return }
        for id in ids { seen.forget(id) }
        do { try records.remove(ids) } catch { complainOfStore(error) }
    }

    private func complainOfStore(_ error: any Error) {
        let reason = "cannot be written: \(error)"
        storeTrouble.raise(reason, now: clock.wall, "session records: \(reason)")
    }
}

/// What the files that hold users looked like when all users were compared: while they look the same, nothing needs to be compared again.
struct SweptFiles: Sendable {
    private let stamps: [FileStamp]
    /// Whether a write since would have left other stamps.
    private let isSettled: Bool
    private let lookedAt: WallTime

    /// For so long stamps are believed: not every file system keeps them.
    private static let trust = Duration.seconds(60)

    /// nil where a file is missing. To be taken before the files are read.
    init?(database: SessionDatabase, directory: UserDatabase, now: WallTime) {
        guard let sessions = try? database.stamp(), let users = FileStamp(path: directory.path) else { return nil }
        stamps = [sessions, users] + [FileStamp(path: directory.path + "-wal")].compactMap(\.self)
        isSettled = stamps.allSatisfy { $0.isSettled(now: now) }
        lookedAt = now
    }

    /// Whether what was read at this look is what would be read at `other`.
    func stillHolds(_ other: SweptFiles) -> Bool {
        isSettled && stamps == other.stamps && (.zero..<Self.trust).contains(other.lookedAt - lookedAt)
    }
}

/// What the room has to be told.
public struct SessionsConfiguration: Sendable {
    /// swingmusic's folder, with `swingmusic.db` and `settings.json`, or the one above it.
    public var swingmusicFolder: String
    /// Our own, for `sessions.db`.
    public var dataFolder: String
    /// Whether anybody may register once there is an admin, as swingmusic allows.
    public var isRegistrationOpen: Bool
    /// Origins that may send cookies from elsewhere.
    public var origins: [String]
    /// Which tokens that swingmusic made are let in.
    public var adoption: TokenAdoption

    public init(
        swingmusicFolder: String, dataFolder: String, isRegistrationOpen: Bool = false, origins: [String] = [],
        adoption: TokenAdoption = .safe
    ) {
        self.swingmusicFolder = swingmusicFolder
        self.dataFolder = dataFolder
        self.isRegistrationOpen = isRegistrationOpen
        self.origins = origins
        self.adoption = adoption
    }
}
