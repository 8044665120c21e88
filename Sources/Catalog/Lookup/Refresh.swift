import Platform
import RateLimiting

/// Keeping records fresh: those that were served stale, and those in use before they fall due. What has been asked for, and when the next
/// look is due.
struct Refresh {
    /// A record and the time at which it falls due.
    struct Due: Equatable {
        var resource: Resource
        var at: WallTime
    }

    private struct Asked {
        /// Of the record as it was then.
        var dueAt: WallTime
        var askedAt: MonotonicTime
    }

    let plan: RenewalPlan
    private var asked: [Resource: Asked] = [:]
    private var lastRound: MonotonicTime

    private static let roundLength = Duration.seconds(60)
    private static let memory = Duration.seconds(600)
    /// Of one round. Half of what the limiter's queue holds by default: renewals have no more room there.
    static let mostInRound = 500

    init(plan: RenewalPlan, now: MonotonicTime) {
        self.plan = plan
        lastRound = now
    }

    /// Whether a round is due, which begins then: once a minute.
    mutating func beginsRound(now: MonotonicTime) -> Bool {
        guard now > lastRound + Self.roundLength else { return false }
        lastRound = now
        asked = asked.filter { now < $0.value.askedAt + Self.memory }
        return true
    }

    /// A record that falls due is asked for once; again when it has been renewed since, or when that was long ago.
    func unasked(_ due: [Due], now: MonotonicTime) -> [Due] {
        due.filter { record in
            guard let asked = asked[record.resource], asked.dueAt == record.at else { return true }
            return now > asked.askedAt + Self.memory
        }
    }

    mutating func noteQueued(_ due: [Due], _ admissions: [Admission], now: MonotonicTime) {
        for (record, admission) in zip(due, admissions) {
            if case .queued = admission { asked[record.resource] = Asked(dueAt: record.at, askedAt: now) }
        }
    }
}

/// How far ahead of its time a record is renewed, and how long ago it may have been used.
struct RenewalPlan {
    /// A twelfth of the ttl: so the renewals of records that were fetched together have an hour to spread over.
    let lead: Duration
    /// Twice the ttl: what is used once a day at the same hour is fresh when that hour comes.
    let interest: Duration
    /// A 48th of the ttl: a use that another worker has noted so short ago is not noted again.
    let tolerance: Duration

    /// - Parameter ttl: `SPOTIFY_CACHE_TTL`.
    init(ttl: Duration) {
        lead = ttl / 12
        interest = ttl * 2
        tolerance = ttl / 48
    }
}
