import Gateway
import Glibc
import JSON
import Platform

/// One line of `check`: what was looked at, how it stands, and what to do about it.
struct Finding {
    /// `unseen`: this user may not look; it is neither praise nor blame.
    enum Grade: String { case ok, unseen, warning, error }

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

    static func unseen(_ subject: String, _ detail: String) -> Finding {
        Finding(grade: .unseen, subject: subject, detail: detail, remedy: "run it as root: sudo swingmusic-fcgi check")
    }

    var json: JSONValue {
        .object([
            "grade": .string(grade.rawValue), "subject": .string(subject), "detail": .string(detail),
            "remedy": remedy.map(JSONValue.string),
        ])
    }

    /// One line, and a second for the remedy.
    var text: String {
        let mark = grade.rawValue + String(repeating: " ", count: max(0, 8 - grade.rawValue.count))
        return "\(Terminal.coloured(mark, grade.colour)) \(subject): \(detail)" + (remedy.map { "\n         -> \($0)" } ?? "")
    }
}

extension Finding.Grade {
    fileprivate var colour: Terminal.Colour {
        switch self {
        case .ok: .green
        case .unseen: .grey
        case .warning: .yellow
        case .error: .red
        }
    }
}

/// The settings: where they are from, and what is wrong with them.
enum SettingsCheck {
    static func findings(_ settings: Settings, _ errors: [SettingError], _ sources: SettingsSources, _ viewer: Viewer) -> [Finding] {
        var findings = sources.closed.map { Finding.unseen("settings", "\($0) may not be read by user \(viewer.name)") }
        if let fault = sources.fault { findings.append(.error("settings", "\(fault)", remedy: "correct that line, or name another file")) }
        findings += errors.map { error in
            error.isForbidden && viewer.isStranger
                ? .unseen(error.name, error.problem)
                : .error(error.name, error.problem, remedy: remedy(error))
        }
        if !findings.contains(where: { $0.grade == .error }) {
            let origin = sources.words ?? "all from the environment"
            findings.append(.ok("settings", "they parse; \(settings.workers) workers with \(settings.threads) threads each; \(origin)"))
        }
        return findings + unknown(sources.environment).map(misspelt) + risks(settings, isPartHidden: !sources.closed.isEmpty)
    }

    private static func remedy(_ error: SettingError) -> String {
        if error.name.hasSuffix("_FILE"), error.isForbidden {
            return "let the user of 'serve' read the file: chown it, or hand it over with LoadCredential= (docs/settings.md)"
        }
        return "correct \(error.name), see docs/settings.md; 'serve' does not start like this"
    }

    private static func risks(_ settings: Settings, isPartHidden: Bool) -> [Finding] {
        var findings: [Finding] = []
        if settings.minInterval < .seconds(2) {
            findings.append(
                .warning("SPOTIFY_MIN_INTERVAL", "is shorter than 2s: Spotify may answer with a ban of hours", remedy: "leave it at 2s"))
        }
        if settings.callsPerHour > 1000 {
            findings.append(
                .warning("SPOTIFY_CALLS_PER_HOUR", "is more than 1000: Spotify may answer with a ban of hours", remedy: "leave it at 1000"))
        }
        if settings.metadataAuth == .session, settings.swingmusicDirectory == nil, !isPartHidden {
            findings.append(
                .error(
                    "SWINGMUSIC_FCGI_METADATA_AUTH", "is session, but there are no sessions without SWINGMUSIC_CONFIG_DIR",
                    remedy: "set SWINGMUSIC_CONFIG_DIR, or SWINGMUSIC_FCGI_METADATA_AUTH=off"))
        }
        return findings
    }

    private static func misspelt(_ name: String) -> Finding {
        .warning(name, "is no setting of this program", remedy: "a spelling mistake? docs/settings.md names all settings")
    }

    /// Variables that look like ours and are not.
    static func unknown(_ environment: [String: String]) -> [String] {
        environment.keys
            .filter { name in
                ["SWINGMUSIC_FCGI_", "DRAGONFLYDB_", "SPOTIFY_"].contains(where: name.hasPrefix) && SettingName(variable: name) == nil
            }
            .sorted()
    }
}

/// Who looks, and whose program it is that is looked at.
struct Viewer {
    /// Who looks, by the name or the number.
    let name: String
    /// Whose program it is: the running one's user, else that of the systemd unit, else the data folder's owner; nil where nothing tells.
    let owner: HostUser?
    /// Neither root nor that user: what it may not see may be well for the program.
    let isStranger: Bool

    init(_ sources: SettingsSources, systemUnits: [String] = Viewer.unitFolders) {
        let me = HostUser(geteuid())
        name = me.name
        owner =
            sources.running?.user.map { HostUser($0) } ?? Self.userOfUnit(in: systemUnits).flatMap { HostUser(named: $0) }
            ?? FolderState(sources.dataDirectory).owner.map { HostUser($0) }
        isStranger = me.id != 0 && owner.map { $0.id != me.id } ?? false
    }

    /// Where systemd looks for units, what is looked at first at the front (systemd.unit(5)).
    static let unitFolders = ["/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"]
    static let unit = "swingmusic-fcgi.service"

    /// `User=` of the program's unit, a drop-in's before the unit's own; nil where there is no unit.
    private static func userOfUnit(in folders: [String]) -> String? {
        func user(_ path: String) -> String? {
            let text = String(decoding: Files.read(path, atMost: 1 << 16) ?? [], as: UTF8.self)
            return text.split(whereSeparator: \.isNewline).last { $0.hasPrefix("User=") }.map { String($0.dropFirst(5)) }
        }
        let dropIns = folders.flatMap { folder in
            Files.names(in: "\(folder)/\(unit).d").filter { $0.hasSuffix(".conf") }.sorted().map { "\(folder)/\(unit).d/\($0)" }
        }
        return dropIns.compactMap(user).last ?? folders.lazy.compactMap { user("\($0)/\(unit)") }.first
    }

    /// Whether systemd is to start the program here.
    static func hasUnit(_ name: String = unit, in folders: [String] = unitFolders) -> Bool {
        folders.contains { access("\($0)/\(name)", F_OK) == 0 }
    }
}

/// What the file system says of a folder, for the user who asks.
struct FolderState {
    enum Kind { case missing, hidden, notAFolder, folder }

    let path: String
    let kind: Kind
    let mode: mode_t
    /// nil where there is none.
    let owner: uid_t?
    /// It may be read, written and searched.
    let isUsable: Bool
    /// For users other than root; nil when it cannot be told.
    let freeBytes: UInt64?

    init(_ path: String) {
        self.path = path
        var status = stat()
        let isThere = stat(path, &status) == 0
        // ENOTDIR: something on the way to it is a file.
        kind =
            isThere
            ? (status.st_mode & S_IFMT == S_IFDIR ? .folder : .notAFolder)
            : errno == ENOTDIR ? .notAFolder : errno == EACCES ? .hidden : .missing
        mode = isThere ? status.st_mode & 0o7777 : 0
        owner = isThere ? status.st_uid : nil
        isUsable = isThere && access(path, R_OK | W_OK | X_OK) == 0
        freeBytes = Files.freeBytes(at: path)
    }

    var modeText: String { String(mode, radix: 8) }

    /// The folder that a path is in.
    static func parent(of path: String) -> String {
        let cut = path.lastIndex(of: "/") ?? path.startIndex
        return cut == path.startIndex ? "/" : String(path[..<cut])
    }
}
