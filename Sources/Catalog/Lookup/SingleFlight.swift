import Platform
import RateLimiting

/// Single flight: callers of this worker who want the same thing wait for one lookup. Who waits for what, and what each is to be told.
///
/// The lookup belongs to none of them: it stands in the limiter's queue. So a caller who leaves takes only its own wait away, a lookup that
/// failed leaves nothing behind that keeps the next caller from asking again, and who came first neither speaks nor stalls for the others.
/// A value: nothing waits here, and nobody is called.
struct SingleFlight {
    /// A lookup as the limiter's queue shall have it.
    struct Wanted {
        var resource: Resource
        var ask: Ask
    }

    /// A caller whose wait is over, and how.
    struct Told {
        var waiter: Waiter
        var outcome: WaitOutcome
    }

    /// A caller whose patience ends before its answer can be here.
    struct Late {
        var waiter: Waiter
        var answerAt: MonotonicTime
    }

    private struct Seat {
        var waiter: Waiter
        var remaining: Set<Resource>
        var joined = true
    }

    /// What is known of a queued lookup that somebody here waits for.
    private struct Expectation {
        /// When the limiter's estimate expects the answer.
        var answerAt: MonotonicTime
        /// The latest deadline that the limiter was told.
        var attendedUntil: MonotonicTime
        /// The lookup was queued before this worker asked for it.
        var wasQueued: Bool
    }

    private var seats: [UInt64: Seat] = [:]
    private var interest: [Resource: Set<UInt64>] = [:]
    private var expectations: [Resource: Expectation] = [:]

    /// Callers of one lookup who come within this time do not each write to the file.
    private static let attendanceMargin = Duration.seconds(2)

    var isEmpty: Bool { seats.isEmpty }
    /// What somebody waits for.
    var resources: [Resource] { Array(interest.keys) }

    func waits(for resource: Resource) -> Bool { interest[resource] != nil }
    func waits(forOtherThan known: Set<Resource>) -> Bool { interest.keys.contains { !known.contains($0) } }

    // MARK: Callers come and go

    /// Takes in callers, each of whom waits for all its resources.
    /// - Returns: what the limiter does not know yet: the lookup itself, or that somebody waits for it longer.
    mutating func seat(_ arrivals: [Waiter], now: MonotonicTime, wall: WallTime) -> [Wanted] {
        var wanted: [Wanted] = []
        var places: [Resource: Int] = [:]
        for waiter in arrivals {
            seats[waiter.number] = Seat(waiter: waiter, remaining: Set(waiter.resources))
            let attendedUntil = (wall + (waiter.deadline - now) + Self.attendanceMargin).milliseconds
            for resource in waiter.resources {
                interest[resource, default: []].insert(waiter.number)
                if let known = expectations[resource], known.attendedUntil >= waiter.deadline { continue }
                if let place = places[resource] {
                    // The first of several is charged for the place.
                    wanted[place].ask.attendedUntil = max(attendedUntil, wanted[place].ask.attendedUntil)
                } else {
                    places[resource] = wanted.count
                    let ask = Ask(key: resource.name, priority: .caller, client: waiter.client, attendedUntil: attendedUntil)
                    wanted.append(Wanted(resource: resource, ask: ask))
                }
            }
        }
        return wanted
    }

    /// The limiter's answers to what `seat` returned: when each lookup's answer can be here, or that it was not taken.
    mutating func queued(_ wanted: [Wanted], _ admissions: [Admission], now: MonotonicTime, wall: WallTime) -> [Told] {
        var told: [Told] = []
        for (wanted, admission) in zip(wanted, admissions) {
            switch admission {
            case .queued(_, let wait, let wasQueued) where waits(for: wanted.resource):
                let attended = WallTime(milliseconds: wanted.ask.attendedUntil) - wall
                expectations[wanted.resource] = Expectation(
                    answerAt: now + max(.zero, wait), attendedUntil: now + max(.zero, attended),
                    wasQueued: expectations[wanted.resource]?.wasQueued ?? wasQueued)
            case .queued: continue
            case .refused(let refusal, let retryAfter): told += fail(wanted.resource, .refused(refusal, after: retryAfter))
            }
        }
        return told
    }

    /// Takes out those of `arrivals` who would wait longer than they want to; their lookups stay queued.
    mutating func removeLate(among arrivals: [Waiter]) -> [Late] {
        arrivals.compactMap { waiter in
            // A part whose place is not known, as when it could not be queued, sends nobody away.
            let answers = seats[waiter.number]?.remaining.compactMap { expectations[$0]?.answerAt }
            guard let answerAt = answers?.max(), answerAt > waiter.deadline else { return nil }
            return remove(waiter.number).map { Late(waiter: $0, answerAt: answerAt) }
        }
    }

    /// Takes a caller out and gives it back; nil when it has gone before.
    @discardableResult
    mutating func remove(_ number: UInt64) -> Waiter? {
        guard let seat = seats.removeValue(forKey: number) else { return nil }
        for resource in seat.remaining {
            interest[resource]?.remove(number)
            if interest[resource]?.isEmpty == true {
                interest[resource] = nil
                expectations[resource] = nil
            }
        }
        return seat.waiter
    }

    // MARK: Lookups end

    /// A lookup is finished: who waited for nothing else is told. The first of its callers made the call, unless others had before.
    mutating func finish(_ resource: Resource, joined: Bool = false) -> [Told] {
        guard let numbers = interest.removeValue(forKey: resource) else { return [] }
        let wasQueued = expectations.removeValue(forKey: resource)?.wasQueued ?? false
        let isOurs = !joined && !wasQueued
        var told: [Told] = []
        for (place, number) in numbers.sorted().enumerated() {
            seats[number]?.remaining.remove(resource)
            if place == 0 && isOurs { seats[number]?.joined = false }
            guard let seat = seats[number], seat.remaining.isEmpty else { continue }
            seats[number] = nil
            told.append(Told(waiter: seat.waiter, outcome: .finished(joined: seat.joined)))
        }
        return told
    }

    /// A lookup came to nothing: all who wait for it are told.
    mutating func fail(_ resource: Resource, _ outcome: WaitOutcome) -> [Told] { end((interest[resource] ?? []).sorted(), outcome) }

    /// Ends the wait of those whose patience does not reach `instant`.
    /// - Parameter underWay: lookups whose answer comes all the same: who waits for nothing else stays.
    mutating func failImpatient(before instant: MonotonicTime, underWay: Set<Resource> = [], _ outcome: WaitOutcome) -> [Told] {
        let impatient = seats.filter { $0.value.waiter.deadline < instant && !$0.value.remaining.isSubset(of: underWay) }
        return end(impatient.keys.sorted(), outcome)
    }

    private mutating func end(_ numbers: [UInt64], _ outcome: WaitOutcome) -> [Told] {
        numbers.compactMap { number in remove(number).map { Told(waiter: $0, outcome: outcome) } }
    }
}
