import Caching
import GRDB
import Logging

/// swingmusic's sessions: who a request comes from, and the routes that begin, renew, show and end sessions.
///
/// Everything but the password hashes runs on the caller's thread: a few file reads, and a write where a session begins, ends or
/// is first seen. Values in, values out; HTTP is somebody else's.
public final class Sessions: Sendable {
    let origins: OriginPolicy
    let configuration: SessionsConfiguration
    let clock: SessionClock
    let log: Logger
    let settings: SettingsFile
    let directory: UserDatabase
    let database: SessionDatabase
    let records: any SessionRecords
    let throttle: LoginThrottle
    let memory = TokenCache()
    let renewed = RenewedTokens()
    let seen = SeenSessions()
    let hasher: PasswordHasher
    let purgedAt = Locked<Int64>(0)  // guards when this process purged last, ms since 1970
    let swept = Locked<SweptFiles?>(nil)  // guards what the files looked like when all users were compared last
    let storeComplaint: LogOnce

    init(
        _ configuration: SessionsConfiguration, records: any SessionRecords, counts: any CountStore, clock: SessionClock, log: Logger,
        hasher: PasswordHasher? = nil
    ) {
        self.configuration = configuration
        self.clock = clock
        self.log = log
        self.records = records
        self.hasher = hasher ?? PasswordHasher(folder: configuration.dataFolder)
        origins = OriginPolicy(origins: configuration.origins)
        let folder = SwingmusicFolder(configuration.swingmusicFolder, log: log)
        settings = SettingsFile(folder: folder, clock: clock, log: log)
        directory = UserDatabase(folder: folder, clock: clock, log: log)
        database = SessionDatabase(folder: configuration.dataFolder, clock: clock, log: log) { records.hasBegun() }
        throttle = LoginThrottle(store: counts, clock: clock, log: log)
        storeComplaint = LogOnce(about: "session records", log: log)
    }

    /// Opens `sessions.db` now rather than with the first request: who has it open goes on when a newer version takes the file over.
    /// A file that cannot be opened is logged, and tried again by the requests.
    public func open() { _ = try? database.stamp() }

    /// Stops the login thread and closes the files.
    public func close() {
        hasher.close()
        database.close()
        directory.close()
    }

    /// The newest `PRAGMA user_version` of a `sessions.db` that this program reads.
    public static var schemaVersion: Int { SessionSchema.version }

    /// - Parameter caches: `session` holds what is shown of each session, `temp` the failed tries.
    public convenience init(
        _ configuration: SessionsConfiguration, caches: Caches, clock: SessionClock = .system, log: Logger
    ) {
        self.init(
            configuration, records: CachesRecords(caches: caches), counts: CachesCounts(caches: caches), clock: clock, log: log)
    }
}

/// What the files that hold users looked like when all users were compared: while they look the same, nothing needs to be compared again.
struct SweptFiles: Sendable {
    private let stamps: [FileStamp]
    /// Whether a write since would have left other stamps.
    private let isSettled: Bool
    /// Milliseconds since 1970.
    private let lookedAt: Int64

    /// For so long, in ms, stamps are believed: not every file system keeps them.
    private static let trust: Int64 = 60_000

    /// nil where a file is missing. To be taken before the files are read.
    init?(database: SessionDatabase, directory: UserDatabase, now: Int64) {
        guard let sessions = try? database.stamp(), let users = FileStamp(path: directory.path) else { return nil }
        stamps = [sessions, users] + [FileStamp(path: directory.path + "-wal")].compactMap(\.self)
        isSettled = stamps.allSatisfy { $0.isSettled(now: now) }
        lookedAt = now
    }

    /// Whether what was read at this look is what would be read at `other`.
    func stillHolds(_ other: SweptFiles) -> Bool {
        isSettled && stamps == other.stamps && (0..<Self.trust).contains(other.lookedAt - lookedAt)
    }
}
