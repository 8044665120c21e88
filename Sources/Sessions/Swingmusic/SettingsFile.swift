import Glibc
import JSON
import Logging
import Platform

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
