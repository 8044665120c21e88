import Caching
import JSON
import Logging
import Platform
import RateLimiting
import Spotify

/// The one thread of a worker that queues lookups, takes permits and talks to Spotify. Nothing that it waits for is waited for
/// by an event thread.
final class LookupThread: Sendable {
    private let inbox: LookupInbox
    private let thread: WorkerThread

    /// Longer than the limiter's file is waited for, and well within what a worker has to stop.
    private static let stopLimit = Duration.seconds(5)

    /// Starts the thread.
    init(
        inbox: LookupInbox, recordStore: RecordStore, rateLimiter: any RateLimiter, configuration: CatalogConfiguration,
        clock: any HostClock, log: Logger
    ) throws(SystemError) {
        self.inbox = inbox
        thread = try WorkerThread.start(named: "lookup") {
            do {
                // The loop and its Spotify client belong to this thread alone, so they are made on it.
                let client = try SpotifyClient(endpoints: configuration.endpoints, log: log)
                LookupLoop(
                    inbox: inbox, recordStore: recordStore, rateLimiter: rateLimiter, client: client, configuration: configuration,
                    clock: clock, log: log
                ).run()
            } catch {
                log.critical("the Spotify client cannot start: \(error)")
            }
        }
    }

    /// Ends the thread after what it is just doing; calls in flight are given up, their leases fall to other workers.
    func stop() {
        inbox.stop()
        thread.join(within: Self.stopLimit)
    }
}

/// Carries out what `LookupScheduler` decides, round by round: what callers left, what other workers fetched, a permit when one is due,
/// then the network or the bell. Confined to its thread.
package final class LookupLoop {
    private let inbox: LookupInbox
    private let recordStore: RecordStore
    private let rateLimiter: any RateLimiter
    private let configuration: CatalogConfiguration
    private let clock: any HostClock
    private let log: Logger
    /// The limiter's file cannot be used.
    private let trouble: LogOnce
    /// Answers wait in memory for `cache.db`.
    private let waitingAnswers: LogOnce
    private var nextDrainAt = MonotonicTime(nanoseconds: 0)
    private let client: any SpotifyCalls
    private let tokens: AccessTokenProvider?
    /// Calls for playlists, which the connected account may make.
    private var account: AccountCalls?
    private var scheduler: LookupScheduler
    private let renewalReader: RenewalReader
    private var albumSearches = AlbumSearches()
    private var uses: UsageLog
    private var accountMode: AccountMode?
    private var nextModeLook = MonotonicTime(nanoseconds: 0)
    private var freePlaces: FreePlaces
    /// The token of the call that is about to begin, and of those that have begun.
    private var token = ""
    private var tokensOfCalls: [Int: String] = [:]
    /// When calls were begun, or sent.
    private var beginnings: [Int: MonotonicTime] = [:]
    /// When the call was sent whose end is being carried out.
    private var sentAt: MonotonicTime?
    /// What the call at the gate is told, and how long its permit is good.
    private var gate = Gate.hold
    private var permitEnd = BootTime.never
    /// Why the call at the gate is made.
    private var reason = Priority.caller

    init(
        inbox: LookupInbox, recordStore: RecordStore, rateLimiter: any RateLimiter, client: any SpotifyCalls,
        configuration: CatalogConfiguration, clock: any HostClock, log: Logger
    ) {
        self.inbox = inbox
        self.recordStore = recordStore
        self.rateLimiter = rateLimiter
        self.configuration = configuration
        self.clock = clock
        self.log = log
        trouble = LogOnce(log)
        waitingAnswers = LogOnce(log)
        self.client = client
        tokens = configuration.credentials.map {
            AccessTokenProvider(credentials: $0, rateLimiter: rateLimiter, worker: configuration.worker, clock: clock)
        }
        account = configuration.credentials.flatMap { credentials in
            configuration.account.map {
                AccountCalls(
                    AccountTokenProvider(file: $0, credentials: credentials, rateLimiter: rateLimiter, clock: clock, log: log),
                    recordStore.privateRecords)
            }
        }
        let plan = RenewalPlan(ttl: configuration.recordTTL)
        scheduler = LookupScheduler(hasCredentials: configuration.credentials != nil, plan: plan, clock: clock)
        freePlaces = FreePlaces(recordStore: recordStore, plan: plan, clock: clock)
        renewalReader = RenewalReader(recordStore: recordStore, plan: plan, clock: clock)
        uses = UsageLog(caches: recordStore.caches, tolerance: plan.tolerance, apart: plan.apart, clock: clock)
    }

    /// Goes on until the inbox is told to stop.
    package func run() {
        while true {
            let contents = inbox.collect()
            if contents.stopping { return }
            tendSpool()
            for number in contents.departures { scheduler.leave(number) }
            if !contents.arrivals.isEmpty { admit(contents.arrivals) }
            renew(contents.due)
            uses.add(contents.used)
            uses.step()
            recordStore.filledRecords.purge(now: clock.monotonic)
            renewAhead()
            askAgain()
            carryOut(scheduler.watchOthers())
            carryOut(scheduler.seekPermit(activeCalls: client.active))
            client.poll(for: pause, wake: inbox.bell)
        }
    }

    private var pause: Duration {
        var pause = scheduler.pause(activeCalls: client.active)
        if recordStore.spool?.isFilled ?? false { pause = min(pause, max(.zero, nextDrainAt - clock.monotonic)) }
        return uses.next.map { min(pause, max(.zero, $0 - clock.monotonic)) } ?? pause
    }

    /// Moves answers that wait in memory to `cache.db`: in rounds while that goes well, else now and then. A write that waits for somebody
    /// else's lock keeps this thread busy for its time, so it is seldom tried.
    private func tendSpool() {
        guard let spool = recordStore.spool else { return }
        spool.refresh()
        guard spool.isFilled else {
            if recordStore.caches.troubles().writeRefusal == nil { waitingAnswers.settle("what was kept in memory is in cache.db now") }
            return
        }
        waitingAnswers.raise(
            "waiting", now: clock.wall, level: .error, "what was fetched cannot be stored; it is kept in memory and served until it can")
        guard clock.monotonic >= nextDrainAt else { return }
        let isRefused = recordStore.caches.troubles().writeRefusal != nil
        let drained = (try? recordStore.drainSpool()) ?? 0
        nextDrainAt = clock.monotonic + (drained > 0 ? .milliseconds(100) : isRefused ? .seconds(10) : .seconds(2))
    }

    /// Between a caller's miss and now, records may have come.
    private func admit(_ arrivals: [Waiter]) {
        carryOut(
            scheduler.admit(
                arrivals.map { waiter in
                    var waiter = waiter
                    waiter.resources.removeAll { (try? recordStore.read($0))?.isGoodEnough(as: $0) ?? false }
                    return waiter
                }))
    }

    func renew(_ due: [Resource: WallTime]) {
        if !due.isEmpty { carryOut(scheduler.renew(due.map { Refresh.Due(resource: $0.key, at: $0.value) })) }
    }

    func renewAhead() { carryOut(scheduler.renewAhead()) }

    /// An account that was connected may have what the app was not given.
    private func askAgain() {
        guard let due = try? account?.overdue(in: recordStore), !due.isEmpty else { return }
        carryOut(scheduler.renew(due))
    }

    // MARK: Actions

    /// Does what was decided. When a part of it needs the limiter's file and that fails no call is made, and the log says so once.
    private func carryOut(_ actions: [LookupAction]) {
        var hasAsked = false
        do {
            for action in actions { try perform(action, &hasAsked) }
            if hasAsked { trouble.settle("the limiter's file works again") }
        } catch {
            let reason = "\(error)"
            trouble.raise(reason, kind: "limiter", now: clock.wall, level: .error, "no call to Spotify is made: \(reason)")
            carryOut(scheduler.limiterFailed(reason))
        }
    }

    /// An action, and whatever comes of it.
    private func perform(_ action: LookupAction, _ hasAsked: inout Bool) throws {
        var more: [LookupAction] = []
        switch action {
        case .tell(let told): told.waiter.tell(told.outcome)
        case .ask(let request):
            hasAsked = true
            more = try answer(request)
        case .explain(let late): more = scheduler.explained(late, outage: (try? rateLimiter.status())?.outage)
        case .findDue(let end, let start, let twice):
            more = scheduler.renew(recordsDue(before: end, usedSince: start, twiceSince: twice))
        case .begin(let call): begin(call)
        case .send(let call, let target): more = try send(call, target)
        case .note(let note): say(note)
        }
        for action in more { try perform(action, &hasAsked) }
    }

    private func send(_ call: Int, _ target: CallTarget) throws -> [LookupAction] {
        var path = target.path(market: configuration.market)
        switch try account?.sending(call, target.resources) ?? .asApp {
        case .asApp: break
        case .asAccount(let token): tokensOfCalls[call] = token
        case .vetting(let instead, let token): (path, tokensOfCalls[call]) = (instead, token)
        case .withheld: return scheduler.withheld(call)
        }
        gate = .send(target: path, bearer: tokensOfCalls[call] ?? "", until: permitEnd)
        return []
    }

    private func answer(_ request: LimiterRequest) throws -> [LookupAction] {
        switch request {
        case .enqueue(let wanted, let arrivals):
            return scheduler.queued(wanted, for: arrivals, try rateLimiter.enqueue(wanted.map(\.ask)))
        case .enqueueRenewals(let due): try enqueueRenewals(due)
        case .search(let search): try enqueue(search)
        case .changeCounter: return scheduler.changed(to: try rateLimiter.changeCounter())
        case .states(let resources):
            let states = try rateLimiter.states(of: resources.map(\.name), estimating: false)
            recordStore.spool?.refresh()
            return scheduler.found(resources, states)
        case .prospect: return scheduler.foresaw(try rateLimiter.peek(worker: configuration.worker))
        case .token: return try findToken()
        case .outage(let end, let pause):
            let outage = try rateLimiter.status().outage
            inbox.note(outage, until: end)
            return scheduler.isOut(until: end, after: pause, outage)
        case .permit(let call): return try takePermit(for: call)
        case .losePermit(let lease): try rateLimiter.losePermit(lease)
        case .finish(let lease, let result, let sequel): return scheduler.finished(sequel, isCurrent: try rateLimiter.finish(lease, result))
        case .store(let lookup, let lesson): return try store(lookup, lesson)
        case .storeTogether(let call, let answer): return try store(call, answer)
        case .end(let endings): _ = try rateLimiter.finish(endings, storing: { _ in }, answering: { [] })
        case .closeBatches(let lease, let length): try rateLimiter.closeBatches(of: lease, for: length)
        case .refuseToken(let lookup, let call):
            let token = tokensOfCalls[call] ?? ""
            let isWorthAnother = try account?.refuse(token, of: call) ?? tokens?.refuse(token, for: lookup.resource.name) ?? false
            return scheduler.refusedToken(lookup, isWorthAnother: isWorthAnother)
        case .coolDown(let lookup, let retryAfter, let quotaExceeded):
            let end = try rateLimiter.coolDown(retryAfter, quotaExceeded: quotaExceeded)
            return scheduler.cooledDown(lookup, until: end, quotaExceeded: quotaExceeded)
        case .backOff(let reason, let told):
            let end = try rateLimiter.backOff(.upstream(reason), told: told)
            return told == nil ? scheduler.backedOff(reason, until: end) : []
        case .suspect(let lookup, let refusal, let ofAccount): return try suspect(lookup, refusal, ofAccount: ofAccount)
        case .confirmRefusal(let lookup, let refusal):
            _ = try rateLimiter.confirmAccountRefusal(lookup.lease, reason: refusal.message)
        case .learn(let mode): try learn(mode)
        }
        return []
    }

    private func suspect(_ lookup: LeasedLookup, _ refusal: NegativeEntry, ofAccount: Bool) throws -> [LookupAction] {
        let suspicion = try rateLimiter.suspectAccount(
            lookup.lease, refusal: SuspectedWords(refusal, ofAccount: ofAccount).text, reason: refusal.message, saysSo: ofAccount)
        return scheduler.suspected(lookup, refusal, ofAccount: ofAccount, suspicion)
    }

    private func enqueue(_ search: AlbumSearch) throws {
        let isQueued = try rateLimiter.enqueue(search.page.name, inPlaceOf: search.tracks.map(\.name), fewest: search.fewestWaiting)
        if isQueued { albumSearches.begun(search) }
    }

    private func enqueueRenewals(_ due: [Refresh.Due]) throws {
        let (calls, declined) = renewalReader.calls(for: due)
        let asks = calls.map { Ask(key: $0.resource.name, priority: .renewal, client: "", attendedUntil: 0) }
        scheduler.queuedRenewals(calls, declined: declined, try rateLimiter.enqueue(asks))
    }

    private func findToken() throws -> [LookupAction] {
        if let reason = recordStore.refusalToKeep() { return scheduler.cannotKeep(reason) }
        switch try tokens?.stand(client) {
        case .ready(let token):
            self.token = token
            try lookAtMode()
            return try findAccountToken()
        case .wait(let pause, let reason): return scheduler.mustWait(pause, reason)
        case nil: return []
        }
    }

    /// What other workers have found out of the account. Before a permit is taken, which is good for some milliseconds.
    private func lookAtMode() throws {
        if clock.monotonic >= nextModeLook {
            accountMode = try rateLimiter.recall(AccountMode.fact).flatMap { AccountMode(rawValue: $0) }
            nextModeLook = clock.monotonic + (accountMode == nil ? .seconds(1) : Self.modeLifetime)
        }
        if accountMode == .extended { freePlaces.refresh() }
    }

    private static let modeLifetime = Duration.seconds(60)

    private func findAccountToken() throws -> [LookupAction] {
        guard try account?.findToken(client) ?? true else { return scheduler.mustWait(.milliseconds(100), .turnOfAnother) }
        return scheduler.hasToken()
    }

    private func ended(_ call: Int, _ result: CallResult) -> [LookupAction] {
        switch account?.end(of: call, result, age: age) {
        case .usual(let result, let isOfAccount, let isOpen)?: scheduler.ended(call, result, isOfAccount: isOfAccount, isOpen: isOpen)
        case .otherwise?: scheduler.endedOtherwise(call)
        case nil: scheduler.ended(call, result)
        }
    }

    private func takePermit(for call: Int) throws -> [LookupAction] {
        let begin = clock.monotonic
        switch try rateLimiter.permit(worker: configuration.worker) {
        case .wait(let pause, _):
            scheduler.deniedPermit(pause)
            return []
        case .granted(let lease):
            permitEnd = lease.freshUntil
            reason = lease.priority
            configuration.noteTurn(UInt64(max(0, (clock.monotonic - begin - lease.waited).wholeNanoseconds)))
            recordStore.spool?.refresh()
            let known = try Resource(name: lease.subject).map { resource in
                try lease.priority == .renewal ? recordStore.readForRenewal(resource) : recordStore.read(resource)
            }
            return scheduler.granted(
                lease, to: call, known: known, extra: freePlaces.take(beside: lease), isExtended: accountMode == .extended)
        }
    }

    private func store(_ lookup: LeasedLookup, _ lesson: Lesson) throws(RateLimiterError) -> [LookupAction] {
        do {
            var believed: Resource?
            var learned = RecordStore.Learned(resources: [])
            let isCurrent =
                if lookup.lease.isControl {
                    try rateLimiter.clearAccount(lookup.lease, known: known(lookup, lesson)) { suspected in
                        _ = try keep(lookup, lesson)
                        believed = try suspected.flatMap { try believe($0) }
                    }
                } else {
                    try rateLimiter.finish(
                        lookup.lease, result(lookup, lesson), storing: { learned = try keep(lookup, lesson) },
                        answering: { learned.resources.map(\.name) })
                }
            inbox.note(nil, until: clock.monotonic)
            configuration.noteLookup(lookup.resource.loggedName, lesson.status)
            return scheduler.stored(lookup, isCurrent: isCurrent, believed: believed, others: learned.resources)
                + scheduler.renewAlone(learned.unlike) { renewalReader.isUsed($0) } + searchActions(lookup, lesson)
        } catch .storing(let cause) {
            return scheduler.couldNotStore(lookup, "\(cause)")
        } catch {
            // The limiter's file cannot be written. The answer is paid for all the same; whoever takes the lookup over finds it.
            if (try? keep(lookup, lesson)) != nil {
                for case .tell(let told) in scheduler.stored(lookup, isCurrent: true) { told.waiter.tell(told.outcome) }
            }
            throw error
        }
    }

    /// The same for several lookups of one call.
    private func store(_ call: LookupCall, _ answer: BatchAnswer) throws(RateLimiterError) -> [LookupAction] {
        var learned = RecordStore.Learned(resources: [])
        do {
            let current = try rateLimiter.finish(
                answer.endings(known: result), storing: { current in learned = try keep(answer, current) },
                answering: { learned.resources.map(\.name) })
            inbox.note(nil, until: clock.monotonic)
            for (lookup, lesson) in answer.lessons { configuration.noteLookup(lookup.resource.loggedName, lesson.status) }
            return scheduler.storedTogether(answer, current: current, others: learned.resources)
                + scheduler.renewAlone(learned.unlike) { renewalReader.isUsed($0) }
        } catch .storing(let cause) {
            return scheduler.couldNotStore(call.first, "\(cause)")
        } catch {
            let keys = Set(call.lookups.map(\.lease.key))
            if let learned = try? keep(answer, keys) {
                let actions = scheduler.storedTogether(answer, current: keys, others: learned.resources)
                for case .tell(let told) in actions { told.waiter.tell(told.outcome) }
            }
            throw error
        }
    }

    /// Of what the call has brought.
    private var age: Duration { sentAt.map { clock.monotonic - $0 } ?? .zero }

    /// Answers what is known now.
    private func keep(_ answer: BatchAnswer, _ current: Set<String>) throws(CacheError) -> RecordStore.Learned {
        let lessons = answer.lessons.filter { current.contains($0.lookup.lease.key) }
        var learned = try recordStore.store(
            lessons.compactMap { if case .answer(let parsed) = $0.lesson { parsed } else { nil } } + answer.extra, age: age)
        for case (let lookup, .refusal(let refusal, let briefly)) in lessons {
            try recordStore.store(refusal, for: lookup.resource, briefly: briefly)
            learned.resources.append(lookup.resource)
        }
        return learned
    }

    /// Several tracks of an album that callers wait for are searched for together, now that it is known, or a search has brought some of them.
    private func searchActions(_ lookup: LeasedLookup, _ lesson: Lesson) -> [LookupAction] {
        func isUnknown(_ track: Resource) -> Bool { if case .miss? = try? recordStore.read(track) { true } else { false } }
        var search = albumSearches.ended(lookup.resource, isUnknown: isUnknown, now: clock.monotonic)
        // Where tracks are had 50 a call that is cheaper.
        if accountMode != .extended, case .answer(let parsed) = lesson, let listed = parsed.listed,
            albumSearches.mayBegin(now: clock.monotonic)
        {
            search = listed.search(for: listed.resources.filter(isUnknown))
        }
        return search.map { [.ask(.search($0))] } ?? []
    }

    /// Answers what is known now.
    private func keep(_ lookup: LeasedLookup, _ lesson: Lesson) throws(CacheError) -> RecordStore.Learned {
        switch lesson {
        case .answer(let parsed): return try recordStore.store(parsed, under: account?.endedConsent, age: age)
        case .refusal(let refusal, let briefly):
            try recordStore.store(refusal, for: lookup.resource, briefly: briefly, under: account?.endedConsent)
            return RecordStore.Learned(resources: [lookup.resource])
        }
    }

    private func result(_ lookup: LeasedLookup, _ lesson: Lesson) -> LeaseResult {
        if case .answer = lesson { .served(known: known(lookup, lesson)) } else { .answered }
    }

    /// What may be asked for again to see whether Spotify serves this account. Not a playlist, which its owner may close or delete, and no
    /// search: no caller shall have it in hand.
    private func known(_ lookup: LeasedLookup, _ lesson: Lesson) -> String? {
        guard case .answer = lesson, case .object(let kind, _, _) = lookup.resource, kind != .playlist else { return nil }
        return lookup.resource.name
    }

    /// The account is served, so what was refused before was refused for its own sake.
    private func believe(_ suspected: SuspectedRefusal) throws(CacheError) -> Resource? {
        guard let resource = Resource(name: suspected.key), let words = SuspectedWords(text: suspected.refusal) else { return nil }
        try recordStore.store(words.refusal, for: resource, briefly: words.ofAccount)
        return resource
    }

    /// For the status page: written when it is new.
    private func learn(_ mode: AccountMode) throws {
        guard mode != accountMode else { return }
        accountMode = mode
        guard try rateLimiter.recall(AccountMode.fact) != mode.rawValue else { return }
        try rateLimiter.remember(AccountMode.fact, mode.rawValue, until: nil)
        log.notice("Spotify's answers show the account's mode", metadata: ["mode": "\(mode.rawValue)"])
    }

    /// Gate, `sent` and completion are called from inside `poll`. Nobody else may have a permit from where this one is granted at the gate to
    /// where its bytes are with the kernel, or it is certain that there will be none.
    private func begin(_ call: Int) {
        tokensOfCalls[call] = token
        beginnings[call] = clock.monotonic
        client.begin(
            gate: { [unowned self] in
                gate = .hold
                carryOut(scheduler.reachGate(call))
                if case .hold = gate { rateLimiter.endSending(wasSent: false) }
                return gate
            },
            sent: { [unowned self] in
                rateLimiter.endSending(wasSent: true)
                beginnings[call] = clock.monotonic
                configuration.noteCall(reason)
            },
            completion: { [unowned self] result in
                rateLimiter.endSending(wasSent: false)
                let begun = beginnings.removeValue(forKey: call) ?? clock.monotonic
                if let kind = result.kind { configuration.noteResult(kind, clock.monotonic - begun) }
                sentAt = begun
                carryOut(ended(call, result))
                sentAt = nil
                tokensOfCalls[call] = nil
            })
    }

    /// First what is used again and again, then what was used once, which may be worth while together.
    private func recordsDue(before end: WallTime, usedSince start: WallTime, twiceSince twice: WallTime) -> [Refresh.Due] {
        func find(isHabit: Bool) -> [Refresh.Due] {
            let due = try? recordStore.caches.due(
                before: end.milliseconds, usedSince: start.milliseconds, twiceSince: isHabit ? twice.milliseconds : nil,
                prefix: Array(Resource.cachePrefix.utf8), limit: Refresh.mostInRound)
            return (due ?? []).compactMap { key, dueAt, usedAt in
                Resource(cacheKey: key).map {
                    Refresh.Due(
                        resource: $0, at: WallTime(milliseconds: dueAt), isHabit: isHabit, usedAt: WallTime(milliseconds: usedAt))
                }
            }
        }
        let habits = find(isHabit: true)
        let known = Set(habits.map(\.resource))
        return habits + find(isHabit: false).filter { !known.contains($0.resource) }
    }

    private func say(_ note: LookupAction.Note) {
        switch note {
        case .unknownLookup(let key): log.warning("an unknown lookup was skipped", metadata: ["lookup": "\(key.prefix { $0 != "/" })"])
        case .failed(let resource, let reason, let attempt, let pause):
            log.warning(
                "a lookup failed",
                metadata: [
                    "lookup": "\(resource.loggedName)", "reason": "\(reason)", "attempt": .stringConvertible(attempt),
                    "pause": .stringConvertible(pause.wholeSeconds),
                ])
        case .notStored(let resource, let cause):
            log.error("what was fetched cannot be stored: \(cause)", metadata: ["lookup": "\(resource.loggedName)"])
        case .batchRefused(let resource, let reason):
            log.notice("Spotify does not give several at once", metadata: ["first": "\(resource.loggedName)", "reason": "\(reason)"])
        case .tokenRefused(let resource):
            log.notice("Spotify refused the token; a new one is asked for", metadata: ["lookup": "\(resource.loggedName)"])
        case .rateLimited(let quotaExceeded, let pause):
            log.warning(
                quotaExceeded ? "Spotify says that the quota is spent" : "Spotify limits the rate of calls",
                metadata: ["wait": .stringConvertible(pause.wholeSeconds)])
        case .unreachable(let reason, let pause):
            log.warning("Spotify cannot be reached", metadata: ["reason": "\(reason)", "pause": .stringConvertible(pause.wholeSeconds)])
        }
    }
}

extension Reading {
    /// Whether a caller who missed it may be told to read again: an old search result is none.
    fileprivate func isGoodEnough(as resource: Resource) -> Bool {
        switch self {
        case .hit(let served): resource.cache == .spotify || served.freshness == .fresh
        case .denied: true
        case .miss: false
        }
    }
}
