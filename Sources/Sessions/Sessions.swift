import Logging

/// swingmusic's sessions: who a request comes from, and the routes that begin, renew, show and end sessions.
///
/// Everything but the password hashes runs on the caller's thread: a few file reads, and a write where a session begins, ends or
/// is first seen. Values in, values out; HTTP is somebody else's.
public final class Sessions: Sendable {
    let origins: OriginPolicy
    let configuration: SessionsConfiguration
    let clock: SessionClock
    let log: Logger
    let settings: SettingsFile
    let directory: UserDirectory
    let ledger: Ledger
    let records: any SessionRecords
    let guesses: GuessLimit
    let memory = TokenMemory()
    let renewed = RenewedTokens()
    let seen = SeenSessions()
    let desk: LoginDesk
    let purgedAt = Locked<Int64>(0)  // guards when this process purged last, ms since 1970
    let swept = Locked<SweptFiles?>(nil)  // guards what the files looked like when all users were compared last
    let storeComplaint: Complaint

    init(
        _ configuration: SessionsConfiguration, records: any SessionRecords, counts: any CountStore, clock: SessionClock, log: Logger,
        desk: LoginDesk? = nil
    ) {
        self.configuration = configuration
        self.clock = clock
        self.log = log
        self.records = records
        self.desk = desk ?? LoginDesk(folder: configuration.dataFolder)
        origins = OriginPolicy(origins: configuration.origins)
        let folder = SwingmusicFolder(configuration.swingmusicFolder, log: log)
        settings = SettingsFile(folder: folder, clock: clock, log: log)
        directory = UserDirectory(folder: folder, clock: clock, log: log)
        ledger = Ledger(folder: configuration.dataFolder, clock: clock, log: log) { records.hasBegun() }
        guesses = GuessLimit(store: counts, clock: clock, log: log)
        storeComplaint = Complaint(about: "session records", log: log)
    }

    /// Opens `sessions.db` now rather than with the first request: who has it open goes on when a newer version takes the file over.
    /// A file that cannot be opened is logged, and tried again by the requests.
    public func open() { _ = try? ledger.stamp() }

    /// Stops the login thread and closes the files.
    public func close() {
        desk.close()
        ledger.close()
        directory.close()
    }
}
