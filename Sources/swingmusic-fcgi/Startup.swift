import ArgumentParser
import Caching
import Foundation
import Gateway
import Glibc
import Logging
import Platform
import Sessions

/// What `serve` and every command begin with: settings, log, data folder.
struct Startup {
    let settings: Settings
    let log: Logger

    /// EX_CONFIG of sysexits.h: nothing that trying again would mend.
    static let configurationError: CInt = 78

    /// For `serve` and its workers: the settings are those of the environment alone.
    init() throws { try self.init(Settings.reading(ProcessInfo.processInfo.environment)) }

    /// For the commands beside it. On a terminal it says where the settings are from, when not from the environment alone.
    init(_ sources: SettingsSources) throws {
        if let fault = sources.fault { throw Self.refused(["\(fault)"]) }
        if isatty(STDERR_FILENO) == 1, let words = sources.words { Output.complain("settings \(words)") }
        try self.init(sources.read())
    }

    private init(_ read: (settings: Settings, errors: [SettingError])) throws {
        // Before the first file is made: what is kept here is nobody else's, SQLite's journals and the shared pages included.
        umask(umask(0o077) | 0o027)
        guard read.errors.isEmpty else { throw Self.refused(read.errors.map(\.description)) }
        settings = read.settings
        let level = settings.logLevel
        let format = settings.logFormat
        LoggingSystem.bootstrap { label in StandardErrorLog(label: label, format: format, level: level) }
        log = Logger(label: "swingmusic-fcgi")
    }

    /// One line for each thing that is wrong, and the status.
    private static func refused(_ lines: [String]) -> ExitCode {
        for line in lines { Output.complain("swingmusic-fcgi: \(line)") }
        return ExitCode(configurationError)
    }

    /// Makes the data folder, for its owner alone: it holds a Spotify token. Ends the process with status 78 when a newer version
    /// of the program has written one of the databases in it.
    func prepareDataDirectory() throws {
        let path = settings.dataDirectory
        if FolderState(path).kind == .folder {
            let refusals = DatabaseFile.refusals(in: path)
            for refusal in refusals { log.critical("\(refusal)") }
            guard refusals.isEmpty else { throw ExitCode(Self.configurationError) }
            DatabaseFile.closeToOthers(in: path)
            return
        }
        do throws(SystemError) {
            try Files.makeFolder(path, mode: 0o750)
        } catch {
            throw StartupError.dataDirectory(path: path, reason: error.reason)
        }
    }

    /// To be kept for as long as the databases are used. Ends the process with status 78 where a restore was interrupted.
    func useDataDirectory() throws -> FolderLock? {
        do throws(StartupError) { return try FolderLock.use(settings.dataDirectory) } catch {
            guard case .restoredInPart = error else { throw error }
            log.critical("\(error)")
            throw ExitCode(Self.configurationError)
        }
    }
}

/// `program.lock` in the data folder: shared by all who use the databases, had alone by who exchanges them. It goes with the process.
///
/// Who exchanges them leaves a mark until that was done whole: where it was interrupted, some of the files are of the backup and some are not.
struct FolderLock {
    private let lock: FileLock

    private static let patience = Duration.seconds(30)
    private static let look: UInt32 = 50_000

    private init(_ folder: String, making: Bool = true) throws(SystemError) {
        let path = folder + "/program.lock"
        lock = try (making ? LockFile(path: path) : LockFile(existing: path)).lock(0)
    }

    /// Where the mark is.
    static func mark(of folder: String) -> String { folder + "/restore.unfinished" }

    /// For a process that uses the databases, to be kept for its life. Waits for a restore that is under way, and throws where one was
    /// interrupted. Where no lock is to be had (a folder that cannot be written) nothing can be exchanged either.
    /// - Parameter making: false for who only reads, and may be root: the file is not made where there is none.
    static func use(_ folder: String, making: Bool = true) throws(StartupError) -> FolderLock? {
        let own = try? FolderLock(folder, making: making)
        let end = SystemClock().monotonic + patience
        while let own, !own.lock.tryShared() {
            guard SystemClock().monotonic < end else { throw .restoring }
            usleep(look)
        }
        guard access(mark(of: folder), F_OK) != 0 else { throw .restoredInPart(folder) }
        return own
    }

    /// For who exchanges the databases. nil: somebody uses them.
    static func haveAlone(_ folder: String) throws(SystemError) -> FolderLock? {
        let own = try FolderLock(folder)
        return own.lock.tryLock() ? own : nil
    }
}

/// Why a command cannot begin.
enum StartupError: Error, CustomStringConvertible {
    case dataDirectory(path: String, reason: String)
    case noSocket
    case believesNobody
    case restoring
    case restoredInPart(String)

    var description: String {
        switch self {
        case .dataDirectory(let path, let reason):
            "SWINGMUSIC_FCGI_DATA_DIR: \(path) cannot be made: \(reason); make it for the program's user (sudo install -d -m 0750 -o USER \(path)), or name another"
        case .restoring: "a restore is under way in the data folder; start this again when it has ended"
        case .restoredInPart(let folder):
            "a restore of \(folder) was interrupted, and its files do not belong together: run 'swingmusic-fcgi restore' again"
        case .believesNobody:
            "SWINGMUSIC_FCGI_METADATA_AUTH: is nginx, which is believed over a Unix socket alone, but SWINGMUSIC_FCGI_LISTEN names none; name one"
        case .noSocket: "descriptor 0 is not a listening socket; start 'worker' through serve, spawn-fcgi or a systemd socket unit"
        }
    }
}

/// The data folder, for commands that work beside a running `serve`.
struct DataFolder {
    let settings: Settings
    private let lock: FolderLock?
    var path: String { settings.dataDirectory }

    /// Reads the settings, finds the folder, and acts as its owner from then on.
    /// - Throws: `ExitCode` 78 for settings that do not parse, `DataFolderError`.
    init(_ options: EnvironmentOptions) throws { try self.init(options, locking: true) }

    /// The same for who exchanges the databases, which nobody may use meanwhile.
    static func toExchange(_ options: EnvironmentOptions) throws -> (folder: DataFolder, lock: FolderLock) {
        let folder = try DataFolder(options, locking: false)
        guard let lock = try FolderLock.haveAlone(folder.path) else { throw DataFolderError.inUse(folder.path) }
        return (folder, lock)
    }

    private init(_ options: EnvironmentOptions, locking: Bool) throws {
        let sources = SettingsSources(options)
        let path = sources.dataDirectory
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw DataFolderError.missing(path, closed: sources.closed)
        }
        // Before anything that the folder's owner said is followed: it names files, and root may read any.
        if geteuid() == 0, status.st_uid != 0 { try HostUser(status.st_uid).become(group: status.st_gid) }
        guard access(path, R_OK | X_OK) == 0 || errno != EACCES else { throw DataFolderError.closed(path, HostUser(status.st_uid)) }
        let startup = try Startup(sources)
        settings = startup.settings
        // In a folder where nothing ever was there is nothing to guard, and nothing is left behind.
        let names = DatabaseFile.all.map { "\(path)/\($0.name)" } + [FolderLock.mark(of: path)]
        let isUsed = names.contains { access($0, F_OK) == 0 }
        lock = locking && isUsed ? try FolderLock.use(path) : nil
    }

    /// The four caches; with DragonflyDB, once it has answered or had its time.
    func openCaches(withStore: Bool = true) throws -> Caches {
        let store = withStore ? settings.dragonfly : nil
        let caches = try Caches(
            CachesConfiguration(
                path: path + "/cache.db", ttl: settings.ttl, dragonfly: store, memoryLifetime: .zero, threads: 1,
                durable: settings.durableCaches),
            log: .silent)
        guard let store else { return caches }
        let clock = SystemClock()
        let end = clock.monotonic + store.timeout * 2
        while let health = caches.storeHealth(), !health.isConnected, clock.monotonic < end { usleep(5000) }
        return caches
    }

    func openSessions(_ caches: Caches) throws -> Sessions {
        guard let folder = settings.swingmusicDirectory else { throw DataFolderError.noSessions }
        return Sessions(SessionsConfiguration(swingmusicFolder: folder, dataFolder: path), caches: caches, log: .silent)
    }
}

private enum DataFolderError: Error, CustomStringConvertible {
    case missing(String, closed: [String])
    case closed(String, HostUser)
    case inUse(String)
    case noSessions

    var description: String {
        switch self {
        case .missing(let path, let closed):
            "SWINGMUSIC_FCGI_DATA_DIR: there is no folder \(path); run this with the environment of 'serve', or with --env-file"
                + (closed.isEmpty ? "" : ", or as root (sudo): \(closed.joined(separator: " and ")) may not be read by user \(geteuid())")
        case .closed(let path, let owner):
            "SWINGMUSIC_FCGI_DATA_DIR: \(path) is closed to user \(geteuid()); run this as user \(owner.name), or as root (sudo)"
        case .inUse(let path): "\(path) is in use: stop 'serve', and whatever else of this program works on it"
        case .noSessions: "SWINGMUSIC_CONFIG_DIR is not set: there are no sessions here; set it to swingmusic's folder"
        }
    }
}
