import Platform
import RateLimiting
import Spotify

/// Which lookups this worker queues and makes: events in, actions out. No thread, file, socket or callback is touched here.
///
/// Each verb tells what has happened and returns what is to be done about it, in order. What comes of an action is told by the verb that
/// its case names. When one fails, `limiterFailed` is told and the rest of its row is left out: so nobody's answer stands behind what may
/// fail.
struct LookupScheduler {
    private let clock: any HostClock
    private let hasCredentials: Bool
    private var singleFlight = SingleFlight()
    private var refresh: Refresh
    /// When the limiter shall be asked again for a permit.
    private var nextPermitAt = MonotonicTime(nanoseconds: 0)
    private var lastCall = 0
    /// A call that was begun and whose connection is not ready yet.
    private var callAtGate: Int?
    /// Calls of this worker that were sent and have not ended.
    private var sent: [Int: LookupCall] = [:]
    /// The limiter's file, as it was when `watchOthers` looked.
    private var lastChange: Int64?

    /// Another worker may have left a lookup behind: look now and then even when nobody here waits.
    private static let idleLook = Duration.seconds(5)
    /// How soon this worker sees what another one fetched.
    private static let watchPause = Duration.milliseconds(20)
    static let callsAtOnce = 8

    /// - Parameter hasCredentials: false: nothing is looked up, and callers are told so.
    init(hasCredentials: Bool, plan: RenewalPlan, clock: any HostClock) {
        self.hasCredentials = hasCredentials
        self.clock = clock
        refresh = Refresh(plan: plan, now: clock.monotonic)
    }

    /// How long nothing will happen unless the network or a caller says so.
    /// - Parameter activeCalls: calls and token requests that have not ended.
    func pause(activeCalls: Int) -> Duration {
        var pause = Self.idleLook
        if mayBegin(activeCalls) { pause = min(pause, max(.zero, nextPermitAt - clock.monotonic)) }
        return watchesOthers ? min(pause, Self.watchPause) : pause
    }

    // MARK: Callers

    /// Takes in callers with what each misses by now: who misses nothing is told at once, the others' lookups are queued in one
    /// transaction.
    mutating func admit(_ arrivals: [Waiter]) -> [LookupAction] {
        let waiting = hasCredentials ? arrivals.filter { !$0.resources.isEmpty } : []
        let told = arrivals.filter { !hasCredentials || $0.resources.isEmpty }.map { waiter in
            let outcome =
                waiter.resources.isEmpty ? WaitOutcome.finished(joined: true) : .failed(Self.noCredentials, after: .seconds(3600))
            return LookupAction.tell(.init(waiter: waiter, outcome: outcome))
        }
        let wanted = singleFlight.seat(waiting, now: clock.monotonic, wall: clock.wall)
        return told + (wanted.isEmpty ? sendAway(waiting) : [.ask(.enqueue(wanted, for: waiting))])
    }

    private static let noCredentials = Obstacle(.credentials, "SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET are not set")

    /// A caller does not wait any more; the lookup stays queued for who comes next.
    mutating func leave(_ number: UInt64) { singleFlight.remove(number) }

    mutating func queued(_ wanted: [SingleFlight.Wanted], for arrivals: [Waiter], _ admissions: [Admission]) -> [LookupAction] {
        let refused = singleFlight.queued(wanted, admissions, now: clock.monotonic, wall: clock.wall)
        seekPermitSoon()
        return tell(refused) + sendAway(arrivals)
    }

    /// Who would wait longer than it wants to is told at once, and why; its lookups stay queued.
    private mutating func sendAway(_ arrivals: [Waiter]) -> [LookupAction] {
        let late = singleFlight.removeLate(among: arrivals)
        return late.isEmpty ? [] : [.explain(late)]
    }

    /// - Parameter outage: why no call is made at all, when that is so and could be found out.
    func explained(_ late: [SingleFlight.Late], outage: Obstacle?) -> [LookupAction] {
        let obstacle = outage ?? Obstacle(.turn, "The lookup is queued; its turn comes later than this request may wait")
        let now = clock.monotonic
        return late.map { late in
            .tell(.init(waiter: late.waiter, outcome: .later(after: max(.zero, late.answerAt - now), obstacle)))
        }
    }

    private func tell(_ told: [SingleFlight.Told]) -> [LookupAction] { told.map { .tell($0) } }

    // MARK: Renewals

    /// Renews what was served although it was due, or will be soon. It waits behind all callers.
    func renew(_ due: [Refresh.Due]) -> [LookupAction] {
        guard hasCredentials else { return [] }
        let unasked = refresh.unasked(due, now: clock.monotonic)
        return unasked.isEmpty ? [] : [.ask(.enqueueRenewals(unasked))]
    }

    /// Now and then: what was used lately and falls due soon. What fails stays queued there and pauses, longer each time.
    mutating func renewAhead() -> [LookupAction] {
        guard hasCredentials, refresh.beginsRound(now: clock.monotonic) else { return [] }
        let wall = clock.wall
        let plan = refresh.plan
        return [.findDue(before: wall + plan.lead, usedSince: wall - plan.interest, twiceSince: wall - plan.habit)]
    }

    /// Records that an album lists otherwise than they are kept, and so did not renew: those that shall be renewed have calls of their own.
    func renewAlone(_ unlike: [Refresh.Due], isUsed: (Resource) -> Bool) -> [LookupAction] {
        let soon = clock.wall + refresh.plan.lead
        let due = unlike.filter { $0.at < soon && (refresh.hasAsked($0) || isUsed($0.resource)) }
        return due.isEmpty ? [] : [.ask(.enqueueRenewals(due))]
    }

    /// - Parameter declined: what no call is worth while for.
    mutating func queuedRenewals(_ calls: [Refresh.Call], declined: [Refresh.Due], _ admissions: [Admission]) {
        refresh.noteQueued(calls, admissions, now: clock.monotonic)
        refresh.noteDeclined(declined, now: clock.monotonic)
        seekPermitSoon()
    }

    // MARK: What other workers fetch

    /// Somebody here waits for what another worker may be fetching.
    private var watchesOthers: Bool { singleFlight.waits(forOtherThan: inFlight) }
    private var inFlight: Set<Resource> { Set(sent.values.flatMap(\.resources)) }

    func watchOthers() -> [LookupAction] { watchesOthers ? [.ask(.changeCounter)] : [] }

    mutating func changed(to counter: Int64) -> [LookupAction] {
        guard counter != lastChange else { return [] }
        lastChange = counter
        // It may be that no call can be made for a while: peek, and tell those who cannot wait for its end.
        seekPermitSoon()
        return [.ask(.states(singleFlight.resources))]
    }

    /// Callers whose lookup another worker finished or gave up are told.
    mutating func found(_ resources: [Resource], _ states: [LookupState]) -> [LookupAction] {
        var told: [SingleFlight.Told] = []
        for (resource, state) in zip(resources, states) {
            switch state {
            case .waiting, .leased: continue
            case .absent: told += singleFlight.finish(resource)
            case .failed(let reason, let retryAt):
                told += singleFlight.fail(resource, .failed(Obstacle(encoded: reason), after: atLeastASecond(until: retryAt)))
            }
        }
        return tell(told)
    }

    // MARK: Permits

    /// Begins a call when one is due. The permit itself is taken at the gate, when the connection is ready to send.
    func seekPermit(activeCalls: Int) -> [LookupAction] {
        mayBegin(activeCalls) && clock.monotonic >= nextPermitAt ? [.ask(.prospect)] : []
    }

    private func mayBegin(_ activeCalls: Int) -> Bool { hasCredentials && callAtGate == nil && activeCalls < Self.callsAtOnce }

    mutating func foresaw(_ prospect: Prospect) -> [LookupAction] {
        switch prospect {
        case .due: [.ask(.token)]
        case .wait(let pause, let reason): mustWait(pause, reason)
        }
    }

    /// There is no call before that, or no token for one. While Spotify must not or cannot be asked, callers whose patience ends before
    /// that are told at once, and told why.
    mutating func mustWait(_ pause: Duration, _ reason: WaitReason) -> [LookupAction] {
        rest(pause)
        guard !singleFlight.isEmpty, reason == .cooldown || reason == .backoff else { return [] }
        return [.ask(.outage(until: clock.monotonic + max(.zero, pause), after: pause))]
    }

    mutating func isOut(until end: MonotonicTime, after pause: Duration, _ outage: Obstacle?) -> [LookupAction] {
        let outcome = WaitOutcome.failed(outage ?? Obstacle(.spotify, "Spotify cannot be asked"), after: pause)
        return tell(singleFlight.failImpatient(before: end, underWay: inFlight, outcome))
    }

    /// What a call would bring could be kept nowhere: none is made, and who waits is told why.
    mutating func cannotKeep(_ reason: String) -> [LookupAction] {
        rest(.seconds(1))
        let outcome = WaitOutcome.failed(Obstacle(.server, reason), after: .seconds(30))
        return tell(singleFlight.failImpatient(before: .never, underWay: inFlight, outcome))
    }

    mutating func hasToken() -> [LookupAction] {
        lastCall += 1
        callAtGate = lastCall
        return [.begin(call: lastCall)]
    }

    /// The call's connection is ready: the permit is taken now, so that bytes follow it at once. Without a `send` they do not.
    mutating func reachGate(_ call: Int) -> [LookupAction] {
        callAtGate = nil
        return [.ask(.permit(call: call))]
    }

    mutating func deniedPermit(_ pause: Duration) { rest(pause) }

    /// - Parameters:
    ///   - known: what the database holds of it; nil where the name is no resource's.
    ///   - extra: what may be asked for in the same call besides.
    ///   - isExtended: what is known of the account's mode.
    mutating func granted(
        _ lease: Lease, to call: Int, known: Reading?, extra: [Resource] = [], isExtended: Bool = false
    ) -> [LookupAction] {
        var lookups = lease.all.compactMap { lease in Resource(name: lease.subject).map { LeasedLookup(lease: lease, resource: $0) } }
        guard let first = lookups.first?.resource, lookups.count == lease.all.count, let known else { return unknown(lease) }
        // Others in the call lose nothing by one that is answered already.
        if !lease.isControl, lookups.count == 1, isAnswered(known, for: lease) {
            return [.ask(.finish(lease, .answered, then: .finish(first)))]
        }
        guard lease.isFresh(now: clock.boot) else { return [.ask(.losePermit(lease))] }
        if lookups.count == 1 { lookups[0].isKnown = known.isUnrefused }
        let calling = LookupCall(lookups: lookups, extra: extra, isExtended: isExtended)
        sent[call] = calling
        return [.send(call: call, calling.target)]
    }

    /// Lookups that only a newer version of this program knows how to make; others of their call go back.
    private func unknown(_ lease: Lease) -> [LookupAction] {
        let endings = lease.all.map { lease in
            (
                lease: lease,
                result: Resource(name: lease.subject) == nil
                    ? LeaseResult.failed(reason: "unknown lookup", retryAfter: .seconds(86_400), final: true) : .givenBack(together: nil)
            )
        }
        return [.note(.unknownLookup(lease.key)), .ask(.end(endings))]
    }

    /// A lookup that was queued again in the instant in which it was answered is not made twice.
    private func isAnswered(_ known: Reading, for lease: Lease) -> Bool {
        switch known {
        case .miss: return false
        case .denied: return true
        case .hit(let served):
            // A renewal is spared when something else has renewed the record since it was queued.
            let needed = lease.priority < .renewal ? clock.wall : clock.wall + refresh.plan.lead
            return WallTime(milliseconds: served.dueAt) > needed
        }
    }

    private mutating func rest(_ pause: Duration) { nextPermitAt = clock.monotonic + max(.zero, min(pause, Self.idleLook)) }
    private mutating func seekPermitSoon() { nextPermitAt = min(nextPermitAt, clock.monotonic) }

    // MARK: Calls end

    /// An answer or a refusal is stored, or it is seen to that the lookup is tried again.
    /// - Parameters:
    ///   - isOfAccount: it was made as the connected account: what else stands in the answer is as its country has it, and teaches nothing.
    ///   - isOpen: it is for everybody, though it was asked for as private.
    mutating func ended(_ call: Int, _ result: CallResult, isOfAccount: Bool = false, isOpen: Bool = false) -> [LookupAction] {
        seekPermitSoon()
        if callAtGate == call { callAtGate = nil }
        guard let ended = sent.removeValue(forKey: call) else {
            guard case .unreachable(let reason) = CallOutcome(result, sent: false) else { return [] }
            return [.ask(.backOff(reason: reason, told: nil))]
        }
        return ended.isBatch
            ? endedTogether(ended, call, result)
            : self.ended(ended, call, CallOutcome(result, sent: true), isOfAccount: isOfAccount, isOpen: isOpen)
    }

    /// A call for several objects has ended.
    private func endedTogether(_ batch: LookupCall, _ call: Int, _ result: CallResult) -> [LookupAction] {
        let lease = batch.first.lease
        switch batch.end(result) {
        case .answered(let answer): return [.ask(.storeTogether(batch, answer))] + learn(answer.mode)
        case .closed(let length, let obstacle):
            return [
                .note(.batchRefused(batch.first.resource, reason: obstacle.words)), .ask(.closeBatches(lease, length)),
                .ask(.finish(lease, .givenBack(together: nil), then: .nothing)),
            ]
        case .spoiled(let most, let obstacle):
            return [
                .note(.batchRefused(batch.first.resource, reason: obstacle.words)),
                .ask(.finish(lease, .givenBack(together: most), then: .nothing)),
            ]
        case .usual(let outcome): return ended(batch, call, outcome)
        }
    }

    private func ended(
        _ ended: LookupCall, _ call: Int, _ outcome: CallOutcome, isOfAccount: Bool = false, isOpen: Bool = false
    ) -> [LookupAction] {
        let lookup = ended.first
        switch outcome {
        case .answer(let body):
            guard var parsed = ParsedAnswer(isOpen ? lookup.resource.open : lookup.resource, body) else { return odd(lookup) }
            if isOfAccount { parsed.leaveOutOthers() }
            return [.ask(.store(lookup, .answer(parsed)))] + learn(parsed.mode)
        case .refusal(let refusal, _) where ended.isExtended && refusal.isOfLimit(lookup.resource):
            return learn(.development) + [.ask(.finish(lookup.lease, .givenBack(together: nil), then: .nothing))]
        case .refusal(let refusal, let ofAccount): return refused(lookup, refusal, ofAccount: ofAccount)
        case .renewToken: return [.ask(.refuseToken(lookup, call: call))]
        case .coolDown(let retryAfter, let quotaExceeded):
            return [.ask(.coolDown(lookup, retryAfter: retryAfter, quotaExceeded: quotaExceeded))]
        case .retry(let obstacle, nil): return again(lookup, obstacle)
        case .retry(let obstacle, let told?):
            // First the pause: nobody may be granted a permit between the two.
            return [.ask(.backOff(reason: obstacle.loggedWords(of: lookup.resource), told: told))]
                + again(lookup, obstacle, pauseAtLeast: told)
        case .unreachable(let reason): return again(lookup, Obstacle(.spotify, reason))
        case .nothing: return [.ask(.losePermit(lookup.lease))]
        }
    }

    /// What it brought is not to be kept: it is asked for once more, in another way.
    mutating func endedOtherwise(_ call: Int) -> [LookupAction] {
        seekPermitSoon()
        guard let lookup = sent.removeValue(forKey: call)?.first else { return [] }
        let result = LeaseResult.failed(reason: "asked for once more, in another way", retryAfter: .zero, final: false)
        return [.ask(.finish(lookup.lease, result, then: .nothing))]
    }

    /// A call that is not to be made after all: who waits for it is told.
    mutating func withheld(_ call: Int) -> [LookupAction] {
        guard let lookup = sent.removeValue(forKey: call)?.first else { return [] }
        let obstacle = Obstacle(.credentials, "The connected account has no token")
        let pause = Duration.seconds(60)
        return [
            .ask(
                .finish(
                    lookup.lease, .failed(reason: obstacle.encoded, retryAfter: pause, final: true),
                    then: .fail(lookup.resource, .failed(obstacle, after: pause))))
        ]
    }

    /// An answer in a form that is none. Of a list it costs this page alone: it counts as refused for a while, and the others are there.
    private func odd(_ lookup: LeasedLookup) -> [LookupAction] {
        let obstacle = Obstacle(.spotify, "Spotify's answer has an unknown form")
        guard lookup.resource.isPage, !lookup.isKnown else { return again(lookup, obstacle) }
        let pause = RecordStore.doubtfulPause
        return [
            .note(.failed(lookup.resource, reason: obstacle.words, attempt: lookup.lease.attempt, pause: pause)),
            .ask(.store(lookup, .refusal(NegativeEntry(status: 502, message: obstacle.words), briefly: true))),
        ]
    }

    /// A refusal is the thing's own, unless it speaks of the account, or the thing was answered before; then another call shows which it is.
    private func refused(_ lookup: LeasedLookup, _ refusal: NegativeEntry, ofAccount: Bool) -> [LookupAction] {
        switch refusal.status {
        case 403 where lookup.lease.isControl: return [.ask(.confirmRefusal(lookup, refusal))]
        case 403 where ofAccount || lookup.isKnown && !lookup.lease.isControl:
            return [.ask(.suspect(lookup, refusal, ofAccount: ofAccount))]
        default: return [.ask(.store(lookup, .refusal(refusal)))] + learn(AccountMode(lookup.resource, refusedWith: refusal))
        }
    }

    func suspected(_ lookup: LeasedLookup, _ refusal: NegativeEntry, ofAccount: Bool, _ suspicion: Suspicion) -> [LookupAction] {
        guard suspicion == .unfounded else { return [] }
        return [.ask(.store(lookup, .refusal(refusal, briefly: ofAccount)))]
            + (ofAccount ? [] : learn(AccountMode(lookup.resource, refusedWith: refusal)))
    }

    private func learn(_ mode: AccountMode?) -> [LookupAction] { mode.map { [.ask(.learn($0))] } ?? [] }

    /// The answer is stored and the lookup finished; not, where the lease was lost: then it is another worker's answer that counts.
    /// - Parameters:
    ///   - believed: what was refused before a control call, whose refusal is stored now.
    ///   - others: what its answer brought besides: who waits for nothing else need not wait for calls of their own.
    mutating func stored(
        _ lookup: LeasedLookup, isCurrent: Bool, believed: Resource? = nil, others: [Resource] = []
    ) -> [LookupAction] {
        guard isCurrent else { return [] }
        var told = singleFlight.finish(lookup.resource) + (believed.map { singleFlight.finish($0) } ?? [])
        for other in others { told += singleFlight.finish(other, joined: true) }
        return tell(told)
    }

    /// The same for several lookups of one call.
    /// - Parameter current: the keys of those whose lease was not lost.
    mutating func storedTogether(_ answer: BatchAnswer, current: Set<String>, others: [Resource]) -> [LookupAction] {
        var told: [SingleFlight.Told] = []
        for (lookup, _) in answer.lessons where current.contains(lookup.lease.key) { told += singleFlight.finish(lookup.resource) }
        if !current.isEmpty { for other in others { told += singleFlight.finish(other, joined: true) } }
        return tell(told)
    }

    /// Neither in `cache.db` nor in memory, though one of them could take it when the call was made.
    func couldNotStore(_ lookup: LeasedLookup, _ cause: String) -> [LookupAction] {
        [.note(.notStored(lookup.resource, cause))]
            + again(lookup, Obstacle(.server, "the database cannot be written: \(cause)"), pauseAtLeast: .seconds(30))
    }

    /// - Parameter isWorthAnother: whether another token may do better.
    func refusedToken(_ lookup: LeasedLookup, isWorthAnother: Bool) -> [LookupAction] {
        guard isWorthAnother else { return again(lookup, Obstacle(.credentials, "Spotify refuses every token for this"), isHopeless: true) }
        let result = LeaseResult.failed(reason: "Spotify refused the token", retryAfter: .zero, final: false)
        return [.note(.tokenRefused(lookup.resource)), .ask(.finish(lookup.lease, result, then: .nothing))]
    }

    /// - Parameter end: the cooldown's, in wall-clock milliseconds.
    func cooledDown(_ lookup: LeasedLookup, until end: Int64, quotaExceeded: Bool) -> [LookupAction] {
        let result = LeaseResult.failed(reason: "rate limited", retryAfter: .zero, final: false)
        let note = LookupAction.Note.rateLimited(quotaExceeded: quotaExceeded, atLeastASecond(until: end))
        return [.ask(.finish(lookup.lease, result, then: .nothing)), .note(note)]
    }

    /// - Parameter end: the pause's, in wall-clock milliseconds.
    func backedOff(_ reason: String, until end: Int64) -> [LookupAction] {
        [.note(.unreachable(reason: reason, atLeastASecond(until: end)))]
    }

    /// Something failed: another permit later, or the end for those who wait.
    private func again(
        _ lookup: LeasedLookup, _ obstacle: Obstacle, pauseAtLeast least: Duration = .zero, isHopeless: Bool = false
    ) -> [LookupAction] {
        let lease = lookup.lease
        let attended = singleFlight.waits(for: lookup.resource) || lease.priority == .caller
        // Others of its call may have had their first: each is judged when it is asked for alone.
        let isFinal = attended && lease.others.isEmpty && (isHopeless || lease.attempt >= Retries.turns)
        let pause = max(least, Retries.pause(after: lease.attempt, attended: attended))
        let outcome = WaitOutcome.failed(obstacle, after: max(pause, .seconds(5)))
        return [
            .note(.failed(lookup.resource, reason: obstacle.loggedWords(of: lookup.resource), attempt: lease.attempt, pause: pause)),
            .ask(
                .finish(
                    lease, .failed(reason: obstacle.encoded, retryAfter: pause, final: isFinal),
                    then: isFinal ? .fail(lookup.resource, outcome) : .nothing)),
        ]
    }

    /// - Parameter isCurrent: false where the lease was lost.
    mutating func finished(_ sequel: LookupAction.Sequel, isCurrent: Bool) -> [LookupAction] {
        switch sequel {
        case .finish(let resource): tell(singleFlight.finish(resource, joined: true))
        case .fail(let resource, let outcome) where isCurrent: tell(singleFlight.fail(resource, outcome))
        case .fail, .nothing: []
        }
    }

    private func atLeastASecond(until end: Int64) -> Duration { max(WallTime(milliseconds: end) - clock.wall, .seconds(1)) }

    /// The limiter's file, or the database, could not be used: no call is made for a while, and everybody is told.
    mutating func limiterFailed(_ reason: String) -> [LookupAction] {
        nextPermitAt = clock.monotonic + .seconds(1)
        return tell(singleFlight.failImpatient(before: .never, .failed(Obstacle(.server, reason), after: .seconds(30))))
    }
}

extension NegativeEntry {
    /// A search asked for more than development mode gives.
    fileprivate func isOfLimit(_ resource: Resource) -> Bool {
        guard status == 400, case .search = resource else { return false }
        return message.lowercased().contains("limit")
    }
}

extension Reading {
    /// Spotify answered it the last time.
    fileprivate var isUnrefused: Bool {
        if case .hit(let served) = self { served.record.refusedWith == nil } else { false }
    }
}
