import Caching
import Glibc
import JSON
import Logging
import RateLimiting

/// How an installation stands, told from its data folder: beside its workers, none of which is asked, or without any.
public struct InstallationStatus: Sendable {
    let report: StatusReport

    /// Looks once. Blocks on files; makes and changes none but `cache.db`'s own companions.
    /// - Parameters:
    ///   - version: of the program that looks.
    ///   - caches: opened over the same folder.
    /// - Throws: `Fault`, and `RateLimiterError` for settings that make no sense.
    public init(settings: Settings, version: String, caches: Caches, log: Logger) throws {
        let scoreboard = settings.dataDirectory + "/figures.shared"
        guard access(scoreboard, F_OK) == 0 else { throw Fault.neverServed(settings.dataDirectory) }
        guard access(scoreboard, R_OK | W_OK) == 0 else { throw Fault.unreadable(scoreboard) }
        let rateLimiter = try RateLimiter(
            path: settings.dataDirectory + "/limiter.db",
            rateLimit: RateLimit(interval: settings.minInterval, callsPerWindow: settings.callsPerHour),
            queueLimit: settings.queueLimit, leaseLifetime: settings.spotify.timeout + .seconds(5), creating: false, log: log)
        let collector = StatusCollector(
            version: version, scoreboard: Scoreboard(reading: scoreboard), caches: caches, rateLimiter: rateLimiter,
            dataDirectory: settings.dataDirectory,
            hasCredentials: settings.credentials != nil)
        var report = collector.report(withAges: true)
        if report.workers.isEmpty { report.readiness.reasons.insert("no worker runs on this data folder", at: 0) }
        self.report = report
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
