import Foundation
import Gateway
import Glibc
import JSON
import Platform

/// One line of `check`: what was looked at, how it stands, and what to do about it.
struct Finding {
    enum Grade: String { case ok, warning, error }

    var grade: Grade
    /// A setting, a file, or a few words: what the line is about.
    var subject: String
    var detail: String
    /// nil where nothing is to be done.
    var remedy: String?

    static func ok(_ subject: String, _ detail: String) -> Finding { Finding(grade: .ok, subject: subject, detail: detail) }

    static func warning(_ subject: String, _ detail: String, remedy: String) -> Finding {
        Finding(grade: .warning, subject: subject, detail: detail, remedy: remedy)
    }

    static func error(_ subject: String, _ detail: String, remedy: String) -> Finding {
        Finding(grade: .error, subject: subject, detail: detail, remedy: remedy)
    }

    var json: JSONValue {
        .object([
            "grade": .string(grade.rawValue), "subject": .string(subject), "detail": .string(detail),
            "remedy": remedy.map(JSONValue.string),
        ])
    }

    /// One line, and a second for the remedy.
    var text: String {
        let mark = grade.rawValue.padding(toLength: 8, withPad: " ", startingAt: 0)
        return "\(mark) \(subject): \(detail)" + (remedy.map { "\n         -> \($0)" } ?? "")
    }
}

/// The settings, which parse by now.
enum SettingsCheck {
    static func findings(_ settings: Settings, _ environment: [String: String]) -> [Finding] {
        var findings = [Finding.ok("settings", "they parse; \(settings.workers) workers with \(settings.threads) threads each")]
        findings += unknown(environment).map { name in
            .warning(name, "is no setting of this program", remedy: "a spelling mistake? docs/settings.md names all settings")
        }
        if settings.minInterval < .seconds(2) {
            findings.append(
                .warning("SPOTIFY_MIN_INTERVAL", "is shorter than 2s: Spotify may answer with a ban of hours", remedy: "leave it at 2s"))
        }
        if settings.callsPerHour > 1000 {
            findings.append(
                .warning("SPOTIFY_CALLS_PER_HOUR", "is more than 1000: Spotify may answer with a ban of hours", remedy: "leave it at 1000"))
        }
        if settings.metadataAuth == .session, settings.swingmusicDirectory == nil {
            findings.append(
                .error(
                    "SWINGMUSIC_FCGI_METADATA_AUTH", "is session, but there are no sessions without SWINGMUSIC_CONFIG_DIR",
                    remedy: "set SWINGMUSIC_CONFIG_DIR, or SWINGMUSIC_FCGI_METADATA_AUTH=off"))
        }
        return findings
    }

    /// Variables that look like ours and are not.
    static func unknown(_ environment: [String: String]) -> [String] {
        let known = Set(SettingName.allCases.flatMap { [$0.rawValue, $0.rawValue + "_FILE"] })
        return environment.keys
            .filter { name in ["SWINGMUSIC_FCGI_", "DRAGONFLYDB_", "SPOTIFY_"].contains(where: name.hasPrefix) && !known.contains(name) }
            .sorted()
    }
}

/// What the file system says of a folder, for the user who asks.
struct FolderState {
    enum Kind { case missing, notAFolder, folder }

    let path: String
    let kind: Kind
    let mode: mode_t
    /// It may be read, written and searched.
    let isUsable: Bool
    /// For users other than root; nil when it cannot be told.
    let freeBytes: UInt64?

    init(_ path: String) {
        self.path = path
        var status = stat()
        let isThere = stat(path, &status) == 0
        // ENOTDIR: something on the way to it is a file.
        kind = isThere ? (status.st_mode & S_IFMT == S_IFDIR ? .folder : .notAFolder) : (errno == ENOTDIR ? .notAFolder : .missing)
        mode = isThere ? status.st_mode & 0o7777 : 0
        isUsable = isThere && access(path, R_OK | W_OK | X_OK) == 0
        freeBytes = Files.freeBytes(at: path)
    }
}
