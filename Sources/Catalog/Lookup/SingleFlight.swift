/// Who waits for what in this worker. Confined to the lookup thread.
struct SingleFlight {
    /// What is known of a queued lookup that somebody here waits for.
    struct Expectation {
        /// CLOCK_MONOTONIC nanoseconds at which the limiter's estimate expects the answer.
        var answerAt: UInt64
        /// The latest deadline that the limiter was told.
        var attendedUntil: UInt64
        /// The lookup was queued before this worker asked for it.
        var wasQueued: Bool
    }

    private struct Seat {
        var waiter: Waiter
        var remaining: Set<Resource>
        var joined = true
    }

    private var seats: [UInt64: Seat] = [:]
    private var interest: [Resource: Set<UInt64>] = [:]
    private var expectations: [Resource: Expectation] = [:]

    var isEmpty: Bool { seats.isEmpty }
    var resources: [Resource] { Array(interest.keys) }

    func waits(for resource: Resource) -> Bool { interest[resource] != nil }
    func waits(forOtherThan known: Set<Resource>) -> Bool { interest.keys.contains { !known.contains($0) } }
    func expectation(of resource: Resource) -> Expectation? { expectations[resource] }

    mutating func expect(_ expectation: Expectation, of resource: Resource) {
        if waits(for: resource) { expectations[resource] = expectation }
    }

    /// Takes in a caller who waits for `remaining` of what it asked for.
    mutating func seat(_ waiter: Waiter, for remaining: Set<Resource>) {
        seats[waiter.number] = Seat(waiter: waiter, remaining: remaining)
        for resource in remaining { interest[resource, default: []].insert(waiter.number) }
    }

    /// The latest answer that a caller waits for, CLOCK_MONOTONIC nanoseconds; nil while a part's place is not known.
    func answerAt(_ number: UInt64) -> UInt64? {
        guard let seat = seats[number] else { return nil }
        return seat.remaining.compactMap { expectations[$0]?.answerAt }.max()
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

    /// A lookup is done: who waited for nothing else is told. The first of its callers made the call, unless others had before.
    mutating func settle(_ resource: Resource, joined: Bool = false) {
        guard let numbers = interest.removeValue(forKey: resource) else { return }
        let isOurs = !joined && expectations.removeValue(forKey: resource)?.wasQueued != true
        for (place, number) in numbers.sorted().enumerated() {
            seats[number]?.remaining.remove(resource)
            if place == 0 && isOurs { seats[number]?.joined = false }
            guard let seat = seats[number], seat.remaining.isEmpty else { continue }
            seats[number] = nil
            seat.waiter.settle(.settled(joined: seat.joined))
        }
    }

    /// A lookup came to nothing: all who wait for it are told.
    mutating func fail(_ resource: Resource, _ settlement: WaitOutcome) {
        for number in (interest[resource] ?? []).sorted() { remove(number)?.settle(settlement) }
    }

    /// Ends the wait of those whose patience does not reach `instant` (CLOCK_MONOTONIC nanoseconds).
    /// - Parameter underWay: lookups whose answer comes all the same: who waits for nothing else stays.
    mutating func failImpatient(before instant: UInt64, underWay: Set<Resource> = [], _ settlement: WaitOutcome) {
        for (number, seat) in seats where seat.waiter.deadline < instant && !seat.remaining.isSubset(of: underWay) {
            remove(number)?.settle(settlement)
        }
    }
}
