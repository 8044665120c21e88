import ArgumentParser
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

            Nothing is touched before all copies are whole, checked and on the disk. Where it is interrupted after that, nothing uses the data \
            folder until it was run again.

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
        let refusesTokens = !keepSessions && exchange.files.contains { $0.name == DatabaseFile.sessions.name }
        try exchange.prepare { drafts in
            if exchange.files.contains(where: { $0.name == DatabaseFile.limiter.name }) { try spendTheHour(data.settings, in: drafts) }
            guard refusesTokens else { return }
            try WorkerThread.wait(forWorkNamed: "command") { context in
                try Sessions.endEverything(in: drafts, log: .silent, context)
            }
        }
        let aside = try exchange.carryOut()
        report(exchange, aside: aside, refusesTokens: refusesTokens)
    }

    private func spendTheHour(_ settings: Settings, in folder: String) throws {
        try FileRateLimiter(
            path: folder + "/" + DatabaseFile.limiter.name, rateLimit: settings.rateLimit, queueLimit: settings.queueLimit,
            leaseLifetime: settings.spotify.timeout + .seconds(5), log: .silent
        ).spendWindow()
    }

    private func report(_ exchange: DatabaseExchange, aside: String, refusesTokens: Bool) {
        if json {
            return Output.json([
                "restored": .array(exchange.files.map { .string($0.name) }), "setAside": .string(aside),
                "tokensRefused": .bool(refusesTokens),
            ])
        }
        for file in exchange.files { print("\(file.name): restored") }
        for file in exchange.left {
            print("\(file.name): \(exchange.isInBackup(file) ? "is sound and left as it is" : "not in the backup, left as it is")")
        }
        print("what was there is in \(aside)")
        if refusesTokens { print("every token issued before now is refused: all users sign in again") }
        if keepSessions, exchange.files.contains(where: { $0.name == DatabaseFile.sessions.name }) {
            print("users stay signed in, and so does whoever was sent away since the backup was made: 'sessions list' shows them")
        }
    }
}

/// The exchange of the databases in one folder for copies of those in another. Nothing is touched before all copies are whole and on the disk.
private struct DatabaseExchange {
    /// What is exchanged.
    let files: [DatabaseFile]
    private let found: [DatabaseFile]
    private let source: String
    private let target: String
    private let now: WallTime

    /// What stays.
    var left: [DatabaseFile] {
        DatabaseFile.all.filter { file in !files.contains { $0.name == file.name } && access("\(target)/\(file.name)", F_OK) == 0 }
    }

    /// Where the copies are made ready.
    private var drafts: String { "\(target)/restore.draft" }

    /// - Throws: where the backup is not good.
    init(from source: String, into target: String, now: WallTime = SystemClock().wall) throws {
        guard FileIdentity(path: source) != FileIdentity(path: target) else { throw RestoreError.sameFolder }
        guard access(source, R_OK | X_OK) == 0 || errno == ENOENT else {
            throw RestoreError.unreadable(source, SystemError("access").reason)
        }
        found = DatabaseFile.all.filter { access("\(source)/\($0.name)", F_OK) == 0 }
        guard !found.isEmpty else { throw RestoreError.nothingThere(source, newest: DatedBackups(folder: source).names.last) }
        for file in found {
            let journal = file.names.dropFirst().first { (FileStamp(path: "\(source)/\($0)")?.size ?? 0) > 0 }
            // A copy that 'backup' made has none; with one it is somebody's copy of files in use, and nobody knows of which moment.
            if let journal { throw RestoreError.unsound(file.name, "\(journal) lies beside it: it was not made by 'backup'") }
            do {
                guard try file.examine("\(source)/\(file.name)") > 0 else {
                    throw RestoreError.unsound(file.name, "there is nothing in it")
                }
            } catch let error as RestoreError {
                throw error
            } catch {
                throw RestoreError.unsound(file.name, "it \(DatabaseFault(error).words)")
            }
        }
        files = found.filter { $0.name != DatabaseFile.limiter.name || !Self.isSound($0, in: target) }
        self.source = source
        self.target = target
        self.now = now
    }

    /// What the power left half done in it is undone first.
    private static func isSound(_ file: DatabaseFile, in folder: String) -> Bool {
        let path = "\(folder)/\(file.name)"
        return access(path, F_OK) == 0 && (try? file.examine(path, access: .readWrite)).map { $0 > 0 } ?? false
    }

    func isInBackup(_ file: DatabaseFile) -> Bool { found.contains { $0.name == file.name } }

    /// Makes the copies, in a folder of their own.
    /// - Parameter finish: what else has to become of them, in their folder, before anybody uses them.
    func prepare(_ finish: (String) throws -> Void) throws {
        try? Files.removeFolder(drafts)
        do {
            do throws(SystemError) { try Files.makeFolder(drafts, mode: 0o700) } catch {
                throw RestoreError.stopped(drafts, "it cannot be made: \(error.reason)", aside: target)
            }
            for file in files { _ = try file.copy(from: source, to: drafts) }
            if files.contains(where: { $0.name == DatabaseFile.cache.name }) { try renumber() }
            try finish(drafts)
            try Files.synchronize(drafts)
        } catch {
            try? Files.removeFolder(drafts)
            throw error
        }
    }

    /// Answers where what was there is now. Who interrupts it leaves a mark, and nobody uses the folder until it was done whole.
    func carryOut() throws -> String {
        let mark = FolderLock.mark(of: target)
        let aside = try begin(mark)
        for file in files {
            // The journals first: beside another database they would be rolled into it.
            for name in file.names.reversed() { try move("\(target)/\(name)", to: "\(aside)/\(name)", aside) }
            try move("\(drafts)/\(file.name)", to: "\(target)/\(file.name)", aside)
        }
        // It begins at random: no copy in DragonflyDB is believed unseen.
        unlink("\(target)/cache.db.shared")
        try Files.synchronize(aside)
        try Files.synchronize(target)
        try? Files.removeFolder(drafts)
        unlink(mark)
        try Files.synchronize(target)
        return aside
    }

    /// Makes the folder where what was there goes, and leaves the mark. Where that fails nothing was touched.
    private func begin(_ mark: String) throws -> String {
        do {
            let aside = try makeFolder()
            do {
                try Files.createPrivate(mark)
                try Files.synchronize(target)
            } catch {
                rmdir(aside)
                throw error
            }
            return aside
        } catch {
            try? Files.removeFolder(drafts)
            throw error
        }
    }

    /// One that nothing lies in yet: no restore throws away what another has set aside.
    private func makeFolder() throws -> String {
        let name = "\(target)/before-restore-\(DatedBackups.name(now))"
        for place in 1...1000 {
            let path = place == 1 ? name : "\(name)-\(place)"
            if mkdir(path, 0o700) == 0 { return path }
            guard errno == EEXIST else { break }
        }
        throw RestoreError.stopped(name, SystemError("mkdir").reason, aside: nil)
    }

    /// Another file than the one that the copies in DragonflyDB are of, and than that on the host where the backup was made.
    private func renumber() throws {
        let draft = SQLiteFile(
            path: "\(drafts)/\(DatabaseFile.cache.name)", label: "restore", journal: .untouched, lockWait: .atMost(.seconds(1)))
        let queue = try draft.open()
        try queue.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL; UPDATE state SET epoch = random()")
        }
        try queue.close()
    }

    private func move(_ path: String, to other: String, _ aside: String) throws {
        guard rename(path, other) == 0 || errno == ENOENT else {
            throw RestoreError.stopped(path, SystemError("rename").reason, aside: aside)
        }
    }
}

private enum RestoreError: Error, CustomStringConvertible {
    case nothingThere(String, newest: String?)
    case unreadable(String, String)
    case sameFolder
    case unsound(String, String)
    case stopped(String, String, aside: String?)

    var description: String {
        switch self {
        case .nothingThere(let folder, let newest?): "\(folder) holds dated backups; name one of them, the newest is \(folder)/\(newest)"
        case .nothingThere(let folder, nil): "there are no databases in \(folder)"
        case .unreadable(let folder, let reason):
            "\(folder) cannot be read by user \(geteuid()), whose the data folder is: \(reason). Copy the backup to where that user may read it"
        case .sameFolder: "that is the data folder itself; name the folder of a backup"
        case .unsound(let file, let reason): "\(file) of the backup is not taken: \(reason)"
        case .stopped(let path, let reason, let aside):
            "\(path) cannot be moved or made: \(reason). \(aside.map { "What was there is in \($0); r" } ?? "R")un the command again when that is mended"
        }
    }
}
