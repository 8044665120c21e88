import Caching
import Catalog
import Foundation
import Gateway
import Glibc
import JSON
import Logging
import Platform
import RateLimiting
import Sessions
import Spotify

/// Spotify's credentials and what is remembered of the account. Never a call of the Web API.
enum SpotifyCheck {
    /// - Parameter isPartHidden: settings may be set that this user may not read.
    static func findings(_ settings: Settings, online: Bool, isPartHidden: Bool) -> [Finding] {
        if settings.credentials == nil, !settings.hasCredentials, isPartHidden {
            return [.unseen("SPOTIFY_CLIENT_ID", "is not set in what this user may read")]
        }
        if settings.credentials == nil, settings.hasCredentials {
            return [
                .ok(
                    "SPOTIFY_CLIENT_ID",
                    "is set for the running program, which does not tell it; --env-file with the file that sets it proves it")
            ]
                + remembered(settings)
        }
        guard let credentials = settings.credentials else {
            return [
                .warning(
                    "SPOTIFY_CLIENT_ID", "is not set: what is cached is served, nothing new is looked up",
                    remedy:
                        "register an app at developer.spotify.com and set SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET (or their _FILE variants)"
                )
            ]
        }
        var findings = [Finding.ok("SPOTIFY_CLIENT_ID", "is set, and so is its secret" + (online ? "" : "; --online proves them"))]
        findings += remembered(settings) + connected(settings, credentials)
        if online { findings.append(token(credentials, settings.spotify)) }
        return findings
    }

    /// That a consent ends, or has ended, is among the words of readiness.
    private static func connected(_ settings: Settings, _ credentials: SpotifyCredentials) -> [Finding] {
        let file = AccountFile(folder: settings.dataDirectory)
        guard let standing = file.standing(), standing.endReason == nil else { return [] }
        guard file.tokens(credentials) != nil else {
            return [
                .error(
                    "connected account", "its token was sealed with other credentials, or cannot be read by this user",
                    remedy: "run 'swingmusic-fcgi connect' once more")
            ]
        }
        return [.ok("connected account", "its playlists come with their items; the consent ends on \(standing.endDay)")]
    }

    private static func remembered(_ settings: Settings) -> [Finding] {
        guard access(settings.dataDirectory + "/limiter.db", F_OK) == 0,
            let rateLimiter = try? FileRateLimiter(of: settings, creating: false, log: .silent), let status = try? rateLimiter.status()
        else { return [.ok("Spotify account", "its mode is not known yet: the first answers show it")] }
        let mode = (try? rateLimiter.recall(AccountMode.fact)) ?? "not known yet"
        return [.ok("Spotify account", "mode: \(mode); \(status.callsInWindow) of \(status.callsPerWindow) calls made in the last hour")]
    }

    private static func token(_ credentials: SpotifyCredentials, _ endpoints: SpotifyEndpoints) -> Finding {
        do throws(SpotifyError) {
            let client = try SpotifyClient(endpoints: endpoints, log: .silent)
            var outcome: Result<AccessToken, SpotifyError>?
            client.requestToken(credentials) { outcome = $0 }
            while client.active > 0 { client.poll(for: .milliseconds(200), wake: nil) }
            switch outcome {
            case .success: return .ok("Spotify token", "given out by \(endpoints.accountsURL)")
            case .failure(let error): throw error
            case nil: throw SpotifyError.timedOut
            }
        } catch {
            return .error("Spotify token", "\(error)", remedy: remedy(error))
        }
    }

    private static func remedy(_ error: SpotifyError) -> String {
        switch error {
        case .badCredentials, .unauthorized:
            "copy SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET anew from the app's page at developer.spotify.com"
        case .grantRefused: "run 'swingmusic-fcgi connect' once more"
        case .rateLimited: "wait, and make sure that nothing else uses this app's credentials"
        default: "see that the host reaches SPOTIFY_ACCOUNTS_URL (name service, firewall, proxy, CA certificates)"
        }
    }
}

/// DragonflyDB: whether it answers as set, and what it is.
enum StoreCheck {
    /// - Parameter isPartHidden: settings may be set that this user may not read.
    static func findings(_ settings: Settings, isPartHidden: Bool) -> [Finding] {
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
            if !health.isConnected, dragonfly.password == nil, isPartHidden || settings.withheld.contains(.dragonflyPassword),
                health.message.contains("password")
            {
                return [.unseen(subject, "\(dragonfly) wants a password, which the running program does not tell")]
            }
            guard health.isConnected else {
                return [.error(subject, "\(dragonfly): \(health.message)", remedy: remedy(health.message))]
            }
            return [
                .ok(subject, "\(dragonfly) is \(kind(caches.storeInfo() ?? [:])), answers in \(health.latency.wholeNanoseconds / 1000) µs")
            ]
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
        let clock = SystemClock()
        let end = clock.monotonic + timeout * 3 + .seconds(1)
        var health = caches.storeHealth()
        while let now = health, !now.isConnected, now.message == Self.notYet, clock.monotonic < end {
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
}

extension Logger {
    /// For commands that say themselves what they find.
    static var silent: Logger { Logger(label: "command") { _ in SwiftLogNoOpLogHandler() } }
}

/// swingmusic's own files: there, readable, and of the form that the sessions read.
struct SwingmusicCheck {
    private let viewer: Viewer
    private var user: HostUser { viewer.owner ?? HostUser(geteuid()) }

    static func findings(_ settings: Settings, _ viewer: Viewer) -> [Finding] {
        guard let named = settings.swingmusicDirectory else {
            return [.ok("SWINGMUSIC_CONFIG_DIR", "is not set: no sessions; the routes below /auth/ answer 503")]
        }
        let folder = FolderState(named)
        if folder.kind == .hidden, viewer.isStranger {
            return [.unseen("SWINGMUSIC_CONFIG_DIR", "\(named) is closed to user \(viewer.name)")]
        }
        if folder.kind == .hidden {
            return [
                .error("SWINGMUSIC_CONFIG_DIR", "\(named) is closed to user \(viewer.name)", remedy: "run the program as swingmusic's user")
            ]
        }
        guard folder.kind == .folder else {
            return [
                .error(
                    "SWINGMUSIC_CONFIG_DIR", "\(named) is not a folder",
                    remedy: "name the folder in which swingmusic keeps swingmusic.db and settings.json, or the one above it"
                )
            ]
        }
        let place = SwingmusicFolder.look(at: named)
        let check = SwingmusicCheck(viewer: viewer)
        return [check.openness(place), check.settingsFile(place.path), check.users(place.path)]
    }

    private func openness(_ place: SwingmusicFolder.Place) -> Finding {
        let folder = place.path
        guard user.id == geteuid() ? access(folder, W_OK) == 0 : user.may([.write, .search], folder) != false else {
            return .warning(
                "SWINGMUSIC_CONFIG_DIR",
                "user \(user.name) may not write in \(folder): old password hashes stay, and swingmusic.db cannot be read while its -shm file is missing",
                remedy: "run the program as swingmusic's user")
        }
        return .ok("SWINGMUSIC_CONFIG_DIR", "\(place); it can be written")
    }

    private func settingsFile(_ folder: String) -> Finding {
        let path = folder + "/settings.json"
        if let finding = unreadable("settings.json", path) { return finding }
        guard let serverID = try? JSONValue(reading: Files.read(path, atMost: 1 << 20) ?? [])["serverId"]?.text, !serverID.isEmpty else {
            return .error(
                "settings.json", "\(path) holds no serverId, so no token can be checked",
                remedy: "start swingmusic once (it writes the file), and see that the folder is its own")
        }
        return .ok("settings.json", "readable, with a serverId")
    }

    private func users(_ folder: String) -> Finding {
        let path = folder + "/swingmusic.db"
        if let finding = unreadable("swingmusic.db", path) { return finding }
        do {
            let count = try UserCount(in: folder).users
            return .ok("swingmusic.db", "readable, \(count) user\(count == 1 ? "" : "s")")
        } catch {
            if viewer.isStranger { return .unseen("swingmusic.db", "\(path) could not be read: \(error.reason)") }
            return .error(
                "swingmusic.db", "\(path): \(error.reason)",
                remedy: "see that it is swingmusic's database, of version 2.0 or later; restore it when it is damaged")
        }
    }

    /// nil where it can be read. A stranger goes by what its modes let the program do.
    private func unreadable(_ subject: String, _ path: String) -> Finding? {
        guard access(path, R_OK) != 0 else { return nil }
        let reason = String(cString: strerror(errno))
        if viewer.isStranger, errno == EACCES, user.may([.read], path) != false {
            return .unseen(subject, "\(path) may not be read by user \(viewer.name)")
        }
        return .error(
            subject, "\(path) cannot be read: \(reason)",
            remedy: "run the program as swingmusic's user, and start swingmusic once so that it makes its files")
    }
}
