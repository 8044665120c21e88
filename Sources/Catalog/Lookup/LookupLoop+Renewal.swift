import CSystem
import Caching
import RateLimiting

/// Keeping records fresh: those that were served stale, and those in use before they fall due.
extension LookupLoop {
    /// Renews what was served although it was due. It waits behind all callers.
    func renew(_ stale: [Resource: Int64]) { askForRenewal(of: stale.map { ($0.key, dueAt: $0.value) }) }

    /// Once a minute: renews what was used lately and falls due soon. What fails stays queued there and pauses, longer each time.
    func renewAhead() {
        let now = csys_monotonic_ns()
        guard configuration.credentials != nil, now > lastRenewalRound + Self.renewalRound else { return }
        lastRenewalRound = now
        renewalsAsked = renewalsAsked.filter { now < $0.value.askedAt + Self.renewalMemory }
        let wall = csys_wall_ms()
        let due = try? shelf.caches.due(
            before: wall + renewalPlan.lead, usedSince: wall - renewalPlan.interest, prefix: Array(Resource.cachePrefix.utf8),
            limit: Self.renewalsInRound)
        askForRenewal(
            of: (due ?? []).compactMap { key, dueAt in
                guard let resource = Resource(cacheKey: key), isToBeRenewed(resource) else { return nil }
                return (resource, dueAt)
            })
    }

    /// Not what Spotify refused less than a day ago, and nothing at an endpoint that is closed for this account.
    private func isToBeRenewed(_ resource: Resource) -> Bool {
        if let endpoint = resource.endpointThatCloses, (try? shelf.isClosed(endpoint)) != false { return false }
        guard case .hit(let served)? = try? shelf.read(resource) else { return false }
        return served.record.refusedWith == nil || served.isDue
    }

    /// A record that falls due at `dueAt` is asked for once; again when it has been renewed since, or when that was long ago.
    private func askForRenewal(of records: [(resource: Resource, dueAt: Int64)]) {
        guard configuration.credentials != nil else { return }
        let now = csys_monotonic_ns()
        let wanted = records.filter { record in
            guard let asked = renewalsAsked[record.resource], asked.dueAt == record.dueAt else { return true }
            return now > asked.askedAt + Self.renewalMemory
        }
        guard !wanted.isEmpty else { return }
        guarded {
            let asks = wanted.map { Ask(key: $0.resource.name, priority: .renewal, client: "", attendedUntil: 0) }
            for (record, admission) in zip(wanted, try turnstile.enqueue(asks)) {
                if case .queued = admission { renewalsAsked[record.resource] = RenewalAsked(dueAt: record.dueAt, askedAt: now) }
            }
            nextTurnAt = min(nextTurnAt, now)
        }
    }

    private static let renewalRound: UInt64 = 60_000_000_000
    private static let renewalMemory: UInt64 = 600_000_000_000
    /// Half of what the turnstile's queue holds by default: renewals have no more room there.
    private static let renewalsInRound = 500
}
