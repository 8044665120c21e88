import CSystem
import Spotify
import Turnstile

/// Taking turns and what comes of them.
extension LookupLoop {
    /// Begins a call when one is due. The turn itself is taken at the gate, when the connection is ready to send.
    func takeTurn(_ client: SpotifyClient) {
        guard let tokens, !isAtGate, client.active < Self.callsAtOnce, csys_monotonic_ns() >= nextTurnAt else { return }
        guarded {
            if case let .wait(pause, reason) = try turnstile.peek(worker: configuration.worker) {
                rest(pause)
                return try tellWhoCannotWait(pause, reason)
            }
            switch try tokens.stand(client) {
            case let .wait(pause): rest(pause)
            case let .ready(token): begin(client, token)
            }
        }
    }

    private func rest(_ pause: Duration) {
        nextTurnAt = csys_monotonic_ns() + UInt64(clamping: min(pause, Self.idleLook).nanoseconds)
    }

    private func begin(_ client: SpotifyClient, _ token: String) {
        isAtGate = true
        let call = Call()
        client.begin(
            gate: { [self] in
                isAtGate = false
                call.reachedGate = true
                return passGate(call, token)
            },
            completion: { [self] result in
                if !call.reachedGate { isAtGate = false }
                conclude(call, token, result)
            })
    }

    /// A call on its way: filled in at the gate, read at its end.
    private final class Call {
        var reachedGate = false
        var turn: (lease: Lease, resource: Resource)?
    }

    /// The connection is ready: take the turn now, so that bytes follow it at once.
    private func passGate(_ call: Call, _ token: String) -> Gate {
        var gate = Gate.hold
        guarded {
            switch try turnstile.turn(worker: configuration.worker) {
            case let .wait(pause, _): rest(pause)
            case let .granted(lease):
                guard let resource = Resource(name: lease.key) else {
                    return try refuseUnknown(lease)
                }
                if try settleKnown(lease, resource) { return }
                guard lease.isFresh(now: csys_boottime_ns()) else { return try turnstile.loseTurn(lease) }
                call.turn = (lease, resource)
                configuration.noteCall()
                inFlight.insert(resource)
                gate = .send(target: resource.target(market: configuration.market), bearer: token)
            }
        }
        return gate
    }

    /// A lookup that only a newer version of this program knows how to make.
    private func refuseUnknown(_ lease: Lease) throws {
        log.warning("an unknown lookup was skipped", metadata: ["lookup": "\(lease.key)"])
        _ = try turnstile.finish(lease, .failed(reason: "unknown lookup", retryAfter: .seconds(86_400), final: true))
    }

    /// A lookup that was queued again in the instant in which it was answered is not made twice.
    private func settleKnown(_ lease: Lease, _ resource: Resource) throws -> Bool {
        switch try shelf.read(resource) {
        case .miss: return false
        case let .hit(served):
            // A renewal is spared when something else has renewed the record since it was queued.
            let needed = lease.priority < .renewal ? csys_wall_ms() : csys_wall_ms() + renewalPlan.lead
            guard served.dueAt > needed else { return false }
        case .denied: break
        }
        _ = try turnstile.finish(lease, .answered)
        room.settle(resource, joined: true)
        return true
    }

    private func conclude(_ call: Call, _ token: String, _ result: CallResult) {
        nextTurnAt = min(nextTurnAt, csys_monotonic_ns())
        guard let (lease, resource) = call.turn else {
            if case let .unreachable(reason) = CallVerdict(result, sent: false) { noteUnreachable(reason) }
            return
        }
        inFlight.remove(resource)
        guarded { try conclude(lease, resource, token, CallVerdict(result, sent: true)) }
    }

    private func conclude(_ lease: Lease, _ resource: Resource, _ token: String, _ verdict: CallVerdict) throws {
        switch verdict {
        case let .keep(body):
            guard let lesson = Lesson(resource, body) else {
                return try again(lease, resource, reason: "Spotify's answer has an unknown form")
            }
            try store(lease, resource) { try shelf.store(lesson) }
            try learn(lesson.mode)
        case let .deny(denial):
            try store(lease, resource) { try shelf.store(denial, for: resource) }
            try learn(AccountMode(resource, refusedWith: denial))
        case .renewToken:
            try renewToken(lease, resource, token)
        case let .coolDown(retryAfter, quotaExceeded):
            try coolDown(lease, retryAfter, quotaExceeded)
        case let .retry(reason), let .unreachable(reason):
            try again(lease, resource, reason: reason)
        case .nothing:
            try turnstile.loseTurn(lease)
        }
    }

    /// A 401: the lookup is tried once more with another token, at the cost of another turn. A second token's 401 is the lookup's
    /// failure: it is not the token then, and asking for more of them would be a loop. Which worker gets the second turn is open, so
    /// that the first is remembered for all.
    private func renewToken(_ lease: Lease, _ resource: Resource, _ token: String) throws {
        let fact = "refused/\(resource.name)"
        if let earlier = try turnstile.recall(fact), earlier != TokenKeeper.mark(of: token) {
            try turnstile.remember(fact, "", until: csys_wall_ms())
            return try again(lease, resource, reason: "Spotify refuses every token for this", isFinal: true)
        }
        log.notice("Spotify refused the token; a new one is asked for", metadata: ["lookup": "\(resource.name)"])
        try turnstile.remember(fact, TokenKeeper.mark(of: token), until: csys_wall_ms() + 60_000)
        try tokens?.refuse(token)
        _ = try turnstile.finish(lease, .failed(reason: "Spotify refused the token", retryAfter: .zero, final: false))
    }

    /// What kind of account this is, for the status page: written when it is new.
    private func learn(_ mode: AccountMode?) throws {
        guard let mode, mode != accountMode else { return }
        accountMode = mode
        guard try turnstile.recall(AccountMode.fact) != mode.rawValue else { return }
        try turnstile.remember(AccountMode.fact, mode.rawValue, until: nil)
        log.notice("Spotify's answers show the account's mode", metadata: ["mode": "\(mode.rawValue)"])
    }

    /// Keeps an answer while the lease is still ours, and ends the wait of its callers.
    private func store(_ lease: Lease, _ resource: Resource, _ write: () throws -> Void) throws(TurnstileError) {
        do {
            guard try turnstile.finish(lease, .answered, storing: write) else { return }
            room.settle(resource)
        } catch .storing(let cause) {
            log.error("what was fetched cannot be stored: \(cause)", metadata: ["lookup": "\(resource.name)"])
            try again(lease, resource, reason: "the database cannot be written: \(cause)", pauseAtLeast: .seconds(30))
        }
    }

    /// Something failed: another turn later, or the end for those who wait.
    private func again(
        _ lease: Lease, _ resource: Resource, reason: String, pauseAtLeast least: Duration = .zero, isFinal isHopeless: Bool = false
    ) throws(TurnstileError) {
        let attended = room.waits(for: resource) || lease.priority == .caller
        let isFinal = attended && (isHopeless || lease.attempt >= Retries.turns)
        let pause = max(least, Retries.pause(after: lease.attempt, attended: attended))
        log.warning(
            "a lookup failed",
            metadata: ["lookup": "\(resource.name)", "reason": "\(reason)", "attempt": "\(lease.attempt)", "pause": "\(pause.components.seconds)s"])
        guard try turnstile.finish(lease, .failed(reason: reason, retryAfter: pause, final: isFinal)) else { return }
        if isFinal { room.fail(resource, .failed(reason: reason, after: max(pause, .seconds(5)))) }
    }

    private func coolDown(_ lease: Lease, _ retryAfter: Duration?, _ quotaExceeded: Bool) throws {
        let end = try turnstile.coolDown(retryAfter, quotaExceeded: quotaExceeded)
        let rest = Duration.milliseconds(max(end - csys_wall_ms(), 1000))
        _ = try turnstile.finish(lease, .failed(reason: "rate limited", retryAfter: .zero, final: false))
        log.warning(
            quotaExceeded ? "Spotify says that the quota is spent" : "Spotify limits the rate of calls",
            metadata: ["wait": "\(rest.components.seconds)s"])
    }

    private func noteUnreachable(_ reason: String) {
        guarded {
            let end = try turnstile.backOff(.upstream(reason))
            let pause = Duration.milliseconds(max(end - csys_wall_ms(), 1000))
            log.warning("Spotify cannot be reached", metadata: ["reason": "\(reason)", "pause": "\(pause.components.seconds)s"])
        }
    }

    /// While Spotify must not or cannot be asked, callers whose patience ends before that are told at once, and told why.
    private func tellWhoCannotWait(_ pause: Duration, _ reason: WaitReason) throws {
        guard !room.isEmpty, reason == .cooldown || reason == .backoff else { return }
        let until = csys_monotonic_ns() + UInt64(clamping: pause.nanoseconds)
        room.failImpatient(before: until, underWay: inFlight, .failed(reason: try outage() ?? "Spotify cannot be asked", after: pause))
    }

    /// Why no call is made, when that is not the pace.
    func outage() throws -> String? {
        let status = try turnstile.status()
        if let cooldown = status.cooldown {
            return cooldown.quotaExceeded ? "Spotify's quota is spent" : "Spotify has told this server to wait"
        }
        return status.tokenOutage?.reason ?? status.upstream?.reason
    }
}
