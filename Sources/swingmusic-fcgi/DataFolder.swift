import Caching
import Foundation
import Gateway
import Glibc
import Sessions

/// The data folder, for commands that work beside a running `serve`.
struct DataFolder {
    let settings: Settings
    var path: String { settings.dataDirectory }

    /// Reads the settings, finds the folder, and acts as its owner from then on.
    /// - Throws: `ExitCode` 78 for settings that do not parse, `DataFolderError`.
    init() throws {
        settings = try Startup().settings
        var status = stat()
        guard stat(settings.dataDirectory, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw DataFolderError.missing(settings.dataDirectory)
        }
        if geteuid() == 0, status.st_uid != 0 { try Self.become(status.st_uid, status.st_gid) }
    }

    /// Root would leave files behind that the program's own user could not write.
    private static func become(_ user: uid_t, _ group: gid_t) throws {
        let isInGroups = getpwuid(user).map { initgroups($0.pointee.pw_name, group) == 0 } ?? (setgroups(0, nil) == 0)
        guard isInGroups, setgid(group) == 0, setuid(user) == 0 else {
            throw DataFolderError.notAllowed(user, String(cString: strerror(errno)))
        }
    }

    /// The four caches; with DragonflyDB, once it has answered or had its time.
    func openCaches(withStore: Bool = true) throws -> Caches {
        let store = withStore ? settings.dragonfly : nil
        let caches = try Caches(
            CachesConfiguration(path: path + "/cache.db", ttl: settings.ttl, dragonfly: store, memoryLifetime: .zero, threads: 1),
            log: .silent)
        guard let store else { return caches }
        let end = ContinuousClock.now + store.timeout * 2
        while let health = caches.storeHealth(), !health.isConnected, ContinuousClock.now < end { usleep(5000) }
        return caches
    }

    func openSessions(_ caches: Caches) throws -> Sessions {
        guard let folder = settings.swingmusicDirectory else { throw DataFolderError.noSessions }
        return Sessions(SessionsConfiguration(swingmusicFolder: folder, dataFolder: path), caches: caches, log: .silent)
    }
}

enum DataFolderError: Error, CustomStringConvertible {
    case missing(String)
    case notAllowed(uid_t, String)
    case noSessions

    var description: String {
        switch self {
        case .missing(let path): "SWINGMUSIC_FCGI_DATA_DIR: there is no folder \(path); run this with the environment of 'serve'"
        case .notAllowed(let user, let reason): "the data folder is user \(user)'s, and this process cannot become that user: \(reason)"
        case .noSessions: "SWINGMUSIC_CONFIG_DIR is not set: there are no sessions here"
        }
    }
}
