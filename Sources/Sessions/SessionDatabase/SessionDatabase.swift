import GRDB
import Logging
import Platform

/// `sessions.db`: which tokens belong to which session, which sessions have ended, and what is known of each user.
///
/// Every worker has it open; what one commits, the next question of any other sees.
final class SessionDatabase: Sendable {
    private let file: SessionDatabaseFile
    private let quick: Connections
    private let patient: Connections
    private let clock: any HostClock
    private let log: Logger
    private let trouble: LogOnce
    private let evidence: @Sendable () -> Bool
    private let prepared = Locked<Preparation>(Preparation())  // guards which file was prepared; held while one is being prepared
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
    }

    /// How long a call may wait for a lock: `event` on a request's way, `background` elsewhere.
    enum Place { case event, background }

    /// - Parameter evidence: whether something else says that there was a `sessions.db` before.
    init(folder: String, clock: any HostClock, log: Logger, evidence: @escaping @Sendable () -> Bool) {
        let file = SessionDatabaseFile(folder: folder)
        self.file = file
        self.clock = clock
        self.log = log
        self.evidence = evidence
        quick = Connections(file: file.sqlite(.brief), most: 16)
        patient = Connections(file: file.sqlite(.long), most: 2)
        trouble = LogOnce(log, repeatedEvery: .seconds(60))
    }

    /// The file as it is now, made if it is missing. A file that was replaced or removed is noticed here.
    func stamp() throws(SessionDatabaseError) -> FileStamp {
        if let stamp = FileStamp(path: file.path), prepared.withLock({ $0.file == stamp.identity }) { return stamp }
        return try prepare()
    }

    /// What is known of a token and of its user.
    func look(_ hash: TokenHash, userID: Int64, at stamp: FileStamp) throws(SessionDatabaseError) -> TokenRow {
        try guarded { try quick.borrow(of: stamp.identity) { db in try SessionTables(db, clock.reading()).answer(hash, userID: userID) } }
    }

    func read<Result>(_ body: (SessionTables) throws -> Result) throws(SessionDatabaseError) -> Result {
        let stamp = try stamp()
        return try guarded { try quick.borrow(of: stamp.identity) { db in try body(SessionTables(db, clock.reading())) } }
    }

    /// One immediate transaction: all of `body` or nothing of it. What the file says of times is first brought into line with a clock that
    /// was set.
    func write<Result>(_ place: Place, _ body: (SessionTables) throws -> Result) throws(SessionDatabaseError) -> Result {
        let stamp = try stamp()
        let connections = place == .event ? quick : patient
        return try guarded {
            try connections.borrow(of: stamp.identity) { db in
                var result: Result?
                var clockChange: (ClockSetting.Change, ClockReading)?
                try db.inTransaction(.immediate) {
                    let tables = SessionTables(db, clock.reading())
                    clockChange = (try ClockTable(db, tables.reading).settle(), tables.reading)
                    result = try body(tables)
                    return .commit
                }
                if let (change, reading) = clockChange { noteClock(change, reading) }
                guard let result else { throw SessionDatabaseError.cannotUse("the transaction did not run") }
                return result
            }
        }
    }

    /// Brings the file into line with a clock that was set, if it was, so that lists are right although nobody writes. To be called about
    /// once a second from a thread that may block; costs nothing where nobody sets clocks.
    func settleClock() {
        let known = setting.withLock { $0 }
        guard known == nil || known?.change(at: clock.reading()) != ClockSetting.Change.none else { return }
        try? write(.background) { _ in }
    }

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

    func close() {
        quick.removeAll()
        patient.removeAll()
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
        let now = clock.wall.milliseconds
        let result = prepared.withLock { prepared -> Result<FileStamp, SessionDatabaseError> in
            if let stamp = FileStamp(path: file.path), prepared.file == stamp.identity { return .success(stamp) }
            // A file that cannot be opened is tried again once a second, not by every request.
            if let failure = prepared.failure, abs(now - prepared.failedAt) < 1000 { return .failure(failure) }
            do throws(SessionDatabaseError) {
                let opening = try file.prepare(clock.reading(), knownToHaveBegun: evidence() || prepared.file != nil)
                guard let stamp = FileStamp(path: file.path) else { throw .cannotOpen("it vanished") }
                prepared = Preparation(file: stamp.identity)
                if opening == .lost { log.error("sessions.db was lost: a new one is begun, and every token issued before now is refused") }
                return .success(stamp)
            } catch {
                prepared = Preparation(failure: error, failedAt: now)
                return .failure(error)
            }
        }
        if case .failure(let fault) = result { complain(fault) } else { settle() }
        return try result.get()
    }
}
