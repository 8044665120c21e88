import GRDB
import Glibc
import Logging
import Platform

/// What keeps sessions from being begun and checked, file by file and in words; nil: nothing is known against it.
public struct SessionsHealth: Sendable, Equatable {
    /// `sessions.db`, our own.
    public var database: String?
    /// swingmusic's `swingmusic.db`.
    public var users: String?
    /// swingmusic's `settings.json`.
    public var settings: String?

    public init(database: String? = nil, users: String? = nil, settings: String? = nil) {
        self.database = database
        self.users = users
        self.settings = settings
    }

    /// As somebody finds the files who stands outside: looks once, and makes and changes nothing. Blocks on files.
    /// - Parameters:
    ///   - dataFolder: our own.
    ///   - swingmusicFolder: as `SessionsConfiguration` has it.
    public init(dataFolder: String, swingmusicFolder: String) {
        let log = Logger(label: "health") { _ in SwiftLogNoOpLogHandler() }
        let folder = SwingmusicFolder(swingmusicFolder, log: log)
        let directory = UserDatabase(folder: folder, clock: SystemClock(), log: log)
        defer { directory.close() }
        self.init(dataFolder: dataFolder, directory, SettingsFile(folder: folder, clock: SystemClock(), log: log), folder)
    }

    fileprivate init(dataFolder: String, _ directory: UserDatabase, _ settingsFile: SettingsFile, _ folder: SwingmusicFolder) {
        database = Self.fault(ofDatabaseIn: dataFolder)
        do {
            _ = try directory.accounts(.brief)
        } catch {
            users = "\(directory.path): \(UserDatabase.words(error))"
        }
        if settingsFile.current() == nil { settings = "\(folder.files().settings) holds no readable serverId, and never did" }
    }

    /// A file that is not there is no fault: it is made when it is wanted.
    private static func fault(ofDatabaseIn folder: String) -> String? {
        let file = SessionDatabaseFile(folder: folder)
        guard access(file.path, F_OK) == 0 else { return nil }
        guard access(file.path, R_OK | W_OK) == 0 else { return "\(file.path): \(String(cString: strerror(errno)))" }
        do {
            let look = SQLiteFile(path: file.path, label: "sessions.db", journal: .untouched, access: .readOnly, lockWait: .brief)
            let queue = try look.open()
            defer { try? queue.close() }
            try queue.inDatabase { db in
                // Empty while another process is just making it.
                guard try SessionSchema.steps.check(db) > 0 else { return }
                _ = try Int.fetchOne(db, sql: "SELECT count(*) FROM fact")
            }
            return nil
        } catch {
            return "\(file.path) \(SessionDatabaseError(error).words)"
        }
    }
}

/// How many sessions are open, and of how many users.
public struct SessionCount: Sendable, Equatable {
    public var sessions: Int
    public var users: Int
}

extension Sessions {
    /// nil where `sessions.db` cannot be read.
    public func count(_ context: borrowing BlockingContext) -> SessionCount? {
        let now = clock.wall.milliseconds
        let open = try? database.read(context) { try $0.openSessions(of: nil, now: now) }
        guard let open else { return nil }
        return SessionCount(sessions: open.count, users: Set(open.map(\.userID)).count)
    }

    /// As this process finds the files, with the settings that it remembers. Blocks on files; not for an event thread.
    public func health() -> SessionsHealth {
        SessionsHealth(dataFolder: configuration.dataFolder, directory, settings, folder)
    }

    /// Whether tokens can be checked: nobody else can tell which settings this process remembers. Costs a look at the file's stamp.
    public var hasSettings: Bool { settings.current() != nil }
}
