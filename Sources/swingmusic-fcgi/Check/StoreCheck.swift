import Caching
import Foundation
import Gateway
import Glibc
import Logging

/// DragonflyDB: whether it answers as set, and what it is.
enum StoreCheck {
    static func findings(_ settings: Settings) -> [Finding] {
        guard let dragonfly = settings.dragonfly else {
            return [.ok("DRAGONFLYDB_HOST", "is not set: SQLite alone serves")]
        }
        let subject = "DRAGONFLYDB_HOST"
        // A folder of its own: the look must not touch the databases of a running program.
        let folder = FileManager.default.temporaryDirectory.path + "/swingmusic-fcgi-check-\(getpid())"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
            let caches = try Caches(CachesConfiguration(path: folder + "/cache.db", dragonfly: dragonfly, threads: 1), log: .silent)
            defer { caches.close() }
            guard let health = answer(caches, within: dragonfly.timeout) else { return [] }
            guard health.isConnected else {
                return [.error(subject, "\(dragonfly): \(health.message)", remedy: remedy(health.message))]
            }
            return [.ok(subject, "\(dragonfly) is \(kind(caches.storeInfo() ?? [:])), answers in \(microseconds(health.latency)) µs")]
        } catch {
            return [
                .warning(
                    subject, "could not be looked at: \(error)",
                    remedy: "see that \(FileManager.default.temporaryDirectory.path) can be written")
            ]
        }
    }

    /// The connection is made in the background: it has some timeouts' time, and a second for starting.
    private static func answer(_ caches: Caches, within timeout: Duration) -> StoreHealth? {
        let clock = ContinuousClock()
        let end = clock.now + timeout * 3 + .seconds(1)
        var health = caches.storeHealth()
        while let now = health, !now.isConnected, now.message == Self.notYet, clock.now < end {
            usleep(10_000)
            health = caches.storeHealth()
        }
        return health
    }

    private static let notYet = "it has not answered yet"

    private static func kind(_ info: [String: String]) -> String {
        if let version = info["dragonfly_version"] { return "DragonflyDB \(version)" }
        if let version = info["valkey_version"] { return "Valkey \(version)" }
        if let version = info["redis_version"] { return "Redis \(version)" }
        return "a store that does not say what it is"
    }

    private static func remedy(_ message: String) -> String {
        if message.contains("password") { return "set DRAGONFLYDB_PASSWORD (or DRAGONFLYDB_PASSWORD_FILE) to the store's password" }
        if message.contains("else than DragonflyDB") { return "correct DRAGONFLYDB_HOST and DRAGONFLYDB_PORT" }
        if message.contains("loading") { return "wait until it has loaded; SQLite serves meanwhile" }
        return "start DragonflyDB, or correct DRAGONFLYDB_HOST and DRAGONFLYDB_PORT; until then SQLite serves"
    }

    private static func microseconds(_ duration: Duration) -> Int64 {
        duration.components.seconds * 1_000_000 + duration.components.attoseconds / 1_000_000_000_000
    }
}

extension Logger {
    /// For commands that say themselves what they find.
    static var silent: Logger { Logger(label: "command") { _ in SwiftLogNoOpLogHandler() } }
}
