import Glibc
import Logging
import Platform
import RESP
import Synchronization

/// The limiter of several hosts that share one Spotify account.
///
/// The store arbitrates, the hosts remember. Each host keeps its own queue, pauses and facts in its own `limiter.db`, as one host alone does, and in the
/// same file every call of every host that it has seen, dated by its own clock (`Sighting`). When that file allows a call, the host asks the store
/// for the next turn by number, and for the lookup, and has them only if nobody was first. What one host fetches is a record for all.
///
/// Where the store cannot be used nobody of this host is granted a permit, `status` says why, and nothing else minds.
public final class SharedRateLimiter: RateLimiter {
    let local: FileRateLimiter
    let host: String
    /// Of the calls of this process.
    let caller: String
    let seal: StoreSeal
    let exchange: RecordExchange
    let clock: any HostClock
    let trouble: LogOnce
    /// Guards the connection, and what goes with it; held through each exchange with the store.
    let state: Mutex<State>
    private let isStopped = Monitor(false)
    /// Of the call that is on its way.
    private let won = Mutex<WonTurn?>(nil)
    /// As it was after the last look, so that nobody who asks waits for the store.
    let standing: Mutex<SharedStanding>
    /// How often what another host fetched has answered a lookup of this one.
    let adoptions = Atomic<Int64>(0)

    struct State {
        let store: SharedStore
        /// Why the store cannot be used; nil while it can.
        var fault: StoreFault? = .unreachable("it has not been asked yet")
        var faultBegan: MonotonicTime
        var lookedAt = MonotonicTime(nanoseconds: 0)
        var nextHost = ""
        var hosts: HostWatch
        /// As the file has them.
        var savedHosts: [String: BootTime] = [:]
        /// Lookups that another host had, and under which lease.
        var taken: [String: String] = [:]
        /// How urgent the store was told that this host's lookups are.
        var told: Priority??
        /// A cooldown that the store could not be told of, and its end.
        var untold: (cooldown: SharedCooldown, end: BootTime)?
        /// The pace of all, and how long a look took.
        var rateLimit: RateLimit
        var roundTrip: Duration?
        /// How long it lately took to lease a lookup in the file.
        var lead = Duration.zero
        /// This process has said goodbye.
        var hasLeft = false
        /// This process has looked at the store once, and has told the others of this host.
        var hasBegun = false
        var isNamed = false
        /// The data folder as this process has known it, which may be moved under it.
        var folders: Set<String> = []
        /// Since when this process has known of the last turn, and for how long nobody had called when it last said so.
        var lull: Lull?
        /// The cooldown that the store tells of, and when it ends as far as this process has seen.
        var toldCooldown: (name: String, end: BootTime)?
        /// This process has held what this host knows against all that the store lists.
        var hasCompared = false
        var unfinished: [Unfinished] = []
    }

    struct Lull {
        var epoch: String
        var turn: Int64
        var since: BootTime
        var said = Duration.zero
    }

    struct Unfinished {
        var lookup: String
        var turn: Int64
        var isAnswered: Bool
    }

    /// How records get out of this host's caches and into them.
    public struct RecordExchange: Sendable {
        /// The record of a lookup that was answered, for the other hosts; nil: there is none to share.
        public var export: @Sendable (_ lookup: String) -> [UInt8]?
        /// Keeps what another host has exported. Answers whether that is news here.
        public var adopt: @Sendable (_ lookup: String, _ record: [UInt8]) throws -> Bool
        /// How long the store keeps it for the others.
        public var lifetime: Duration

        /// As its members say.
        public init(
            lifetime: Duration, export: @escaping @Sendable (_ lookup: String) -> [UInt8]?,
            adopt: @escaping @Sendable (_ lookup: String, _ record: [UInt8]) throws -> Bool
        ) {
            (self.lifetime, self.export, self.adopt) = (lifetime, export, adopt)
        }
    }

    /// Looks at the store, as far as it can be reached, and begins to follow it.
    ///
    /// - Parameters:
    ///   - local: this host's own, which nobody uses beside this one.
    public init(_ local: FileRateLimiter, sharing share: SharedAccount, exchange: RecordExchange, log: Logger) throws {
        self.local = local
        host = share.host
        caller = CallName.newCaller(of: share.host)
        self.exchange = exchange
        clock = local.clock
        seal = share.seal
        trouble = LogOnce(log)
        let known = (try? local.file.read { try $0.hosts() }) ?? [:]
        let card = share.card(local.rateLimit, folder: local.file.mark)
        let store = SharedStore(
            share.endpoint, keys: share.keys, host: share.host, caller: caller, card: card, longestRoundTrip: local.rateLimit.headStart)
        standing = Mutex(SharedStanding(host: share.host))
        state = Mutex(
            State(
                store: store, faultBegan: SystemClock().monotonic, hosts: HostWatch(known: known), savedHosts: known,
                rateLimit: local.rateLimit))
        try? look()
        _ = try WorkerThread.start(named: "hosts", stackSize: 512 << 10) { [weak self, isStopped] in
            var channel: RedisConnection?
            while !isStopped.withLock({ $0 }) {
                guard let pause = self?.follow(&channel) else { return }
                if pause > .zero, isStopped.wait(within: pause, { $0 ? true : nil }) != nil { return }
            }
        }
    }

    deinit { isStopped.update { $0 = true } }

    /// Says goodbye: the others need not reckon with this host any more.
    public func close() {
        isStopped.update { $0 = true }
        state.withLock { state in
            try? state.store.leave()
            state.store.disconnect()
            state.fault = .unreachable("this host has left")
            state.hasLeft = true
        }
    }

    // MARK: Permits

    public func permit(worker: String) throws(RateLimiterError) -> Permit {
        if let pause = try local.beginSending() { return .wait(pause, .turnOfAnother) }
        do {
            let permit = try state.withLock { state throws(RateLimiterError) in try firstWon(worker, &state) }
            // A turn may have been won and lost: nothing is sent.
            if case .wait = permit { endSending(wasSent: false) }
            return permit
        } catch {
            endSending(wasSent: false)
            guard case .store = error else { throw error }
            return .wait(Self.shortPause, .backoff)
        }
    }

    public func peek(worker: String) throws(RateLimiterError) -> Prospect {
        try local.countAbandoned()
        return try state.withLock { state throws(RateLimiterError) in
            if let pause = pause(state) { return .wait(pause, .backoff) }
            switch try chance(worker, state, ahead: state.lead) {
            case .wait(let length, let reason): return .wait(length - state.lead, reason)
            case .due: return .due
            }
        }
    }

    /// While the store cannot be used. It may only be started anew; after a while who waits is told that it takes longer.
    private func pause(_ state: borrowing State) -> Duration? {
        guard state.fault != nil else { return nil }
        return SystemClock().monotonic - state.faultBegan < Self.restart ? Self.shortPause : Self.longPause
    }

    private static let restart = Duration.seconds(5)
    private static let shortPause = Duration.milliseconds(250)
    private static let longPause = Duration.seconds(30)

    public func endSending(wasSent: Bool) {
        enterTurn()
        local.endSending(wasSent: wasSent)
    }

    /// A lookup that another host has, or that was answered meanwhile, makes way for the next one; this host spends nothing for that.
    private func firstWon(_ worker: String, _ state: inout State) throws(RateLimiterError) -> Permit {
        for _ in 0..<8 {
            if let pause = pause(state) { return .wait(pause, .backoff) }
            let chance: FileRateLimiter.Chance
            switch try self.chance(worker, state, ahead: state.lead) {
            case .wait(let length, let reason): return .wait(max(.zero, length - state.lead), reason)
            case .due(let due): chance = due
            }
            // A bell may have been lost.
            let seen = try adopt([chance.pick.key] + chance.others.map(\.key), &state)
            guard seen.adopted == 0 else { continue }
            let begin = clock.boot
            guard let reserved = try local.reserve(chance) else { continue }
            state.lead = min(max(clock.boot - begin, state.lead * 7 / 8), Self.longestLead)
            let reservedAt = clock.boot
            if let pause = try early(chance, state) {
                try local.losePermit(reserved)
                return pause
            }
            let waited = clock.boot - reservedAt
            switch try asked(for: reserved, chance, seen.codes, worker, &state) {
            case .granted(var lease)?:
                lease.waited = waited
                return .granted(lease)
            case .wait(let length, let reason)?: return .wait(length, reason)
            case nil: continue
            }
        }
        return .wait(.milliseconds(5), .turnOfAnother)
    }

    /// A disk's time was begun that much before the turn is due: the rest of it is waited for here. nil: it is due.
    private func early(_ chance: FileRateLimiter.Chance, _ state: borrowing State) throws(RateLimiterError) -> Permit? {
        while true {
            let slot = try local.slot(background: chance.isBackground, rateLimit: share(state), isNext: isNext(state))
            let length = slot.instant - clock.boot
            guard length > .zero else { return nil }
            // Somebody was first, or there is a pause now.
            guard length <= Self.longestLead else { return .wait(length, slot.reason) }
            usleep(UInt32(clamping: length.wholeNanoseconds / 1000 + 1))
        }
    }

    private static let longestLead = Duration.milliseconds(20)

    /// nil: it is for another try.
    private func asked(
        for reserved: Lease, _ chance: FileRateLimiter.Chance, _ seen: [String: [UInt8]], _ worker: String, _ state: inout State
    ) throws(RateLimiterError) -> Permit? {
        let asked = clock.boot
        let lease = state.taken[reserved.key]
        let turn: SharedStore.Turn
        do {
            turn = try atStore(&state) { store throws(StoreFault) in
                try store.turn(
                    chance.position, lookup: reserved.key, takingOver: lease, seen: seen, others: reserved.others.map(\.key),
                    gap: chance.gap,
                    isBackground: chance.isBackground, rankLeft: chance.rankLeft, keeping: Telling.room(local.rateLimit.callsPerWindow))
            }
        } catch {
            // Where it was won all the same, the next look shows it.
            try local.losePermit(reserved)
            throw error
        }
        switch turn {
        case .granted(let number, let nextHost, let shared):
            local.noteTurn(at: clock.boot)
            (state.nextHost, state.told) = (nextHost, .some(chance.rankLeft))
            state.taken[reserved.key] = nil
            return try granted(
                reserved, shared,
                WonTurn(
                    name: CallName(caller: caller, number: number), epoch: chance.position.epoch, isBackground: chance.isBackground,
                    worker: worker, pick: chance.pick, lease: reserved.number, unused: []
                ), asked, &state)
        case .answered: try local.losePermit(reserved)
        case .late:
            try local.losePermit(reserved)
            try look(&state)
        case .taken(let lease):
            try local.losePermit(reserved)
            state.taken[reserved.key] = lease
            try local.file.write { transaction in
                // From when this host saw that call, whichever of its processes hears of it.
                let began = try SharedStore.turn(ofLease: lease).flatMap { try transaction.instant(ofTurn: $0) } ?? transaction.now
                try transaction.yield(reserved.key, until: began + local.leaseLifetime)
            }
        }
        return nil
    }

    /// The turn is this host's. Whoever needed longer for it than the others keep off has lost it. It is entered when its bytes have left.
    private func granted(
        _ reserved: Lease, _ shared: Set<String>, _ turn: WonTurn, _ asked: BootTime, _ state: inout State
    ) throws(RateLimiterError) -> Permit {
        var turn = turn
        func lease(_ lease: Lease, _ others: [Lease] = []) -> Lease {
            Lease(
                key: lease.key, number: lease.number, attempt: lease.attempt, priority: lease.priority, grantedAt: asked, others: others,
                places: lease.places, freshUntil: asked + local.rateLimit.headStart, turn: turn.name.number)
        }
        let lease = lease(reserved, reserved.others.filter { shared.contains($0.key) }.map { lease($0) })
        turn.unused = reserved.others.filter { !shared.contains($0.key) }
        guard lease.isFresh(now: clock.boot) else {
            turn.unused = reserved.all
            won.withLock { $0 = turn }
            for lease in lease.all { finishInStore(Unfinished(lookup: lease.key, turn: turn.name.number, isAnswered: false), &state) }
            return .wait(local.rateLimit.interval, .interval)
        }
        won.withLock { $0 = turn }
        return .granted(lease)
    }

    /// Before anybody else of this host may be granted a permit.
    private func enterTurn() {
        guard
            let turn = won.withLock({ turn in
                defer { turn = nil }
                return turn
            })
        else { return }
        // What cannot be written has been logged; the next look at the store shows the turn.
        try? local.enter(turn)
    }

    /// What this host's own file allows now.
    /// - Parameter ahead: or will, in so long.
    private func chance(
        _ worker: String, _ state: borrowing State, ahead: Duration = .zero
    ) throws(RateLimiterError) -> FileRateLimiter.Prospects {
        let window = local.rateLimit.window
        let now = clock.boot
        if let end = state.hosts.undecided(now: now, window: window) { return .wait(end - now, .turnOfAnother) }
        return try local.prospects(of: worker, rateLimit: share(state), isNext: isNext(state), ahead: ahead)
    }

    /// The pace that is left to this host's side.
    private func share(_ state: borrowing State) -> RateLimit {
        HostWatch.share(of: state.rateLimit, silent: state.hosts.silent(now: clock.boot, window: local.rateLimit.window))
    }

    /// nil: it is nobody's turn before others.
    private func isNext(_ state: borrowing State) -> Bool? { state.nextHost.isEmpty ? nil : state.nextHost == host }

    public func losePermit(_ lease: Lease) throws(RateLimiterError) {
        try local.losePermit(lease)
        for lease in lease.all { finishInStore(lease, isAnswered: false) }
    }

    /// The leases that are looked at are this host's own; the store's are ended after them, with the records for the others. If the store is
    /// away, it is told later: the answer is paid for.
    public func finish(
        _ endings: [(lease: Lease, result: LeaseResult)], storing store: (Set<String>) throws -> Void, answering others: () -> [String]
    ) throws(RateLimiterError) -> Set<String> {
        var besides: [String] = []
        let current = try local.finish(endings, storing: store) {
            besides = others()
            return besides
        }
        state.withLock { state in
            for (lease, result) in endings {
                guard let turn = lease.turn else { continue }
                let isAnswered = result.isAnswer && current.contains(lease.key)
                finishInStore(Unfinished(lookup: lease.key, turn: turn, isAnswered: isAnswered), &state)
            }
            let keys = Set(endings.map(\.lease.key))
            if !current.isEmpty { leave(besides.filter { !keys.contains($0) }, &state) }
        }
        return current
    }

    /// What came with an answer, and that nobody had leased: another host may wait for it.
    private func leave(_ lookups: [String], _ state: inout State) {
        let records = lookups.prefix(Self.mostShared).compactMap { lookup in
            exchange.export(lookup).map { (lookup, seal.signed($0, of: lookup)) }
        }
        guard !records.isEmpty else { return }
        _ = try? atStore(&state) { store throws(StoreFault) in try store.put(records, keeping: exchange.lifetime) }
    }

    /// As many as a page of Spotify's lists has.
    private static let mostShared = 100

    public func closeBatches(of lease: Lease, for length: Duration) throws(RateLimiterError) {
        try local.closeBatches(of: lease, for: length)
    }
    public func batchSize(of key: String) throws(RateLimiterError) -> Int { try local.batchSize(of: key) }

    private func finishInStore(_ lease: Lease, isAnswered: Bool) {
        guard let turn = lease.turn else { return }
        state.withLock { finishInStore(Unfinished(lookup: lease.key, turn: turn, isAnswered: isAnswered), &$0) }
    }

    func finishInStore(_ done: Unfinished, _ state: inout State) {
        let record = done.isAnswered ? exchange.export(done.lookup).map { seal.signed($0, of: done.lookup) } : nil
        do {
            _ = try atStore(&state) { store throws(StoreFault) in
                try store.finish(
                    done.lookup, turn: done.turn, record: record, keeping: exchange.lifetime, isAnswered: done.isAnswered)
            }
        } catch {
            if state.unfinished.count < 256 { state.unfinished.append(done) }
        }
    }

    // MARK: Pauses and the token

    public func coolDown(_ retryAfter: Duration?, quotaExceeded: Bool) throws(RateLimiterError) -> Int64 {
        let before = clock.wall
        let end = try local.coolDown(retryAfter, quotaExceeded: quotaExceeded)
        let cooldown = SharedCooldown(
            name: RandomName.letters(bits: 60), length: WallTime(milliseconds: end) - before, quotaExceeded: quotaExceeded)
        state.withLock { state in
            do { try tell(cooldown, &state) } catch { state.untold = (cooldown, clock.boot + cooldown.length) }
        }
        return end
    }

    func tell(_ cooldown: SharedCooldown, _ state: inout State) throws(RateLimiterError) {
        let isLongest = try atStore(&state) { store throws(StoreFault) in try store.pause(cooldown) }
        // This host knows its own already.
        if isLongest { try local.file.write { try $0.note(cooldown) } }
    }

    public func claimTokenRenewal(refusing: String?, worker: String) throws(RateLimiterError) -> TokenClaim {
        let claim = try local.claimTokenRenewal(refusing: refusing, worker: worker)
        guard claim == .yours else { return claim }
        let sealed = state.withLock { state in try? atStore(&state) { store throws(StoreFault) in try store.token() } }
        guard let sealed, let found = seal.token(sealed), found.token != refusing else { return claim }
        let left = found.expiresAt - clock.wall
        guard left > .seconds(120), left <= .seconds(86_400) else { return claim }
        try local.storeToken(found.token, expiresIn: left, issuedFor: found.issuedFor, worker: worker)
        return try local.claimTokenRenewal(refusing: refusing, worker: worker)
    }

    public func storeToken(_ token: String, expiresIn: Duration, issuedFor: String, worker: String) throws(RateLimiterError) {
        try local.storeToken(token, expiresIn: expiresIn, issuedFor: issuedFor, worker: worker)
        guard let sealed = seal.seal(.init(token: token, expiresAt: clock.wall + expiresIn, issuedFor: issuedFor)) else { return }
        state.withLock { state in try? atStore(&state) { store throws(StoreFault) in try store.putToken(sealed) } }
    }

    // MARK: The queue

    public func enqueue(_ asks: [Ask]) throws(RateLimiterError) -> [Admission] {
        let admissions = try local.enqueue(asks)
        // What another host has fetched already need not be fetched.
        let fresh = zip(asks, admissions).compactMap { ask, admission in
            if case .queued(_, _, wasQueued: false) = admission { ask.key } else { nil as String? }
        }
        if !fresh.isEmpty { try? adopt(fresh) }
        state.withLock { tellRank(&$0) }
        return admissions
    }

    public func enqueue(_ key: String, inPlaceOf others: [String], fewest: Int) throws(RateLimiterError) -> Bool {
        try local.enqueue(key, inPlaceOf: others, fewest: fewest)
    }

    func tellRank(_ state: inout State) {
        guard state.fault == nil, let (position, rank) = try? local.file.read({ (try $0.position(), try $0.bestRank()) }), let position,
            state.told != .some(rank)
        else { return }
        do {
            try atStore(&state) { store throws(StoreFault) in try store.want(rank, epoch: position.epoch) }
            state.told = .some(rank)
        } catch { state.told = nil }
    }

    // MARK: What is this host's own

    public func changeCounter() throws(RateLimiterError) -> Int64 {
        try local.changeCounter() &+ adoptions.load(ordering: .relaxed) &<< 48
    }
    public func states(of keys: [String], estimating: Bool) throws(RateLimiterError) -> [LookupState] {
        try local.states(of: keys, estimating: estimating)
    }
    public func queued(atMost most: Int, failed: Bool?) throws(RateLimiterError) -> [QueuedLookup] {
        try local.queued(atMost: most, failed: failed)
    }
    public func backOff(_ outage: Outage, told: Duration?) throws(RateLimiterError) -> Int64 { try local.backOff(outage, told: told) }
    public func remember(_ fact: String, _ value: String, until: Int64?) throws(RateLimiterError) {
        try local.remember(fact, value, until: until)
    }
    public func recall(_ fact: String) throws(RateLimiterError) -> String? { try local.recall(fact) }
    /// Why the store cannot be used; nil: it can. Waits for nothing.
    public var fault: String? { standing.withLock { $0.fault } }

    public func status() throws(RateLimiterError) -> RateLimiterStatus {
        var status = try local.status()
        status.shared = standing.withLock { $0 }.joined(with: status.shared)
        return status
    }

    public func suspectAccount(
        _ lease: Lease, refusal: String, reason: String, saysSo: Bool
    ) throws(RateLimiterError) -> Suspicion {
        let suspicion = try local.suspectAccount(lease, refusal: refusal, reason: reason, saysSo: saysSo)
        switch suspicion {
        case .examined, .confirmed: finishInStore(lease, isAnswered: false)
        case .unfounded, .stale: break
        }
        return suspicion
    }

    public func confirmAccountRefusal(_ lease: Lease, reason: String) throws(RateLimiterError) -> Int64? {
        let end = try local.confirmAccountRefusal(lease, reason: reason)
        finishInStore(lease, isAnswered: false)
        return end
    }

    public func clearAccount(
        _ lease: Lease, known: String?, storing store: (SuspectedRefusal?) throws -> Void
    ) throws(RateLimiterError) -> Bool {
        let isCurrent = try local.clearAccount(lease, known: known, storing: store)
        finishInStore(lease, isAnswered: isCurrent)
        return isCurrent
    }

    // MARK: The store

    /// After a fault the store is left alone, and nobody is granted a permit, before the next look.
    func atStore<Value: Sendable>(
        _ state: inout State, looking: Bool = false, _ body: (SharedStore) throws(StoreFault) -> Value
    ) throws(RateLimiterError) -> Value {
        if let fault = state.fault, !looking || state.hasLeft { throw .store(fault) }
        do {
            return try body(state.store)
        } catch {
            if state.fault == nil { state.faultBegan = SystemClock().monotonic }
            state.fault = error
            state.told = nil
            standing.withLock { $0.fault = error.description }
            trouble.raise(error.description, now: clock.wall, "No lookups: the shared store cannot be used: \(error)")
            throw .store(error)
        }
    }
}
