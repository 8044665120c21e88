import Glibc
import JSON
import Logging
import Platform

/// Where swingmusic keeps its files, told from the folder that `SWINGMUSIC_CONFIG_DIR` names.
///
/// swingmusic itself takes the folder above its own under that name (`--config`), and makes `swingmusic` in it, or `.swingmusic` where it is
/// the home folder. Either may be named here, and none of it need be there yet: swingmusic makes its files at its first start.
public final class SwingmusicFolder: Sendable {
    /// Where its files are, as of one look.
    public enum Place: Sendable, Equatable {
        /// In the folder that is named.
        case own(String)
        /// In a folder in it.
        case inside(String)
        /// In neither.
        case nowhere(String)

        /// The folder to read from: the one that is named, as long as there is none.
        public var path: String {
            switch self {
            case .own(let path), .inside(let path), .nowhere(let path): path
            }
        }
    }

    /// The paths of what is read in it: one object for as long as they are the same, since every check of a session takes it.
    final class Files: Sendable {
        let folder, settings, database: String

        init(folder: String) {
            self.folder = folder
            settings = folder + "/settings.json"
            database = folder + "/swingmusic.db"
        }
    }

    private struct Known {
        var files: Files
        /// There was a `swingmusic.db`: looked for no more.
        var isSettled: Bool
    }

    private let named: String
    private let log: Logger
    private let known: Locked<Known>  // guards what was found last

    /// - Parameter named: as in the setting.
    init(_ named: String, log: Logger) {
        self.named = named
        self.log = log
        let place = Self.look(at: named)
        known = Locked(Known(files: Files(folder: place.path), isSettled: Self.has("swingmusic.db", place.path)))
    }

    /// The files to read now. Once the database was there it is never looked for elsewhere, so this costs nothing then.
    func files() -> Files {
        let (files, isNew) = known.withLock { known -> (Files, Bool) in
            guard !known.isSettled else { return (known.files, false) }
            let place = Self.look(at: named)
            if place.path != known.files.folder { known.files = Files(folder: place.path) }
            known.isSettled = Self.has("swingmusic.db", place.path)
            return (known.files, known.isSettled)
        }
        if isNew { log.notice("SWINGMUSIC_CONFIG_DIR: swingmusic's files have appeared in \(files.folder)") }
        return files
    }

    /// Looks once. A folder with `swingmusic.db` goes before one with `settings.json` alone, the named one before those in it.
    public static func look(at named: String) -> Place {
        var own = named
        while own.count > 1, own.hasSuffix("/") { own.removeLast() }
        let inside = ["swingmusic", ".swingmusic"].map { (own == "/" ? "" : own) + "/" + $0 }
        for file in ["swingmusic.db", "settings.json"] {
            if has(file, own) { return .own(own) }
            if let found = inside.first(where: { has(file, $0) }) { return .inside(found) }
        }
        return .nowhere(own)
    }

    private static func has(_ file: String, _ folder: String) -> Bool { access(folder + "/" + file, F_OK) == 0 }
}

extension SwingmusicFolder.Place: CustomStringConvertible {
    public var description: String {
        switch self {
        case .own(let path): "\(path) is swingmusic's own folder"
        case .inside(let path): "swingmusic's own folder is \(path)"
        case .nowhere(let path): "swingmusic has no files in \(path) yet, nor in a folder swingmusic or .swingmusic in it"
        }
    }
}

/// swingmusic's `settings.json`, read again when its time, size or inode change.
final class SettingsFile: Sendable {
    private struct Known {
        var settings: SwingmusicSettings?
        /// Of the file that was read; nil while what was read may already be outdated.
        var stamp: FileStamp?
    }

    private let folder: SwingmusicFolder
    private let clock: any HostClock
    private let log: Logger
    private let trouble: LogOnce
    private let known = Locked(Known())  // guards the settings last read and under which stamp

    init(folder: SwingmusicFolder, clock: any HostClock, log: Logger) {
        self.folder = folder
        self.clock = clock
        self.log = log
        trouble = LogOnce(log, repeatedEvery: .seconds(60))
    }

    /// The settings in force. While the file is missing or half written the last good ones; nil if there never were any.
    func current() -> SwingmusicSettings? {
        let now = clock.wall
        let path = folder.files().settings
        guard let stamp = FileStamp(path: path) else {
            trouble.raise("the file is missing", now: now, "settings.json: the file is missing")
            return known.withLock { $0.settings }
        }
        let (settings, isCurrent) = known.withLock { ($0.settings, $0.stamp == stamp) }
        if isCurrent { return settings }
        return reread(path, stamp, now) ?? settings
    }

    private func reread(_ path: String, _ stamp: FileStamp, _ now: WallTime) -> SwingmusicSettings? {
        guard let text = Files.read(path, atMost: 1 << 20), let settings = SwingmusicSettings(text: text) else {
            trouble.raise("holds no readable serverId", now: now, "settings.json: holds no readable serverId")
            return nil
        }
        trouble.settle("settings.json: all right again")
        let isOtherKey = known.withLock { known -> Bool in
            let before = known.settings?.key.mark
            known = Known(settings: settings, stamp: stamp.isSettled(now: now) ? stamp : nil)
            return before != nil && before != settings.key.mark
        }
        if isOtherKey { log.notice("settings.json: another serverId, tokens made before are no longer good") }
        return settings
    }
}

/// What swingmusic's `settings.json` says about sessions.
struct SwingmusicSettings: Sendable {
    /// Salt of the password hashes, and in its characters the key of the tokens.
    let serverID: String
    /// Salt of hashes made before `serverID`; nil where there is none.
    let legacyServerID: String?
    let listsUsersOnLogin: Bool
    let key: SigningKey

    /// nil where the text holds no usable `serverId`.
    init?(text: [UInt8]) {
        guard let value = try? JSONValue(reading: text, .python), let serverID = value["serverId"]?.text,
            let key = SigningKey(serverID: serverID)
        else { return nil }
        self.serverID = serverID
        self.key = key
        let legacy = value["legacy_serverId"]?.text ?? ""
        legacyServerID = legacy.isEmpty ? nil : legacy
        listsUsersOnLogin = value["usersOnLogin"]?.isTruthy ?? true
    }
}
