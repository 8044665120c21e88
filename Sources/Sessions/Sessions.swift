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
    let effects: EffectReport
    let registrar: TokenRegistrar
    let authenticator: Authenticator
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
        let effects = EffectReport(security: security, seen: seen)
        self.effects = effects
        database = SessionDatabase(
            folder: configuration.dataFolder, clock: clock, log: log, report: { effects.report($0) }, evidence: { records.hasBegun() })
        registrar = TokenRegistrar(directory: directory, database: database, seen: seen, clock: clock, adoption: configuration.adoption)
        authenticator = Authenticator(
            settings: settings, directory: directory, database: database, seen: seen, clock: clock, registrar: registrar)
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
    public func open(_ context: borrowing BlockingContext) { _ = try? database.stamp(context) }

    /// Whether pages of other origins may use a user's cookie.
    public var namesForeignOrigins: Bool { !configuration.origins.isEmpty }

    /// Stops the login thread and the sessions' own, and closes the files.
    public func close() {
        hasher.close()
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

    /// Who a request comes from, as a route asks. Never waits.
    /// - Parameter changes: whether the request's method says that it changes something: then a page of another site must not have sent it.
    public func authenticate<Asker>(_ caller: Caller, _ requirement: Requirement<Asker>, changes: Bool) -> Authentication {
        authenticate(
            caller, changes: requirement.changes ?? changes, duplicates: requirement.duplicates,
            renewal: requirement.renews ? .withAnswer : .never)
    }

    /// Runs what a route does, for who may use it. Every answer, refusals of its own included, carries the renewed cookie.
    /// - Parameters:
    ///   - changes: as for `authenticate`.
    ///   - work: answers nil where somebody else will answer.
    public func admit<Asker, Made: SessionAnswer>(
        _ caller: Caller, _ requirement: Requirement<Asker>, changes: Bool, _ context: borrowing BlockingContext, _ work: (Asker) -> Made?
    ) -> Made? {
        if requirement.changes ?? changes, !origins.admits(caller) { return Made.refused(.foreignSite) }
        let authentication = authenticator.authenticate(caller, for: requirement.kind, duplicates: requirement.duplicates, context)
        do throws(Refused) {
            guard let made = work(try requirement.asker(authentication)) else { return nil }
            // Whoever ends the own session gets no new token for it.
            guard requirement.renews, !made.setsCookie, let request = authentication.user else { return made }
            return made.adding(registrar.renewal(request, caller, context))
        } catch {
            return Made.refused(error)
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

/// Tells of sessions that began or ended though nobody asked for it. On the sessions' thread, for which others wait: it waits for nothing.
final class EffectReport: Sendable {
    private let security: SecurityLog
    private let seen: SeenSessions
    private let ended = Locked<[String]>([])  // guards sessions of which what is shown of them is still to be removed

    init(security: SecurityLog, seen: SeenSessions) {
        self.security = security
        self.seen = seen
    }

    func report(_ effects: SessionEffects) {
        for (user, sessions) in effects.ended {
            for id in sessions { seen.forget(id) }
            ended.withLock { $0 += sessions }
            security.note(.accountChanged, from: "", user: user)
        }
        for (user, address) in effects.adopted { security.note(.tokenAdopted, from: address, user: user.name) }
    }

    /// Those that ended since it was asked last.
    func take() -> [String] {
        ended.withLock { ended in
            defer { ended = [] }
            return ended
        }
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
