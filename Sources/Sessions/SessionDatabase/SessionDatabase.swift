import GRDB
import Logging
import Platform

/// `sessions.db`: which tokens belong to which session, which sessions have ended, and what is known of each user.
///
/// Every worker has it open; what one commits, the next question of any other sees. Event threads only look, and never wait: what waits for
/// a lock, and all that writes, takes a `BlockingContext`.
final class SessionDatabase: Sendable {
    private let file: SessionDatabaseFile
    /// For event threads: they can only read, and a lock is no reason to wait.
    private let glancing: Connections
    private let quick: Connections
    private let patient: Connections
    private let clock: any HostClock
    private let log: Logger
    private let trouble: LogOnce
    private let evidence: @Sendable () -> Bool
    private let report: @Sendable (SessionEffects) -> Void
    private let preparing = Locked(())  // held while the file is being prepared, by threads that may wait
    private let prepared = Locked<Preparation>(Preparation())  // guards which file was prepared
    private let setting = Locked<ClockSetting?>(nil)  // guards how the clock was set when this process wrote last

    /// Open connections, never to a file that was replaced meanwhile.
    private struct Connections: Sendable {
        private let file: SQLiteFile
        private let pool: ConnectionPool<(queue: DatabaseQueue, file: FileIdentity)>

        init(file: SQLiteFile, most: Int) {
            self.file = file
            pool = ConnectionPool(most: most)
        }

        func borrow<Result>(of identity: FileIdentity, _ body: (Database) throws -> Result) throws -> Result {
            try pool.borrow(if: { $0.file == identity }, opening: { (try file.open(expecting: identity), identity) }) {
                try $0.queue.inDatabase(body)
            }
        }

        func removeAll() { pool.removeAll() }
    }

    private struct Preparation {
        var file: FileIdentity?
        var failure: SessionDatabaseError?
        var failedAt: Int64 = 0

        /// A file that cannot be opened is tried again once a second, not by every request.
        func failure(now: Int64) -> SessionDatabaseError? { abs(now - failedAt) < 1000 ? failure : nil }
    }

    /// How long a lock is waited for.
    enum Patience {
        /// 250 ms: somebody waits for the answer, and others for the thread.
        case brief
        /// 5 s.
        case long
    }

    /// - Parameters:
    ///   - evidence: whether something else says that there was a `sessions.db` before.
    ///   - report: told what a transaction did besides, on the thread that made it.
    init(
        folder: String, clock: any HostClock, log: Logger, report: @escaping @Sendable (SessionEffects) -> Void = { _ in },
        evidence: @escaping @Sendable () -> Bool
    ) {
        let file = SessionDatabaseFile(folder: folder)
        self.file = file
        self.clock = clock
        self.log = log
        self.evidence = evidence
        self.report = report
        glancing = Connections(file: file.lookedAt, most: 16)
        quick = Connections(file: file.sqlite(.brief), most: 4)
        patient = Connections(file: file.sqlite(.long), most: 2)
        trouble = LogOnce(log, repeatedEvery: .seconds(60))
    }

    // MARK: For event threads

    /// The file as it is now. One that is missing, was replaced, or was not opened yet has to be prepared first: `unprepared`.
    func stamp() throws(SessionDatabaseError) -> FileStamp {
        let stamp = FileStamp(path: file.path)
        let (isPrepared, failure) = prepared.withLock { prepared in
            (
                stamp != nil && prepared.file == stamp?.identity,
                prepared.failure == nil ? nil : prepared.failure(now: clock.wall.milliseconds)
            )
        }
        if isPrepared, let stamp { return stamp }
        throw failure ?? .unprepared
    }

    /// What `body` reads of the file. `busy` where that cannot be done at this moment.
    func look<Result>(at stamp: FileStamp, _ body: (SessionRows) throws -> Result) throws(SessionDatabaseError) -> Result {
        do {
            let answer = try glancing.borrow(of: stamp.identity) { db in try body(SessionRows(db, clock.reading())) }
            settle()
            return answer
        } catch {
            let fault = SessionDatabaseError(error)
            // A lock is held for a moment with every commit.
            if fault != .busy { complain(fault) }
            throw fault
        }
    }

    // MARK: For threads that may wait

    /// As `stamp()`; the file is made where it is missing.
    func stamp(_ context: borrowing BlockingContext) throws(SessionDatabaseError) -> FileStamp {
        if let stamp = FileStamp(path: file.path), prepared.withLock({ $0.file == stamp.identity }) { return stamp }
        return try prepare()
    }

    func read<Result>(
        _ context: borrowing BlockingContext, _ patience: Patience = .brief, _ body: (SessionRows) throws -> Result
    ) throws(SessionDatabaseError) -> Result {
        let stamp = try stamp(context)
        return try guarded { try connections(patience).borrow(of: stamp.identity) { db in try body(SessionRows(db, clock.reading())) } }
    }

    /// One immediate transaction: all of `body` or nothing of it. What the file says of times is first brought into line with a clock that
    /// was set.
    func write<Result>(
        _ context: borrowing BlockingContext, _ patience: Patience = .brief, _ body: (SessionTables) throws -> Result
    ) throws(SessionDatabaseError) -> Result {
        let stamp = try stamp(context)
        var effects: SessionEffects?
        defer { if let effects { report(effects) } }
        return try guarded {
            try connections(patience).borrow(of: stamp.identity) { db in
                var result: Result?
                var made: SessionEffects?
                var clockChange: (ClockSetting.Change, ClockReading)?
                try db.inTransaction(.immediate) {
                    let tables = SessionTables(db, clock.reading())
                    made = tables.effects
                    clockChange = (try ClockTable(db, tables.reading).settle(), tables.reading)
                    result = try body(tables)
                    return .commit
                }
                effects = made
                if let (change, reading) = clockChange { noteClock(change, reading) }
                guard let result else { throw SessionDatabaseError.cannotUse("the transaction did not run") }
                return result
            }
        }
    }

    /// Brings the file into line with a clock that was set, if it was, so that lists are right although nobody writes. To be called about
    /// once a second; costs nothing where nobody sets clocks.
    func settleClock(_ context: borrowing BlockingContext) {
        let known = setting.withLock { $0 }
        guard known == nil || known?.change(at: clock.reading()) != ClockSetting.Change.none else { return }
        try? write(context, .long) { _ in }
    }

    func close() {
        for connections in [glancing, quick, patient] { connections.removeAll() }
    }

    // MARK: Within

    private func connections(_ patience: Patience) -> Connections { patience == .brief ? quick : patient }

    /// One process finds a setting that is new to the file, so this is said once.
    private func noteClock(_ change: ClockSetting.Change, _ reading: ClockReading) {
        setting.withLock { $0 = ClockSetting(reading) }
        guard case .set(let step) = change else { return }
        log.notice(
            """
            the clock was set by \(step / 1000) s: sessions go on here by the time that has passed; swingmusic refuses at its own routes \
            tokens that are not good by its clock, until they are renewed
            """)
    }

    private func guarded<Result>(_ body: () throws -> Result) throws(SessionDatabaseError) -> Result {
        do {
            let result = try body()
            settle()
            return result
        } catch let fault as UserDatabaseError {
            // A body that reads swingmusic's users: that file has its own complaint.
            throw .cannotUse("\(fault)")
        } catch {
            let fault = SessionDatabaseError(error)
            complain(fault)
            throw fault
        }
    }

    private func complain(_ fault: SessionDatabaseError) { trouble.raise(fault.words, now: clock.wall, "sessions.db: \(fault.words)") }
    private func settle() { trouble.settle("sessions.db: all right again") }

    private func prepare() throws(SessionDatabaseError) -> FileStamp {
        let result = preparing.withLock { _ in prepareAlone() }
        if case .failure(let fault) = result { complain(fault) } else { settle() }
        return try result.get()
    }

    private func prepareAlone() -> Result<FileStamp, SessionDatabaseError> {
        let now = clock.wall.milliseconds
        let before = prepared.withLock { $0 }
        if let stamp = FileStamp(path: file.path), before.file == stamp.identity { return .success(stamp) }
        if let failure = before.failure(now: now) { return .failure(failure) }
        do throws(SessionDatabaseError) {
            let opening = try file.prepare(clock.reading(), knownToHaveBegun: evidence() || before.file != nil)
            guard let stamp = FileStamp(path: file.path) else { throw .cannotOpen("it vanished") }
            prepared.withLock { $0 = Preparation(file: stamp.identity) }
            if opening == .lost { log.error("sessions.db was lost: a new one is begun, and every token issued before now is refused") }
            return .success(stamp)
        } catch {
            prepared.withLock { $0 = Preparation(failure: error, failedAt: now) }
            return .failure(error)
        }
    }
}
