import Platform
import RateLimiting

/// Keeping records fresh: those that were served stale, and those in use before they fall due. What has been asked for, and when the next
/// look is due.
struct Refresh {
    /// A record and the time at which it falls due.
    struct Due: Equatable {
        var resource: Resource
        var at: WallTime
        /// It was used on two occasions, or was just asked for: a call for it alone is worth while.
        var isHabit = true
        /// When it was used last, where that matters.
        var usedAt: WallTime?
    }

    /// A call and the due records that it renews: the one that it asks for, others that its answer has, or those alone.
    struct Call: Equatable {
        var resource: Resource
        var renews: [Due]
    }

    private struct Asked {
        /// Of the record as it was then.
        var dueAt: WallTime
        var askedAt: MonotonicTime
        /// How long it is not asked for again.
        var patience = Refresh.memory
    }

    let plan: RenewalPlan
    private var asked: [Resource: Asked] = [:]
    /// Records that no call was worth while for, as yet.
    private var declined: [Resource: Asked] = [:]
    private var lastRound: MonotonicTime

    private static let roundLength = Duration.seconds(40)
    private static let memory = Duration.seconds(600)
    /// Of what another's call shall renew. It may turn out not to, in a worker that does not know that it was asked for.
    private static let patienceWithOthers = Duration.seconds(30)
    /// Of one round. Twice the calls that the limiter's queue holds of renewals by default: many of them renew several records.
    static let mostInRound = 1000

    init(plan: RenewalPlan, now: MonotonicTime) {
        self.plan = plan
        lastRound = now
    }

    /// Whether a round is due, which begins then. The queue holds 500 renewals by default: where a call renews 50 they must not run out at
    /// 800 calls an hour.
    mutating func beginsRound(now: MonotonicTime) -> Bool {
        guard now > lastRound + Self.roundLength else { return false }
        lastRound = now
        asked = asked.filter { now < $0.value.askedAt + Self.memory }
        declined = declined.filter { now < $0.value.askedAt + Self.memory }
        return true
    }

    /// A record that falls due is asked for once; again when it has been renewed since, or when that was long ago; and once more soon where
    /// the call that should have renewed it was another's.
    func unasked(_ due: [Due], now: MonotonicTime) -> [Due] {
        due.filter { record in
            let earlier = asked[record.resource] ?? (record.isHabit ? nil : declined[record.resource])
            guard let earlier, earlier.dueAt == record.at else { return true }
            return now > earlier.askedAt + earlier.patience
        }
    }

    mutating func noteDeclined(_ due: [Due], now: MonotonicTime) {
        for record in due { declined[record.resource] = Asked(dueAt: record.at, askedAt: now) }
    }

    /// Whether a renewal was asked for here, by whatever call.
    func hasAsked(_ record: Due) -> Bool { asked[record.resource]?.dueAt == record.at }

    mutating func noteQueued(_ calls: [Call], _ admissions: [Admission], now: MonotonicTime) {
        for (call, admission) in zip(calls, admissions) {
            guard case .queued(_, _, let wasQueued) = admission else { continue }
            for record in call.renews {
                let isFirst = wasQueued || asked[record.resource]?.dueAt != record.at
                let patience = isFirst && record.resource != call.resource ? Self.patienceWithOthers : Self.memory
                asked[record.resource] = Asked(dueAt: record.at, askedAt: now, patience: patience)
            }
        }
    }
}

/// How far ahead of its time a record is renewed, and how long ago it may have been used.
struct RenewalPlan {
    /// `SPOTIFY_CACHE_TTL`.
    let ttl: Duration
    /// A twelfth of the ttl: so the renewals of records that were fetched together have an hour to spread over.
    let lead: Duration
    /// Twice the ttl: what is used once a day at the same hour is fresh when that hour comes.
    let interest: Duration
    /// Half the ttl: uses so far apart are two occasions, be it morning and evening or two days.
    let apart: Duration
    /// 14 times the ttl, a week: how long ago the occasion before the last may have been.
    let habit: Duration
    /// A 48th of the ttl: a use that another worker has noted so short ago is not noted again.
    let tolerance: Duration

    /// - Parameter ttl: `SPOTIFY_CACHE_TTL`.
    init(ttl: Duration) {
        self.ttl = ttl
        lead = ttl / 12
        interest = ttl * 2
        apart = ttl / 2
        habit = ttl * 14
        tolerance = ttl / 48
    }
}
