import CSystem
import RateLimiting

/// Taking in callers: what the cache knows by now is settled at once, the rest is queued in one transaction.
extension LookupLoop {
    func admit(_ arrivals: [Waiter]) {
        var asks: [Resource: Ask] = [:]
        for waiter in arrivals {
            let missing = Set(waiter.resources.filter { !isKnown($0) })
            if missing.isEmpty {
                waiter.settle(.settled(joined: true))
            } else if configuration.credentials == nil {
                waiter.settle(.failed(reason: Self.noCredentials, after: .seconds(3600)))
            } else {
                singleFlight.seat(waiter, for: missing)
                for resource in waiter.resources where missing.contains(resource) { attend(waiter, resource, &asks) }
            }
        }
        if !asks.isEmpty { guarded { try enqueue(asks) } }
        sendAway(arrivals)
    }

    static let noCredentials = "SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET are not set"

    /// Between a caller's miss and now, the record may have come.
    private func isKnown(_ resource: Resource) -> Bool {
        switch try? recordStore.read(resource) {
        case .hit(let served): resource.cache == .spotify || served.freshness == .fresh
        case .denied: true
        case .miss, nil: false
        }
    }

    /// Adds to `asks` what the limiter does not know yet: the lookup itself, or that somebody waits for it longer.
    private func attend(_ waiter: Waiter, _ resource: Resource, _ asks: inout [Resource: Ask]) {
        if let known = singleFlight.expectation(of: resource), known.attendedUntil >= waiter.deadline { return }
        let until = wall(of: waiter.deadline) + Self.attendanceMargin
        // The first of several is charged for the place.
        let client = asks[resource]?.client ?? waiter.client
        asks[resource] = Ask(
            key: resource.name, priority: .caller, client: client, attendedUntil: max(until, asks[resource]?.attendedUntil ?? 0))
    }

    /// Callers of one lookup who come within this time do not each write to the file, milliseconds.
    private static let attendanceMargin: Int64 = 2000

    private func enqueue(_ asks: [Resource: Ask]) throws {
        let order = Array(asks)
        let admissions = try rateLimiter.enqueue(order.map(\.value))
        let now = csys_monotonic_ns()
        let wallNow = csys_wall_ms()
        for ((resource, ask), admission) in zip(order, admissions) {
            switch admission {
            case .queued(_, let wait, let wasQueued):
                singleFlight.expect(
                    .init(
                        answerAt: now + UInt64(clamping: wait.nanoseconds),
                        attendedUntil: now + UInt64(clamping: (ask.attendedUntil - wallNow) * 1_000_000),
                        wasQueued: singleFlight.expectation(of: resource)?.wasQueued ?? wasQueued), of: resource)
            case .refused(let refusal, let retryAfter):
                singleFlight.fail(resource, .refused(refusal, after: retryAfter))
            }
        }
        nextPermitAt = min(nextPermitAt, now)
    }

    /// Who would wait longer than it wants to is told at once, and why; its lookups stay queued.
    private func sendAway(_ arrivals: [Waiter]) {
        let leaving = arrivals.compactMap { waiter -> (Waiter, answerAt: UInt64)? in
            guard let answerAt = singleFlight.answerAt(waiter.number), answerAt > waiter.deadline else { return nil }
            return singleFlight.remove(waiter.number).map { ($0, answerAt) }
        }
        guard !leaving.isEmpty else { return }
        let reason = (try? outage()) ?? "The lookup is queued; its turn comes later than this request may wait"
        let now = csys_monotonic_ns()
        for (waiter, answerAt) in leaving {
            waiter.settle(.later(after: .nanoseconds(Int64(clamping: answerAt > now ? answerAt - now : 0)), reason: reason))
        }
    }

    private func wall(of instant: UInt64) -> Int64 {
        csys_wall_ms() + (Int64(clamping: instant) - Int64(clamping: csys_monotonic_ns())) / 1_000_000
    }
}

extension Duration {
    /// Whole nanoseconds, clamped.
    var nanoseconds: Int64 {
        let (seconds, overflow) = components.seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? (components.seconds < 0 ? .min : .max) : seconds + components.attoseconds / 1_000_000_000
    }
}
