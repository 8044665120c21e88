import ArgumentParser
import Gateway
import Glibc
import GRDB
import JSON
import Platform

/// `swingmusic-fcgi backup`: copies of the databases, taken while the program serves.
struct Backup: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copy the three databases into a folder, consistently, while the program serves.",
        discussion: """
            Each copy is the database at one moment, compacted and checked before it takes the place of an older copy of the same \
            name, so a backup that fails leaves the last good one. The folder is made when it is missing, for its owner alone: \
            limiter.db holds a Spotify token.

            With --keep N the copies go into a folder of their own in it, named after the time (2026-11-26T012400Z), and of such folders \
            the newest N stay.

            'restore' brings a backup back.

            EXAMPLES
              sudo swingmusic-fcgi backup /srv/backup
              sudo swingmusic-fcgi backup --keep 14 /srv/backup
            """)

    @Argument(help: "The folder for the copies; not the data folder.")
    var folder: String

    @Option(help: "Make a dated folder, and keep this many of them.")
    var keep: Int?

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        if let keep, keep < 1 { throw ValidationError("--keep needs at least 1: the backup that is made") }
    }

    @OptionGroup var environment: EnvironmentOptions

    func run() throws {
        let settings = try Startup(SettingsSources(environment)).settings
        // Else a restore might exchange the one file before it is copied and the other one after.
        let lock = try FolderLock.use(settings.dataDirectory, making: false)
        defer { withExtendedLifetime(lock) {} }
        guard let keep else { return try copy(settings, to: folder) }
        let dated = DatedBackups(folder: folder)
        let made = try dated.make { draft in try copy(settings, to: draft) }
        try dated.prune(keeping: keep, with: made)
    }

    private func copy(_ settings: Settings, to folder: String) throws {
        let source = settings.dataDirectory
        let sources = DatabaseFile.all.filter { access("\(source)/\($0.name)", F_OK) == 0 }
        guard !sources.isEmpty else { throw BackupError.nothingThere(source) }
        do throws(SystemError) { try Files.makeFolder(folder, mode: 0o700) } catch { throw BackupError.folder(folder, error.reason) }
        guard FileIdentity(path: folder) != FileIdentity(path: source) else { throw BackupError.sameFolder }
        let copied = try sources.map { file in
            (file: file.name, bytes: try file.copy(from: source, to: folder))
        }
        if json {
            return Output.json(["copied": .array(copied.map { ["file": .string($0.file), "bytes": .integer($0.bytes)] })])
        }
        for copy in copied { print("\(copy.file): \(copy.bytes) bytes, checked") }
    }
}

private enum BackupError: Error, CustomStringConvertible {
    case nothingThere(String)
    case sameFolder
    case folder(String, String)
    case stays(String, String)
    case failed(file: String, reason: String)

    var description: String {
        switch self {
        case .nothingThere(let path):
            "there are no databases in \(path) (SWINGMUSIC_FCGI_DATA_DIR); run this with the environment of 'serve'"
        case .sameFolder: "that is the data folder itself; name another"
        case .folder(let path, let reason): "the folder \(path) cannot be made: \(reason); name one that this user may write in"
        case .stays(let path, let reason): "the backup was made; the old one \(path) cannot be removed: \(reason)"
        case .failed(let file, let reason): "\(file) was not copied: \(reason)"
        }
    }
}

/// Folders of backups that are named after the time at which they were begun (UTC).
struct DatedBackups {
    let folder: String

    /// Its own name comes last: a folder of that form is a whole backup. Answers the name.
    func make(at now: WallTime = SystemClock().wall, _ fill: (String) throws -> Void) throws -> String {
        removeInterrupted(now)
        let name = Self.name(now)
        let draft = "\(folder)/\(name).new"
        try? Files.removeFolder(draft)
        do {
            try fill(draft)
        } catch {
            try? Files.removeFolder(draft)
            throw error
        }
        guard rename(draft, "\(folder)/\(name)") == 0 else {
            throw BackupError.failed(file: name, reason: SystemError("rename").reason)
        }
        do throws(SystemError) { try Files.synchronize(folder) } catch { throw BackupError.failed(file: name, reason: error.reason) }
        return name
    }

    /// What a backup that was interrupted has left. One that is under way is younger than a day.
    private func removeInterrupted(_ now: WallTime) {
        for entry in Files.names(in: folder) where entry.wholeMatch(of: /\d{4}-\d\d-\d\dT\d{6}Z\.new/) != nil {
            guard let stamp = FileStamp(path: "\(folder)/\(entry)") else { continue }
            if abs(now.milliseconds - stamp.modifiedAt / 1_000_000) > 86_400_000 { try? Files.removeFolder("\(folder)/\(entry)") }
        }
    }

    /// The names, oldest first.
    var names: [String] {
        Files.names(in: folder).filter { $0.wholeMatch(of: /\d{4}-\d\d-\d\dT\d{6}Z/) != nil }.sorted()
    }

    /// - Parameter made: is kept, whatever its place: where the clock ran ahead once, older ones look newer.
    func prune(keeping count: Int, with made: String) throws {
        for name in names.filter({ $0 != made }).dropLast(count - 1) {
            do throws(SystemError) { try Files.removeFolder("\(folder)/\(name)") } catch {
                throw BackupError.stays("\(folder)/\(name)", error.reason)
            }
        }
    }

    /// `2026-11-26T012400Z`: sorted by name is sorted by time, and no colon is in the way anywhere.
    static func name(_ time: WallTime) -> String {
        var seconds = time_t(time.milliseconds / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ number: CInt) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let date = "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
        return "\(date)T\(two(parts.tm_hour))\(two(parts.tm_min))\(two(parts.tm_sec))Z"
    }
}

extension DatabaseFile {
    /// Copies the database as it is at one moment (sqlite.org/lang_vacuum.html, VACUUM INTO), checks the copy, and only then gives it
    /// its name. Answers its size in bytes.
    /// - Parameter copy: the copy's name; nil: the file's own.
    func copy(from source: String, to folder: String, as copy: String? = nil) throws -> Int64 {
        let target = "\(folder)/\(copy ?? name)"
        let draft = "\(target).new"
        unlink(draft)
        defer { unlink(draft) }
        do {
            try begin(draft)
            try reading("\(source)/\(name)", waiting: .seconds(10)) { db in
                try db.execute(sql: "VACUUM INTO ?", arguments: [draft])
            }
            _ = try examine(draft)
            try settle(draft, as: target, in: folder)
        } catch let fault as DatabaseFault {
            throw BackupError.failed(file: name, reason: "it \(fault.words)")
        } catch let error as DatabaseError {
            throw BackupError.failed(file: name, reason: error.message ?? "\(error.resultCode)")
        }
        return FileStamp(path: target)?.size ?? 0
    }

    /// An empty file may be vacuumed into, and is nobody else's from its first byte.
    private func begin(_ draft: String) throws {
        try naming(draft) { () throws(SystemError) in
            guard try Files.createPrivate(draft) else { throw SystemError("open", code: EEXIST) }
        }
    }

    /// On the disk before it takes the older copy's place, and the folder after.
    private func settle(_ draft: String, as target: String, in folder: String) throws {
        try naming(draft) { () throws(SystemError) in try Files.synchronize(draft) }
        try naming(target) { () throws(SystemError) in guard rename(draft, target) == 0 else { throw SystemError("rename") } }
        try naming(folder) { () throws(SystemError) in try Files.synchronize(folder) }
    }

    /// Says in the error which file it was.
    private func naming(_ path: String, _ work: () throws(SystemError) -> Void) throws(BackupError) {
        do { try work() } catch { throw .failed(file: name, reason: "\(path): \(error.reason)") }
    }
}
