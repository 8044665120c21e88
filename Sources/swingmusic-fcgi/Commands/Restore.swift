import ArgumentParser
import Caching
import GRDB
import Gateway
import Glibc
import JSON
import Platform
import RateLimiting
import Sessions

/// `swingmusic-fcgi restore`: brings a backup back, while nobody uses the databases.
struct Restore: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put the databases of a backup in the place of those in the data folder, while the program is stopped.",
        discussion: """
            What is there is set aside in before-restore-<time> in the data folder, journals included, and not thrown away. A backup that a newer \
            version of the program made is refused, and so is one that is not sound.

            limiter.db stays as it is when it is sound: it knows the calls of the last hour and any cooldown. When it is not, the backup's is taken, \
            a cooldown that it knows still holds, and the last hour's calls are taken to have been made: nothing is looked up for an hour.

            Sessions: the backup does not know which sessions have been ended since. So every token that was issued before the restore is \
            refused and all users sign in again. With --keep-sessions they stay signed in, and so does whoever was sent away since the backup was made.

            EXAMPLES
              sudo swingmusic-fcgi restore /srv/backup/2026-11-26T012400Z
            """)

    @Argument(help: "The folder with the copies, as 'backup' made it; of dated ones, one of them.")
    var folder: String

    @Flag(help: "Leave users signed in, those included whose sessions were ended after the backup.")
    var keepSessions = false

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var environment: EnvironmentOptions

    func run() throws {
        let (data, lock) = try DataFolder.toExchange(environment)
        defer { withExtendedLifetime(lock) {} }
        let exchange = try DatabaseExchange(from: folder, into: data.path)
        let restored = try exchange.carryOut()
        if restored.contains(DatabaseFile.limiter.name) { try spendTheHour(data) }
        let hasRefused = try !keepSessions && restored.contains(DatabaseFile.sessions.name) && refuseTokens(data)
        if json {
            return Output.json([
                "restored": .array(restored.map { .string($0) }), "setAside": .string(exchange.aside), "tokensRefused": .bool(hasRefused),
            ])
        }
        for name in restored { print("\(name): restored") }
        if !restored.contains(DatabaseFile.limiter.name) { print("limiter.db: left as it is") }
        print("what was there is in \(exchange.aside)")
        if hasRefused { print("every token issued before now is refused: all users sign in again") }
    }

    private func spendTheHour(_ data: DataFolder) throws {
        let settings = data.settings
        let rateLimit = RateLimit(interval: settings.minInterval, callsPerWindow: settings.callsPerHour)
        try RateLimiter(
            path: data.path + "/" + DatabaseFile.limiter.name, rateLimit: rateLimit, queueLimit: settings.queueLimit,
            leaseLifetime: settings.spotify.timeout + .seconds(5), log: .silent
        ).spendWindow()
    }

    /// False where there are no sessions.
    private func refuseTokens(_ data: DataFolder) throws -> Bool {
        guard data.settings.swingmusicDirectory != nil else { return false }
        let caches = try data.openCaches(withStore: false)
        defer { caches.close() }
        let sessions = try data.openSessions(caches)
        defer { sessions.close() }
        _ = try sessions.endEverything()
        return true
    }
}

/// The exchange of the databases in one folder for copies of those in another. Nothing is touched before all copies are whole and on the disk.
private struct DatabaseExchange {
    /// Where what was there goes.
    let aside: String
    private let source: String
    private let target: String
    private let files: [DatabaseFile]

    /// - Throws: where the backup is not good.
    init(from source: String, into target: String, now: WallTime = SystemClock().wall) throws {
        guard FileIdentity(path: source) != FileIdentity(path: target) else { throw RestoreError.sameFolder }
        let found = DatabaseFile.all.filter { access("\(source)/\($0.name)", F_OK) == 0 }
        guard !found.isEmpty else { throw RestoreError.nothingThere(source, newest: DatedBackups(folder: source).names.last) }
        for file in found {
            let journal = file.names.dropFirst().first { (FileStamp(path: "\(source)/\($0)")?.size ?? 0) > 0 }
            // A copy that 'backup' made has none; with one it is somebody's copy of files in use, and nobody knows of which moment.
            if let journal { throw RestoreError.unsound(file.name, "\(journal) lies beside it: it was not made by 'backup'") }
            do { _ = try file.examine("\(source)/\(file.name)") } catch {
                throw RestoreError.unsound(file.name, "it \(DatabaseFault(error).words)")
            }
        }
        files = found.filter { $0.name != DatabaseFile.limiter.name || (try? $0.examine("\(target)/\($0.name)")) == nil }
        self.source = source
        self.target = target
        aside = "\(target)/before-restore-\(DatedBackups.name(now))"
    }

    /// Answers the names of the files that were restored.
    func carryOut() throws -> [String] {
        for file in files { _ = try file.copy(from: source, to: target, as: file.draft) }
        do throws(SystemError) { try Files.makeFolder(aside, mode: 0o700) } catch {
            throw RestoreError.stopped(aside, "it cannot be made: \(error.reason)", aside: target)
        }
        for file in files {
            // The journals first: beside another database they would be rolled into it.
            for name in file.names.reversed() { try move("\(target)/\(name)", to: "\(aside)/\(name)") }
            if file.name == DatabaseFile.cache.name { try renumber() }
            try move("\(target)/\(file.draft)", to: "\(target)/\(file.name)")
        }
        // It begins at random: no copy in DragonflyDB is believed unseen.
        unlink("\(target)/cache.db.shared")
        try Files.synchronize(target)
        return files.map(\.name)
    }

    /// Another file than the one that the copies in DragonflyDB are of, and than that on the host where the backup was made.
    private func renumber() throws {
        let draft = SQLiteFile(
            path: "\(target)/\(DatabaseFile.cache.draft)", label: "restore", journal: .untouched, lockWait: .atMost(.seconds(1)))
        let queue = try draft.open()
        try queue.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL; UPDATE state SET epoch = random()")
        }
        try queue.close()
    }

    private func move(_ path: String, to other: String) throws {
        guard rename(path, other) == 0 || errno == ENOENT else {
            throw RestoreError.stopped(path, SystemError("rename").reason, aside: aside)
        }
    }
}

private enum RestoreError: Error, CustomStringConvertible {
    case nothingThere(String, newest: String?)
    case sameFolder
    case unsound(String, String)
    case stopped(String, String, aside: String)

    var description: String {
        switch self {
        case .nothingThere(let folder, let newest?): "\(folder) holds dated backups; name one of them, the newest is \(folder)/\(newest)"
        case .nothingThere(let folder, nil): "there are no databases in \(folder)"
        case .sameFolder: "that is the data folder itself; name the folder of a backup"
        case .unsound(let file, let reason): "\(file) of the backup is not taken: \(reason)"
        case .stopped(let path, let reason, let aside):
            "\(path) cannot be moved: \(reason). What was there is in \(aside); run the command again when that is mended"
        }
    }
}

extension DatabaseFile {
    fileprivate var draft: String { "\(name).restored" }
}
