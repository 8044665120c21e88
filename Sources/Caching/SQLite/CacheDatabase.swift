import GRDB
import Glibc
import Logging
import Platform
import Synchronization

/// The record: `cache.db`. What it says is so, whatever the copies say. Opens the file again when it was replaced, sets
/// it aside and begins anew when it is damaged, and goes on reading when it cannot be written.
final class CacheDatabase: Sendable {
    let shared: SharedState
    let clock: any HostClock
    let path: String
    private let log: Logger
    private let threads: Int
    /// Guards which opening is in use. Opening itself is done under the gate, outside this lock.
    private let current: Mutex<CacheDatabaseFile?>
    private let isClosed = Atomic<Bool>(false)
    /// Guards how the clock was set when this process looked last; nil: it is to be read from the file.
    let rowTimes = Mutex<RowTimes?>(nil)
    /// Whether writing works.
    private let writing: LogOnce

    /// How long a write waits for another process's.
    private static let patience = Duration.milliseconds(1500)
    /// How long a start waits for another worker's, which may be checking the file.
    private static let openingPatience = Duration.seconds(10)

    init(path: String, threads: Int, clock: any HostClock, log: Logger) throws(CacheError) {
        self.path = path
        self.threads = threads
        self.clock = clock
        self.log = log
        shared = try SharedState(path: path + ".shared", bootID: clock.bootID)
        current = Mutex(nil)
        writing = LogOnce(log)
        try opened(replacing: nil, within: Self.openingPatience)
    }

    /// The file's own number; 0 after `close()`.
    var epoch: Int64 { current.withLock { $0?.epoch ?? 0 } }
    /// Why writing failed last; nil after a write that succeeded.
    var writeRefusal: String? { writing.reason }
    /// Whether that was for want of room.
    var isDiskFull: Bool { writing.reason.map(CacheDatabaseOpening.isDiskFull) ?? false }

    func close() {
        isClosed.store(true, ordering: .relaxed)
        current.withLock { file in
            defer { file = nil }
            return file
        }?.close()
    }

    // MARK: Reading

    func read<Result>(_ body: (EntryReader) throws(SQLiteFailure) -> Result) throws(CacheError) -> Result {
        for attempt in 0..<4 {
            let file = try self.file()
            do throws(SQLiteFailure) {
                return try file.borrow(opening: underGate, body)
            } catch {
                guard error.isDamage else { throw .cannotRead("\(error.message) (SQLite \(error.code))") }
                // Once more over new connections before the file itself is held to be damaged.
                if attempt == 0 { try opened(replacing: file) } else { try setAside(file, error.message) }
            }
        }
        throw .cannotRead("cache.db is damaged again and again")
    }

    private func underGate(
        _ open: () throws(SQLiteFailure) -> EntryReader
    ) throws(SQLiteFailure) -> EntryReader {
        guard shared.gate.open(within: Self.patience) else { throw SQLiteFailure(code: 5, message: "the file is busy") }
        defer { shared.gate.close() }
        return try open()
    }

    // MARK: Writing

    /// One immediate transaction, alone among all processes. What `body` throws undoes it.
    func write<Result>(_ body: (EntryWriter) throws -> Result) throws(CacheError) -> Result {
        for attempt in 0..<4 {
            let file = try self.file()
            guard let writer = file.writer else { throw refused(file.refusal ?? "it was opened for reading only") }
            do {
                guard let result = try transact(file, writer, body) else {
                    try opened(replacing: file)
                    continue
                }
                writing.settle("cache.db can be written again")
                return result
            } catch {
                let fault = DatabaseFault(error)
                guard fault.isDamage, attempt < 2 else { throw mapped(error) }
                if attempt == 0 { try opened(replacing: file) } else { try setAside(file, "\(fault)") }
            }
        }
        throw refused("cache.db is replaced again and again")
    }

    /// nil: the path names another file by now.
    private func transact<Result>(
        _ file: CacheDatabaseFile, _ writer: DatabaseQueue, _ body: (EntryWriter) throws -> Result
    ) throws -> Result? {
        guard shared.gate.open(within: Self.patience) else { throw CacheError.cannotWrite("another process is writing") }
        defer { shared.gate.close() }
        guard isCurrent(file) else { return nil }
        return try writer.writeWithoutTransaction { db in
            var result: Result?
            try db.inTransaction(.immediate) {
                let transaction = try WriteTransaction(db, clock.reading())
                result = try body(EntryWriter(db: db, transaction: transaction))
                try transaction.settle(db)
                return .commit
            }
            shared.countCommit()
            return result
        }
    }

    /// Runs maintenance on the writing connection, under the gate, outside a transaction. nil: not now.
    func tend<Result>(_ body: (Database) throws -> Result) throws(CacheError) -> Result? {
        let file = try self.file()
        guard let writer = file.writer, shared.gate.open(within: Self.patience) else { return nil }
        defer { shared.gate.close() }
        guard isCurrent(file) else { return nil }
        do {
            return try writer.writeWithoutTransaction(body)
        } catch {
            throw mapped(error)
        }
    }

    private func mapped(_ error: any Error) -> CacheError {
        switch error {
        case CacheError.cannotWrite(let reason): refused(reason)
        case let error as CacheError: error
        case let error as DatabaseError: refused(CacheDatabaseOpening.reason(error))
        default: refused("\(error)")
        }
    }

    /// Says so in the log when it is news, not once per request.
    @discardableResult
    func refused(_ reason: String) -> CacheError {
        writing.raise(
            reason, kind: "write", now: clock.wall, level: .error, "cache.db cannot be written; what is cached is still served",
            metadata: ["reason": "\(reason)"])
        return .cannotWrite(reason)
    }

    // MARK: Which file it is

    // Opened again when it was replaced, set aside when it is damaged. All of it under the gate,
    // so that one worker does it and the others find it done.

    private func file() throws(CacheError) -> CacheDatabaseFile {
        guard !isClosed.load(ordering: .relaxed) else { throw .cannotRead("the caches are closed") }
        let file = current.withLock { $0 }
        if let file, file.generation == shared.generation { return file }
        return try opened(replacing: file)
    }

    /// Whether the path still names the file that is open. Under the gate; raises the generation for all when not.
    private func isCurrent(_ file: CacheDatabaseFile) -> Bool {
        guard file.generation == shared.generation else { return false }
        if FileIdentity(path: path) == file.identity { return true }
        shared.raiseGeneration()
        return false
    }

    /// Looks whether the file was replaced by hand, or can be written again. About once a second, from `maintain()`.
    func lookAgain() throws(CacheError) {
        shared.keepAmongUsers()
        let file = try self.file()
        if FileIdentity(path: path) != file.identity {
            shared.raiseGeneration()
            try opened(replacing: file)
        } else if file.writer == nil {
            try opened(replacing: file)
        } else if writing.reason != nil, !Files.isFull(at: path) {
            // Nobody else may write for hours, and what was in the way may be gone.
            try? write { try $0.db.execute(sql: "UPDATE state SET counter = counter") }
        }
    }

    /// The opening that stands in place of `old`: a thread that comes second finds the first one's.
    @discardableResult
    private func opened(replacing old: CacheDatabaseFile?, within patience: Duration = patience) throws(CacheError) -> CacheDatabaseFile {
        guard shared.gate.open(within: patience) else { throw .cannotRead("another process is opening cache.db") }
        defer { shared.gate.close() }
        if let file = current.withLock({ $0 }), file !== old, file.generation == shared.generation { return file }
        let file: CacheDatabaseFile
        do throws(OpeningFailure) {
            file = try open()
        } catch {
            switch error {
            case .newerSchema(let found, let known): throw .newerSchema(found: found, known: known)
            case .failed(let reason): throw .cannotRead(reason)
            case .damaged(let reason): file = try begunAnew(reason)
            }
        }
        install(file)
        return file
    }

    /// Under the gate.
    private func open() throws(OpeningFailure) -> CacheDatabaseFile {
        let isUsed = shared.joinUsers()
        let isChecked = FileIdentity(path: path).map(shared.isChecked) ?? false
        let file = try CacheDatabaseFile(
            path: path, generation: shared.generation, threads: threads, isInUse: isUsed && isChecked, clock: clock)
        if file.writer != nil { shared.noteChecked(file.identity) }
        return file
    }

    private func install(_ file: CacheDatabaseFile) {
        rowTimes.withLock { $0 = nil }
        let old = current.withLock { current in
            defer { current = file }
            return current
        }
        old?.close()
        if file.writer == nil {
            shared.noteReadOnly()
        } else if shared.takeReadOnly() {
            // They may read the file as one that nobody changes: they must open it again before it is changed.
            shared.raiseGeneration()
        }
        if let refusal = file.refusal { refused(refusal) }
    }

    // MARK: Damage

    /// Sets the file aside unless another worker has done so meanwhile.
    private func setAside(_ file: CacheDatabaseFile, _ reason: String) throws(CacheError) {
        // What is read as unchanging, and changes all the same, looks damaged and is not.
        guard file.writer != nil else { throw .cannotRead(reason) }
        guard shared.gate.open(within: Self.patience) else { throw .cannotRead("another process is opening cache.db") }
        defer { shared.gate.close() }
        guard isCurrent(file) else { return }
        install(try begunAnew(reason))
    }

    /// Sets the current file aside, when a check of it by `tend` found damage.
    func setAside(_ reason: String) throws(CacheError) { try setAside(try file(), reason) }

    /// Under the gate. The generation is raised first: from here on the other workers wait at the gate for the new file.
    /// The database goes before its log, since a log without a database is thrown away at the next opening.
    private func begunAnew(_ reason: String) throws(CacheError) -> CacheDatabaseFile {
        shared.raiseGeneration()
        let aside = "\(path).damaged-\(clock.now / 1000)"
        guard rename(path, aside) == 0 else { throw .cannotRead("cache.db is damaged (\(reason)) and cannot be set aside") }
        for suffix in ["-wal", "-shm", "-journal"] { rename(path + suffix, aside + suffix) }
        log.error("cache.db is damaged: it was set aside and an empty one begun", metadata: ["reason": "\(reason)", "kept": "\(aside)"])
        shared.raiseCopyEpoch()
        shared.invalidateAll()
        do {
            return try open()
        } catch {
            throw .cannotRead("a new cache.db cannot be made: \(error)")
        }
    }
}
