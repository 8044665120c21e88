import GRDB
import Glibc
import Logging
import Platform
import Synchronization

/// The shared limiter and queue: one SQLite file that every process of the host locks for each permit.
///
/// A `FileRateLimiter` may be used from any thread; its calls are carried out one after the other, wait up to two
/// seconds for a locked file, and write with an fsync, so none of them belongs on an event thread. Every call
/// that throws has changed nothing and granted nothing. The file is opened when it is needed and opened anew
/// after an error, so that a file that was repaired is used at the next call.
public final class FileRateLimiter: Sendable {
    let file: LimiterDatabase
    let rateLimit: RateLimit
    /// How many callers' lookups may wait; renewals and warming may each have half as many besides.
    let queueLimit: Int
    let leaseLifetime: Duration
    /// Which lookups may share a call; nil: none.
    let batches: Batches?
    /// Whether a mark in the file is of the credentials that this process has.
    let isOurs: @Sendable (_ mark: String) -> Bool
    let clock: any HostClock
    let log: Logger
    let sending: SendingLock
    /// Guards what this process knows by itself.
    let memory = Mutex(Memory())

    /// What holds even if the file is lost or exchanged under a running process.
    struct Memory {
        var newestGrant: BootTime?
        var cooldown: BootTime?
        var cooldownIsSaved = true
        /// How long it lately took from reading the clock to having the grant on disk, where that is slow.
        var commit = Duration.zero
        /// So long before a call is due its permit is asked for: twice what it lately took to write one, since timers are late, too.
        var ahead = Duration.zero
    }

    /// - Parameters:
    ///   - path: the file.
    ///   - creating: whether to create it, with mode 0600, when it is not there. False is for those who only look
    ///     and may run as another user than the workers.
    ///   - queueLimit: how many callers' lookups may wait.
    ///   - leaseLifetime: after this time a lookup that its worker did not finish falls to another.
    ///   - batches: which lookups may share a call, where the file says that they may; nil: none.
    ///   - isOurs: whether a mark, as `backOff` was given one for a token, is of the credentials that this process has.
    /// - Throws: `settings` for values that make no sense. A file that cannot be used does not throw here: it is
    ///   logged, and every call throws the cause until the file can be used.
    public init(
        path: String, rateLimit: RateLimit, queueLimit: Int, leaseLifetime: Duration, batches: Batches? = nil,
        isOurs: @escaping @Sendable (_ mark: String) -> Bool = { _ in true }, clock: any HostClock = SystemClock(), creating: Bool = true,
        log: Logger
    ) throws(RateLimiterError) {
        if let fault = rateLimit.fault { throw .settings(fault) }
        if queueLimit < 1 { throw .settings("the queue holds fewer than one lookup") }
        if leaseLifetime <= .zero { throw .settings("leases end when they begin") }
        self.rateLimit = rateLimit
        self.queueLimit = queueLimit
        self.leaseLifetime = leaseLifetime
        self.batches = batches
        self.isOurs = isOurs
        self.clock = clock
        self.log = log
        sending = SendingLock(path: path + ".sending", clock: clock, log: log)
        file = LimiterDatabase(path: path, patience: .seconds(2), creating: creating, clock: clock, log: log)
        _ = try? file.changeCounter()  // opens the file; a failure has been logged
    }

    /// Differs from the last value when another process (or another `FileRateLimiter`) changed the file, or when the
    /// file was opened anew; changes through this `FileRateLimiter` do not show. Costs about as much as two fcntl(2)
    /// locks and one small read.
    public func changeCounter() throws(RateLimiterError) -> Int64 {
        try file.changeCounter()
    }

    // MARK: Permits and what becomes of them

    /// Asks for the right to make one call: checks the pace and the cooldown, picks the most urgent lookup,
    /// leases it and spends the slot, in one immediate transaction. A denial writes nothing.
    ///
    /// Who is granted a permit tells `endSending` as soon as its request was handed to the kernel, or will not be: until then nobody else, of
    /// any process, is granted one, and the next one counts from then.
    ///
    /// - Parameter worker: the name of the asking process, for the head start: the worker that made the last
    ///   call may have the next permit as soon as it is due, the others some milliseconds later.
    public func permit(worker: String) throws(RateLimiterError) -> Permit {
        if let pause = try atSending({ () throws(SystemError) in try sending.begin() }) { return .wait(pause, .turnOfAnother) }
        let note = sending.read()
        do {
            let permit = try decidedPermit(worker: worker)
            if case .wait = permit { sending.end() }
            return permit
        } catch {
            // What was to be granted was not; what is known of the grant before it still holds.
            if let note { try? sending.write(note) }
            sending.end()
            throw error
        }
    }

    /// The call of the last permit leaves nobody else waiting any more. Costs no transaction.
    /// - Parameter wasSent: its request has been handed to the kernel; else it will not be.
    public func endSending(wasSent: Bool) {
        let now = clock.boot
        sending.end(sentAt: wasSent ? now : nil)
        if wasSent { memory.withLock { $0.newestGrant = $0.newestGrant.map { max($0, now) } } }
    }

    func atSending<Value>(_ body: () throws(SystemError) -> Value) throws(RateLimiterError) -> Value {
        do { return try body() } catch { throw .file(.cannotOpen("the lock beside it: \(error)")) }
    }

    private func decidedPermit(worker: String) throws(RateLimiterError) -> Permit {
        let begin = clock.boot
        let (lead, ahead) = memory.withLock { ($0.commit, $0.ahead) }
        var (read, due) = (begin, begin)
        let unsaved = memory.withLock { $0.cooldownIsSaved ? nil : $0.cooldown }
        var permit: Permit = try file.write { transaction in
            read = transaction.now
            try sending.countAbandoned(transaction)
            if let unsaved { try save(cooldown: unsaved, transaction) }
            switch try decision(transaction, worker: worker, ahead: ahead) {
            case .nothing: return .wait(Self.emptyWait, .empty)
            case .wait(let until, let reason): return .wait(until - transaction.now - ahead, reason)
            case .grant(let background):
                let slot = rateLimit.nextSlot(
                    background: background, history: try history(transaction, for: rateLimit), blocks: try blocks(transaction))
                due = slot.instant
                // What is learned meanwhile may hold longer than anybody waits here.
                guard due <= read + ahead else { return .wait(due - read, slot.reason) }
                let permit = try grant(transaction, worker: worker, background: background, at: max(read + lead, due))
                // Its lookup is free only in a moment.
                return permit ?? .wait(ahead > .zero ? ahead : Self.emptyWait, .turnOfAnother)
            }
        }
        if unsaved != nil { memory.withLock { $0.cooldownIsSaved = $0.cooldown == unsaved } }
        if case .granted(var lease) = permit {
            noteGrant(lease, begin: begin, read: read)
            // It is written some milliseconds before it is due; the rest is waited for here.
            if due > read { lease.waited = wait(until: due) }
            permit = .granted(lease)
        }
        return permit
    }

    /// - Returns: how long that took.
    private func wait(until due: BootTime) -> Duration {
        let begin = clock.boot
        while case let left = due - clock.boot, left > .zero { usleep(UInt32(clamping: left.wholeNanoseconds / 1000 + 1)) }
        return clock.boot - begin
    }

    private static let longestAhead = Duration.milliseconds(5)

    /// What `permit` would say now. Reads only, but where a process died with a call on its way.
    public func peek(worker: String) throws(RateLimiterError) -> Prospect {
        try countAbandoned()
        let ahead = memory.withLock { $0.ahead }
        let prospect: Prospect = try file.read { transaction in
            switch try decision(transaction, worker: worker, ahead: ahead) {
            case .nothing: .wait(Self.emptyWait, .empty)
            case .wait(let until, let reason): .wait(until - transaction.now - ahead, reason)
            case .grant: .due
            }
        }
        guard prospect == .due, let pause = try atSending({ () throws(SystemError) in try sending.pause() }) else { return prospect }
        return .wait(pause, .turnOfAnother)
    }

    /// A call whose process died counts from when that is seen first. Said anew at each look, its slot would never end.
    func countAbandoned() throws(RateLimiterError) {
        guard let note = sending.read(), note.sentAt == nil else {
            return try atSending { () throws(SystemError) in try sending.settleIfFree() }
        }
        guard try atSending({ () throws(SystemError) in try sending.begin(seeing: note) }) == nil else { return }
        defer { sending.end() }
        try file.read { try sending.countAbandoned($0) }
    }

    /// The permit was not used within `Lease.freshness`. The slot is gone; the lookups of its call are free again at once and
    /// the attempt is not counted. Nothing happens when the lease is no longer current.
    public func losePermit(_ lease: Lease) throws(RateLimiterError) {
        try file.write { transaction in for lease in lease.all { try transaction.release(lease) } }
    }

    /// Ends leases that share a number, each in its way, in one transaction.
    ///
    /// - Parameter store: runs inside the transaction, unless none of them is current: what it writes elsewhere
    ///   is written while no other worker can take the lookups over. It must not call this limiter. When it
    ///   throws, nothing is changed and `storing` is thrown. It is given the keys of those that are current.
    /// - Parameter others: asked after that: the keys of other lookups that are answered by it, too. Those that nobody has leased leave the queue.
    /// - Returns: the keys of those that were current. The others ran out and another worker has them, or the lookups are gone.
    public func finish(
        _ endings: [(lease: Lease, result: LeaseResult)], storing store: (Set<String>) throws -> Void, answering others: () -> [String]
    ) throws(RateLimiterError) -> Set<String> {
        var wasRefused = false
        let current: Set<String> = try file.write { transaction in
            let current = try endings.filter { try transaction.isCurrent($0.lease) }
            let keys = Set(current.map(\.lease.key))
            guard !keys.isEmpty else { return [] }
            do { try store(keys) } catch { throw RateLimiterError.storing(error) }
            for (lease, result) in current where try transaction.end(lease, result) { wasRefused = true }
            if let (lease, _) = current.first(where: { $0.result.isAnswer }) { try transaction.noteAnswer(to: lease) }
            for key in others() where !keys.contains(key) { try transaction.removeUnleased(key) }
            return keys
        }
        if wasRefused { sayServed() }
        return current
    }

    /// Takes the whole window to be spent, for a file that does not know the latest calls: nothing is granted until a window has passed.
    public func spendWindow() throws(RateLimiterError) {
        try file.write { transaction in
            for _ in 0..<rateLimit.callsPerWindow {
                try transaction.spend(at: transaction.now, background: false, worker: Transaction.assumedByRestore, rateLimit: rateLimit)
            }
        }
    }

    /// When to look again at an empty queue: another process may have died and left something in it.
    private static var emptyWait: Duration { .seconds(10) }

    private func decision(_ transaction: Transaction, worker: String, ahead: Duration) throws -> Decision {
        let last = try transaction.lastWorker()
        let headStart = last == nil || last == worker ? .zero : rateLimit.headStart
        return try decision(transaction, rateLimit: rateLimit, headStart: headStart, ahead: ahead)
    }

    /// - Parameter ahead: as it will be in so long, if nothing happens.
    func decision(_ transaction: Transaction, rateLimit: RateLimit, headStart: Duration, ahead: Duration = .zero) throws -> Decision {
        let now = transaction.now + ahead
        let history = try history(transaction, for: rateLimit)
        let blocks = try blocks(transaction)
        func candidate(background: Bool) throws -> Candidate {
            Candidate(
                nextSlot: rateLimit.nextSlot(background: background, history: history, blocks: blocks),
                ready: try transaction.readiness(background: background))
        }
        if let control = try transaction.control() {
            guard try transaction.hasOthersThanControl() else { return .nothing }
            let slot = rateLimit.nextSlot(background: false, history: history, blocks: blocks)
            return RateLimit.decide(
                now: now, callers: Candidate(nextSlot: slot, ready: control),
                background: Candidate(nextSlot: slot, ready: nil), headStart: headStart)
        }
        return RateLimit.decide(
            now: now, callers: try candidate(background: false), background: try candidate(background: true),
            headStart: headStart)
    }

    /// Writes a cooldown that could not be written when Spotify asked for it.
    func save(cooldown: BootTime, _ transaction: Transaction) throws {
        guard cooldown > transaction.now else { return }
        let earlier = try transaction.pause(.cooldown)
        try transaction.set(
            .cooldown,
            Backoff.after(earlier, now: transaction.now, told: cooldown - transaction.now, growth: .cooldown))
    }

    private func grant(_ transaction: Transaction, worker: String, background: Bool, at instant: BootTime) throws -> Permit? {
        guard let pick = try transaction.pickControl() ?? transaction.pick(background: background) else { return nil }
        let places = try transaction.places(of: pick, batches)
        let others = try transaction.companions(of: pick, batches, places: places)
        let number = try transaction.lease(pick, with: others, until: instant + leaseLifetime)
        try sending.correctGrant(transaction)
        let id = try transaction.spend(at: instant, background: background, worker: worker, rateLimit: rateLimit)
        try transaction.tidy()
        // Before the commit: a grant that nobody tells of may have been used.
        try sending.write(.init(bootID: transaction.moment.bootID, id: id, grantedAt: instant, sentAt: nil))
        func lease(_ pick: Pick, _ others: [Lease] = [], places: Int = 1) -> Lease {
            Lease(
                key: pick.key, number: number, attempt: pick.attempts + 1, priority: pick.rank, grantedAt: instant, others: others,
                places: places)
        }
        return .granted(lease(pick, others.map { lease($0) }, places: places))
    }

    /// Keeps the grant in mind, and how long it took to write. Where a disk needs longer for that than a permit
    /// stays fresh, the next grant is dated so much later: the pace counts from there, and no call leaves before
    /// the clock was read, so calls only come further apart.
    /// - Parameter read: when the clock was.
    private func noteGrant(_ lease: Lease, begin: BootTime, read: BootTime) {
        let now = clock.boot
        let took = now - read
        let slow = Lease.freshness / 2
        memory.withLock {
            $0.ahead = min(max((now - begin) * 2, $0.ahead * 7 / 8), Self.longestAhead, rateLimit.headStart / 2)
            $0.newestGrant = lease.grantedAt
            $0.commit = min(max(took > slow ? took + slow : .zero, $0.commit / 2), .seconds(2))
            if $0.commit < .milliseconds(1) { $0.commit = .zero }
        }
    }

    // What a limiter knows when it decides: the file's word, and this process's own where that is stricter.

    func history(_ transaction: Transaction, for rateLimit: RateLimit) throws -> History {
        var history = try transaction.history(for: rateLimit)
        if let late = try sending.late(transaction) { history.move(late.grantedAt, to: late.sentAt) }
        let known = memory.withLock { $0.newestGrant }
        if let known { history.newest = max(known, history.newest ?? known) }
        return history
    }

    func blocks(_ transaction: Transaction) throws -> Blocks {
        let now = transaction.now
        let known = memory.withLock { $0.cooldown }
        let told = try transaction.pause(.cooldown)?.until
        let upstream = try transaction.pause(.upstream)?.until
        let account = try transaction.pause(.account)?.until
        // Without a token no call can be made before the next attempt to get one.
        let token = try transaction.hasToken() ? nil : tokenPause(transaction)?.until
        return Blocks(
            cooldown: [known, told].compactMap { $0 }.filter { $0 > now }.max(),
            outage: [upstream, token, account].compactMap { $0 }.filter { $0 > now }.max())
    }

    func forecast(_ transaction: Transaction) throws -> Forecast {
        let history = try history(transaction, for: rateLimit)
        let blocks = try blocks(transaction)
        return Forecast(
            rateLimit: rateLimit, now: transaction.now,
            callers: rateLimit.nextSlot(background: false, history: history, blocks: blocks),
            background: rateLimit.nextSlot(background: true, history: history, blocks: blocks),
            grant: transaction.grant)
    }

    // MARK: Small things learned that all workers should know, such as the account's mode or a closed endpoint

    /// Keeps a value under a name.
    ///
    /// - Parameter until: wall-clock milliseconds from which it is forgotten; nil: never.
    public func remember(_ fact: String, _ value: String, until: Int64?) throws(RateLimiterError) {
        try file.write { transaction in
            try transaction.run("DELETE FROM facts WHERE until <= ?", [transaction.now])
            try transaction.run(
                "INSERT OR REPLACE INTO facts (name, value, until) VALUES (?, ?, ?)",
                [fact, value, until.map(transaction.moment.instant(ofWall:))])
        }
    }

    /// The value under that name; nil when there is none or its time is over.
    public func recall(_ fact: String) throws(RateLimiterError) -> String? {
        try file.read { transaction in
            try transaction.one(
                "SELECT value FROM facts WHERE name = ? AND (until IS NULL OR until > ?)", [fact, transaction.now])
        }
    }

    /// Tells a data folder from those of other hosts that share turns, until this host starts again.
    public static func mark(ofFolder path: String) -> String { LimiterDatabase.mark(ofFolder: path, bootID: SystemClock().bootID) }

    /// How a `limiter.db` is known and got its tables.
    public static var schema: SchemaSteps { LimiterSchema.steps }
}

extension LeaseResult {
    var isAnswer: Bool {
        switch self {
        case .answered, .served: true
        case .failed, .givenBack: false
        }
    }
}

extension Transaction {
    /// - Returns: whether the account was refused before.
    fileprivate func end(_ lease: Lease, _ result: LeaseResult) throws -> Bool {
        switch result {
        case .answered: try leave(lease)
        case .served(let known):
            try leave(lease)
            return try noteServed(known)
        case .failed(let reason, let retryAfter, let final): try suspend(lease, reason: reason, pause: retryAfter, final: final)
        case .givenBack(let most): try giveBack(lease, together: most)
        }
        return false
    }
}

/// The calls of the last window, in `limiter.db`.
extension Transaction {
    /// In the worker's place of calls that nobody may have made.
    static let assumedByRestore = "restore"

    /// The n-th newest call, counted from 1. Ids have no gaps, so it is found without counting.
    fileprivate func grant(_ place: Int) throws -> BootTime? {
        guard place > 0 else { return nil }
        return try one("SELECT instant FROM grants WHERE id = (SELECT max(id) FROM grants) - ?", [place - 1])
    }

    fileprivate func history(for rateLimit: RateLimit) throws -> History {
        History(
            newest: try grant(1),
            newestBackground: try one("SELECT instant FROM grants WHERE background ORDER BY id DESC LIMIT 1"),
            atLimit: try grant(rateLimit.callsPerWindow),
            atShare: try grant(rateLimit.backgroundLimit),
            atHalfShare: try grant(max(1, rateLimit.backgroundLimit / 2)))
    }

    /// The worker that made the newest call.
    fileprivate func lastWorker() throws -> String? {
        try one("SELECT worker FROM grants ORDER BY id DESC LIMIT 1")
    }

    func callsInWindow(of rateLimit: RateLimit) throws -> Int {
        try one("SELECT count(*) FROM grants WHERE instant > ?", [now - rateLimit.countedWindow]) ?? 0
    }

    /// Spends a slot at `instant`, and forgets calls that left the window (never the newest: it holds the interval). Answers its number.
    @discardableResult
    func spend(at instant: BootTime, background: Bool, worker: String, rateLimit: RateLimit) throws -> Int64 {
        let id = try one(
            """
            INSERT INTO grants (id, instant, background, worker)
            SELECT coalesce(max(id), 0) + 1, ?, ?, ? FROM grants RETURNING id
            """, [instant, background, worker], as: Int64.self)
        guard let id else { throw DatabaseFault.damaged("a grant has no number") }
        try run(
            """
            DELETE FROM grants WHERE id <= (
                SELECT max(id) FROM (SELECT id, instant FROM grants ORDER BY id LIMIT 64) WHERE instant <= ?)
            AND id < (SELECT max(id) FROM grants)
            """, [now - rateLimit.countedWindow])
        return id
    }
}
