import Caching
import Glibc
import Platform
import RateLimiting
import Sessions
import Spotify

/// Everything that the status routes show, as it was at one moment.
struct StatusReport: Sendable {
    /// Wall-clock milliseconds.
    var now: Int64
    /// Of the worker that looked.
    var version: String
    /// Of all workers, those that ended included.
    var counts: Counters
    var timings = TimingSums()
    /// Open sessions, and how many users they are of; nil where there are none to be had.
    var sessions: SessionCount?
    /// Oldest first; the last minute is under way.
    var answersByMinute: [Int]
    var workers: [WorkerLook]
    /// nil while the limiter cannot be used.
    var limiter: RateLimiterStatus?
    var limiterFault: String?
    var caches: CacheStatistics
    var files: [FileLook]
    /// Records of `spotify` by namespace.
    var kinds: [NamespaceStatistics]
    /// Records of `spotify` by how long they have been due. Empty where nobody asked.
    var ages: [AgeLook] = []
    /// The newest first.
    var lines: [LoggedLine]
    var readiness: Readiness
    /// nil: no Spotify account is connected.
    var account: AccountStanding?
    /// What its owner is called, where that is known.
    var accountOwner: String?

    var parked: Int { workers.reduce(0) { $0 + $1.parked } }
    /// 0...1 of the answers that say where they came from; nil before the first.
    func share(_ source: Counter.Source) -> Double? {
        let all = Counter.Source.allCases.reduce(0) { $0 + counts[$1] }
        return all == 0 ? nil : Double(counts[source]) / Double(all)
    }
    /// 0...1; nil before the first.
    var hitRatio: Double? {
        Counter.Source.allCases.filter(\.isHit).reduce(nil as Double?) { ratio, source in share(source).map { $0 + (ratio ?? 0) } }
    }

    /// How DragonflyDB stands.
    var storeWords: String {
        guard let store = caches.store else { return "none" }
        return store.isUsed ? "used" : "not used" + (store.fault.map { ": \($0)" } ?? "")
    }
}

/// How many records are of an age.
struct AgeLook: Sendable, Equatable {
    var label: String
    var records: Int
}

/// A file in the data folder.
struct FileLook: Sendable, Equatable {
    var name: String
    var bytes: Int64
}

/// A living worker process.
struct WorkerLook: Sendable, Equatable {
    /// Its place among the workers, which its successor has after it.
    var slot = 0
    var process: Int32
    var uptimeSeconds: Int64
    var parked: Int
    /// What it has in memory of its own and shared; 0 when /proc does not tell.
    var residentBytes: Int64
    /// It does not ask DragonflyDB (this worker's circuit breaker is open).
    var isStoreUnused = false

    init(process: Int32, uptimeSeconds: Int64, parked: Int, residentBytes: Int64) {
        self.process = process
        self.uptimeSeconds = uptimeSeconds
        self.parked = parked
        self.residentBytes = residentBytes
    }

    init(_ worker: Scoreboard.Worker, now: Int64) {
        self.init(
            process: worker.process, uptimeSeconds: max(0, now - worker.startedAt) / 1000, parked: worker.parked,
            residentBytes: Self.resident(worker.process))
        slot = worker.slot
        isStoreUnused = worker.conditions.contains(.storeIsUnused)
    }

    /// The second number of /proc/PID/statm, in pages (proc(5)).
    private static func resident(_ process: Int32) -> Int64 {
        let words = String(decoding: Files.read("/proc/\(process)/statm", atMost: 4096) ?? [], as: UTF8.self).split(separator: " ")
        return words.count > 1 ? (Int64(words[1]) ?? 0) * Int64(sysconf(CInt(_SC_PAGESIZE))) : 0
    }
}

/// Looks at everything that the status routes show. Blocks on files; not for an event thread.
struct StatusCollector: Sendable {
    /// Where swingmusic's files are looked at from.
    enum SessionsView: Sendable {
        case off
        /// A worker's own.
        case own(Sessions)
        /// From outside, in swingmusic's folder.
        case folder(String)
    }

    let version: String
    let scoreboard: Scoreboard
    /// nil, with the reason, for who could not or does not open them.
    let caches: Result<Caches, CachesAreNotOpen>
    let rateLimiter: any RateLimiter
    let sessions: SessionsView
    let dataDirectory: String
    let hasCredentials: Bool
    /// What this host is called among those that share the account; nil: it is to be alone.
    let sharesAs: String?
    /// Whether this process is a worker itself.
    let isWorker: Bool
    /// nil for who does not keep it.
    let history: StatusHistory?
    /// The ages, and when they were counted: the page asks every two seconds.
    private let counted = Locked<(at: MonotonicTime, ages: [AgeLook])?>(nil)  // guards what was counted last

    init(
        version: String, scoreboard: Scoreboard, caches: Result<Caches, CachesAreNotOpen>, rateLimiter: any RateLimiter,
        sessions: SessionsView, dataDirectory: String, hasCredentials: Bool, sharesAs: String?, isWorker: Bool,
        history: StatusHistory? = nil
    ) {
        (self.version, self.scoreboard, self.caches, self.rateLimiter) = (version, scoreboard, caches, rateLimiter)
        (self.sessions, self.dataDirectory, self.hasCredentials, self.isWorker) = (sessions, dataDirectory, hasCredentials, isWorker)
        self.sharesAs = sharesAs
        self.history = history
    }

    /// - Parameter withAges: counts the records by age, which takes the longer the more there are.
    func report(now: Int64 = SystemClock().wall.milliseconds, withAges: Bool) -> StatusReport {
        let limiter = limiterStatus()
        let caches = try? caches.get()
        let workers = scoreboard.workers
        let account = AccountFile(folder: dataDirectory).standing()
        return StatusReport(
            now: now, version: version, counts: scoreboard.sum, timings: scoreboard.timingSums,
            answersByMinute: scoreboard.answersByMinute(now: now),
            workers: workers.map { WorkerLook($0, now: now) }.sorted { $0.process < $1.process },
            limiter: try? limiter.get(), limiterFault: limiter.fault, caches: caches?.statistics() ?? .unknown,
            files: Self.files.map { FileLook(name: $0, bytes: FileStamp(path: dataDirectory + "/" + $0)?.size ?? 0) }.filter {
                $0.bytes > 0
            },
            kinds: (try? caches?.namespaces(.spotify)) ?? [], ages: withAges ? ages(now: now) : [], lines: scoreboard.latestLines(20),
            readiness: Readiness(look(limiter, workers)), account: account, accountOwner: owner(of: account))
    }

    /// The connected account; its owner's name where that is known.
    var connected: (standing: AccountStanding, owner: String?)? {
        AccountFile(folder: dataDirectory).standing().map { ($0, owner(of: $0)) }
    }

    private func owner(of account: AccountStanding?) -> String? { (try? account?.owner(by: rateLimiter)) ?? nil }

    /// With what only who may wait can tell.
    func report(_ context: borrowing BlockingContext) -> StatusReport {
        var report = report(withAges: false)
        if case .own(let sessions) = sessions { report.sessions = sessions.count(context) }
        return report
    }

    /// Counted along an index, which takes the longer the more there are: at most every ten seconds.
    private func ages(now: Int64) -> [AgeLook] {
        let instant = SystemClock().monotonic
        if let counted = counted.withLock({ $0 }), instant - counted.at < .seconds(10) { return counted.ages }
        let ages = countedAges(now: now)
        counted.withLock { $0 = (instant, ages) }
        return ages
    }

    private func countedAges(now: Int64) -> [AgeLook] {
        guard let caches = try? caches.get() else { return [] }
        let day: Int64 = 86_400_000
        let all = caches.count(.spotify)
        let due = [now, now - day, now - 30 * day].map { (try? caches.count(.spotify, expiringBefore: $0)) ?? 0 }
        return [
            AgeLook(label: "fresh", records: max(0, all - due[0])), AgeLook(label: "due for less than a day", records: due[0] - due[1]),
            AgeLook(label: "due for 1 to 30 days", records: due[1] - due[2]), AgeLook(label: "due for longer", records: due[2]),
        ]
    }

    /// Why nothing, or not everything, can be served. Writes nothing.
    func readiness() -> Readiness { Readiness(look(limiterStatus(), scoreboard.workers)) }

    /// Who looks from outside knows what hosts share from the file alone.
    private func limiterStatus() -> Result<RateLimiterStatus, any Error> {
        Result {
            var status = try rateLimiter.status()
            status.shared?.host = sharesAs
            return status
        }
    }

    private func look(_ limiter: Result<RateLimiterStatus, any Error>, _ workers: [Scoreboard.Worker]) -> ReadinessLook {
        var look = ReadinessLook(dataDirectory: dataDirectory)
        if isWorker { noteConditions() }
        look.conditions = workers.reduce(into: []) { $0.formUnion($1.conditions) }
        look.hasWorkers = isWorker || !workers.isEmpty
        switch caches {
        case .success(let caches):
            do { _ = try caches.get(.temp, Array("readyz".utf8)) } catch { look.cacheFault = "\(error)" }
            let troubles = caches.troubles()
            (look.writeRefusal, look.isDiskFull) = (troubles.writeRefusal, troubles.isDiskFull)
            look.storeFault = troubles.storeFault.map { "\($0)" }
        case .failure(let reason): look.cacheFault = reason.reason
        }
        look.freeBytes = Files.freeBytes(at: dataDirectory)
        if Files.isFull(at: dataDirectory) { look.isDiskFull = true }
        look.unwritable = ReadinessLook.unwritable(in: dataDirectory)
        (look.limiter, look.limiterFault) = (try? limiter.get(), limiter.fault)
        look.sessions = sessionsHealth(workers, look.conditions)
        look.hasCredentials = hasCredentials
        look.shared = try? limiter.get().shared
        look.account = AccountFile(folder: dataDirectory).standing()
        return look
    }

    /// Which of swingmusic's settings a worker remembers only the workers can tell.
    private func sessionsHealth(_ workers: [Scoreboard.Worker], _ conditions: WorkerConditions) -> SessionsHealth? {
        var health: SessionsHealth
        switch sessions {
        case .off: return nil
        case .own(let sessions): health = sessions.health()
        case .folder(let folder): health = SessionsHealth(dataFolder: dataDirectory, swingmusicFolder: folder)
        }
        if !workers.isEmpty {
            let isUnknown = conditions.contains(.settingsAreUnknown)
            health.settings = isUnknown ? health.settings ?? "a worker has read no settings.json of swingmusic's" : nil
        }
        return health
    }

    /// Tells the other processes what only this worker knows; about once a second, and before a look. Costs a look at a file's stamp.
    func noteConditions() {
        var conditions: WorkerConditions = []
        if let troubles = try? caches.get().troubles() {
            if troubles.isDiskFull {
                conditions.insert(.diskIsFull)
            } else if troubles.writeRefusal != nil {
                conditions.insert(.cacheIsRefused)
            }
            if troubles.storeFault != nil { conditions.insert(.storeIsUnused) }
        }
        if let shared = rateLimiter as? SharedRateLimiter, shared.fault != nil { conditions.insert(.sharedStoreIsUnused) }
        if case .own(let sessions) = sessions, !sessions.hasSettings { conditions.insert(.settingsAreUnknown) }
        scoreboard.note(conditions)
    }

    /// Writes down how it stands, where this is the process that does.
    func keepHistory(now: Int64 = SystemClock().wall.milliseconds) {
        guard let history, history.isWriter() else { return }
        let (counts, workers, limiter) = (scoreboard.sum, scoreboard.workers, try? rateLimiter.status())
        let records = (try? caches.get())?.statistics().services.first { $0.cache == .spotify }
        var look = StatusHistory.Sample()
        (look[.memory], look[.dragonfly], look[.sqlite]) = (counts[.memory], counts[.dragonfly], counts[.sqlite])
        (look[.stored], look[.collapsed], look[.unanswered]) = (counts[.stored], counts[.collapsed], counts[.unanswered])
        (look[.failed], look[.answered], look[.calls]) = (counts.failed, counts.answered, counts.calls)
        let timings = scoreboard.timingSums
        let waits = timings.waits(haveLeft: false)
        (look[.waits], look[.waitMicroseconds]) = (waits.count, UInt64(max(0, waits.seconds * 1e6)))
        for family in [Counter.Family.spotify, .catalog] {
            for outcome in RequestOutcome.allCases {
                let answers = timings.requests(family, outcome)
                look[.timed] &+= answers.count
                look[.timedMicroseconds] &+= UInt64(max(0, answers.seconds * 1e6))
            }
        }
        func whole(_ number: Int) -> UInt64 { UInt64(max(0, number)) }
        if let limiter {
            (look[.callsInWindow], look[.budget]) = (whole(limiter.callsInWindow), whole(limiter.callsPerWindow))
            look[.callMicroseconds] = whole(Int(limiter.callTime.wholeNanoseconds / 1000))
            (look[.coolingDown], look[.queued]) = (limiter.cooldown == nil ? 0 : 1, whole(limiter.waiting.values.reduce(0, +)))
        }
        (look[.records], look[.recordBytes]) = (whole(records?.entries ?? 0), whole(Int(records?.bytes ?? 0)))
        let looks = workers.map { WorkerLook($0, now: now) }
        look[.residentBytes] = UInt64(max(0, looks.reduce(0) { $0 + $1.residentBytes }))
        (look[.workers], look[.parked]) = (whole(workers.count), whole(looks.reduce(0) { $0 + $1.parked }))
        history.note(look, now: now)
    }

    private static let files = ["cache.db", "cache.db-wal", "limiter.db", "limiter.db-journal", "sessions.db", "sessions.db-journal"]
}

/// Why a process looks at an installation without its caches.
public struct CachesAreNotOpen: Error, Sendable {
    /// nil where they can be read, as far as is known.
    public let reason: String?

    public init(reason: String?) { self.reason = reason }
}

extension Result {
    fileprivate var fault: String? {
        if case .failure(let error) = self { "\(error)" } else { nil }
    }
}
