import Caching
import Catalog
import Glibc
import JSON
import Logging
import RateLimiting
import Spotify

/// How an installation stands, told from its data folder: beside its workers, none of which is asked, or without any.
public struct InstallationStatus: Sendable {
    let report: StatusReport

    /// Looks once. Blocks on files; makes and changes none but `cache.db`'s own companions.
    /// - Parameters:
    ///   - version: of the program that looks.
    ///   - caches: opened over the same folder; the reason where they could not be.
    /// - Throws: `Fault`, and `RateLimiterError` for settings that make no sense.
    public init(settings: Settings, version: String, caches: Result<Caches, CachesAreNotOpen>, log: Logger) throws {
        report = try StatusCollector(besideWorkersOf: settings, version: version, caches: caches, log: log).report(withAges: true)
    }

    /// Workers run, and they can serve.
    public var isReady: Bool { report.readiness.isReady }
    /// Member by member what `/swingmusic-fcgi/status.json` has.
    public var json: JSONValue { StatusJSON.value(of: report) }
    /// For people.
    public var sections: [StatusSection] { StatusSection.all(of: report) }

    /// Why there is nothing to be told.
    public enum Fault: Error, CustomStringConvertible {
        case neverServed(String)
        case unreadable(String)

        public var description: String {
            switch self {
            case .neverServed(let folder): "'serve' has never run on \(folder) (SWINGMUSIC_FCGI_DATA_DIR)"
            case .unreadable(let file): "\(file) cannot be read and written by this user: run this as the user of 'serve', or as root"
            }
        }
    }
}

extension Readiness {
    /// How an installation stands, as `InstallationStatus` says it, without opening the caches.
    /// - Parameter cacheFault: why `cache.db` cannot be read, as far as is known.
    /// - Throws: as there.
    public init(of settings: Settings, cacheFault: String?, log: Logger) throws {
        let caches = CachesAreNotOpen(reason: cacheFault)
        self = try StatusCollector(besideWorkersOf: settings, version: "", caches: .failure(caches), log: log).readiness()
    }
}

extension StatusCollector {
    fileprivate init(besideWorkersOf settings: Settings, version: String, caches: Result<Caches, CachesAreNotOpen>, log: Logger) throws {
        let scoreboard = settings.dataDirectory + "/figures.shared"
        guard access(scoreboard, F_OK) == 0 else { throw InstallationStatus.Fault.neverServed(settings.dataDirectory) }
        guard access(scoreboard, R_OK | W_OK) == 0 else { throw InstallationStatus.Fault.unreadable(scoreboard) }
        self.init(
            version: version, scoreboard: Scoreboard(reading: scoreboard), caches: caches,
            rateLimiter: try FileRateLimiter(of: settings, creating: false, log: log),
            sessions: settings.swingmusicDirectory.map(SessionsView.folder) ?? .off, dataDirectory: settings.dataDirectory,
            hasCredentials: settings.hasCredentials, sharesAs: settings.sharedStore.map { _ in settings.hostName }, isWorker: false)
    }
}

extension Settings {
    /// Which account is shared, and how; nil: it is not, or there is none.
    public var sharedAccount: SharedAccount? {
        guard let sharedStore, let credentials else { return nil }
        return SharedAccount(
            endpoint: sharedStore, host: hostName, clientID: credentials.clientID, secret: credentials.clientSecret, apiURL: spotify.apiURL)
    }

    public var rateLimit: RateLimit { RateLimit(interval: minInterval, callsPerWindow: callsPerHour) }
}

extension FileRateLimiter {
    /// The limiter of these settings.
    /// - Throws: `RateLimiterError.settings`.
    public convenience init(of settings: Settings, creating: Bool = true, log: Logger) throws(RateLimiterError) {
        try self.init(
            path: settings.dataDirectory + "/limiter.db",
            rateLimit: settings.rateLimit, queueLimit: settings.queueLimit,
            leaseLifetime: settings.spotify.timeout + .seconds(5), batches: Resource.batches,
            // Whose the credentials are that the running program did not tell is the running program's to know.
            isOurs: { [credentials = settings.credentials, others = settings.hasCredentials] in credentials?.fits($0) ?? others },
            creating: creating, log: log)
    }
}
