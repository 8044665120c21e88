import CSystem
import Platform
import RateLimiting
import Spotify

/// Taking turns, and why none is taken.
extension LookupLoop {
    /// Begins a call when one is due. The turn itself is taken at the gate, when the connection is ready to send.
    func takePermit(_ client: SpotifyClient) {
        guard let tokens, !isAtGate, client.active < Self.callsAtOnce, csys_monotonic_ns() >= nextPermitAt else { return }
        guarded {
            if case .wait(let pause, let reason) = try rateLimiter.peek(worker: configuration.worker) {
                rest(pause)
                return try tellWhoCannotWait(pause, reason)
            }
            switch try tokens.stand(client) {
            case .wait(let pause, let reason):
                rest(pause)
                try tellWhoCannotWait(pause, reason)
            case .ready(let token): begin(client, token)
            }
        }
    }

    private func rest(_ pause: Duration) {
        nextPermitAt = csys_monotonic_ns() + UInt64(clamping: min(pause, Self.idleLook).nanoseconds)
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

    /// The connection is ready: take the permit now, so that bytes follow it at once.
    private func passGate(_ call: Call, _ token: String) -> Gate {
        var gate = Gate.hold
        guarded {
            let begin = csys_monotonic_ns()
            switch try rateLimiter.permit(worker: configuration.worker) {
            case .wait(let pause, _): rest(pause)
            case .granted(let lease):
                configuration.noteTurn(csys_monotonic_ns() - begin)
                guard let resource = Resource(name: lease.key) else {
                    return try refuseUnknown(lease)
                }
                if try settleKnown(lease, resource) { return }
                guard lease.isFresh(now: SystemClock().boot) else { return try rateLimiter.losePermit(lease) }
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
        _ = try rateLimiter.finish(lease, .failed(reason: "unknown lookup", retryAfter: .seconds(86_400), final: true))
    }

    /// A lookup that was queued again in the instant in which it was answered is not made twice.
    private func settleKnown(_ lease: Lease, _ resource: Resource) throws -> Bool {
        switch try recordStore.read(resource) {
        case .miss: return false
        case .hit(let served):
            // A renewal is spared when something else has renewed the record since it was queued.
            let needed = lease.priority < .renewal ? csys_wall_ms() : csys_wall_ms() + renewalPlan.lead
            guard served.dueAt > needed else { return false }
        case .denied: break
        }
        _ = try rateLimiter.finish(lease, .answered)
        singleFlight.settle(resource, joined: true)
        return true
    }

    private func conclude(_ call: Call, _ token: String, _ result: CallResult) {
        nextPermitAt = min(nextPermitAt, csys_monotonic_ns())
        guard let (lease, resource) = call.turn else {
            if case .unreachable(let reason) = CallOutcome(result, sent: false) { noteUnreachable(reason) }
            return
        }
        inFlight.remove(resource)
        guarded { try conclude(lease, resource, token, CallOutcome(result, sent: true)) }
    }

    /// While Spotify must not or cannot be asked, callers whose patience ends before that are told at once, and told why.
    private func tellWhoCannotWait(_ pause: Duration, _ reason: WaitReason) throws {
        guard !singleFlight.isEmpty, reason == .cooldown || reason == .backoff else { return }
        let until = csys_monotonic_ns() + UInt64(clamping: pause.nanoseconds)
        singleFlight.failImpatient(
            before: until, underWay: inFlight, .failed(reason: try outage() ?? "Spotify cannot be asked", after: pause))
    }

    /// Why no call is made, when that is not the pace.
    func outage() throws -> String? {
        let status = try rateLimiter.status()
        if let cooldown = status.cooldown {
            return cooldown.quotaExceeded ? "Spotify's quota is spent" : "Spotify has told this server to wait"
        }
        return status.tokenOutage?.reason ?? status.upstream?.reason
    }
}
