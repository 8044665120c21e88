/// Asking for lookups.
extension Turnstile {
    /// Puts lookups into the queue, in one transaction. A key that is in the queue already, from any process, is
    /// not queued twice: it takes the more urgent priority and the later `attendedUntil` of the two.
    ///
    /// - Returns: one admission for each ask, in their order.
    public func enqueue(_ asks: [Ask]) throws(TurnstileError) -> [Admission] {
        guard !asks.isEmpty else { return [] }
        return try file.write { transaction in
            try transaction.tidy()
            var occupancy = try transaction.occupancy(limit: queueLimit)
            let wasQueued = try asks.map { ask in try transaction.standing(of: ask.key).map { !$0.isFailed } ?? false }
            let refusals = try asks.map { try transaction.admit($0, &occupancy) }
            let outlook = try outlook(transaction)
            return try zip(zip(asks, wasQueued), refusals).map { asked, refusal in
                let (ask, wasQueued) = asked
                guard let refusal else { return try outlook.admission(of: ask.key, wasQueued: wasQueued) }
                return .refused(refusal, retryAfter: try outlook.room(for: ask, refused: refusal))
            }
        }
    }

    /// Where lookups stand, for a worker that waits for what another fetches.
    ///
    /// - Parameter estimating: false leaves `ahead` and `wait` zero, and is much cheaper for many keys.
    /// - Returns: one state for each key, in their order.
    public func states(of keys: [String], estimating: Bool = true) throws(TurnstileError) -> [LookupState] {
        guard !keys.isEmpty else { return [] }
        return try file.read { transaction in
            let outlook = estimating ? try outlook(transaction) : nil
            return try keys.map { key in
                guard let standing = try transaction.standing(of: key) else { return .absent }
                if standing.isFailed {
                    let end = standing.notBefore ?? transaction.now
                    return .failed(reason: standing.failure ?? "", retryAt: transaction.moment.wall(of: end))
                }
                if standing.isLeased { return .leased }
                guard let outlook else { return .waiting(ahead: 0, wait: .zero) }
                let (ahead, wait) = try outlook.wait(for: standing)
                return .waiting(ahead: ahead, wait: wait)
            }
        }
    }

    private func outlook(_ transaction: Transaction) throws -> Outlook {
        Outlook(
            transaction: transaction, lines: try transaction.lines(), forecast: try forecast(transaction),
            callTime: try transaction.callTime())
    }
}

/// What can be said about waiting, at one moment.
private struct Outlook {
    let transaction: Transaction
    let lines: Lines
    let forecast: Forecast
    /// The mean time from a grant to its answer.
    let callTime: Int64

    func admission(of key: String, wasQueued: Bool) throws -> Admission {
        guard let standing = try transaction.standing(of: key), !standing.isLeased else {
            return .queued(ahead: 0, wait: .nanoseconds(callTime), wasQueued: wasQueued)
        }
        let (ahead, wait) = try wait(for: standing)
        return .queued(ahead: ahead, wait: wait, wasQueued: wasQueued)
    }

    func wait(for standing: Standing) throws -> (ahead: Int, wait: Duration) {
        let place = try transaction.place(of: standing.number, client: standing.client, rank: standing.rank)
        let ahead = lines.ahead(of: standing.client, rank: standing.rank, place: place)
        let turn = try forecast.turn(after: ahead, background: standing.rank.isBackground)
        let instant = max(turn, standing.notBefore ?? turn)
        return (ahead, .nanoseconds(instant + callTime - transaction.now))
    }

    /// Until a place is free: the next turn of the client that had its share, or anybody's next.
    func room(for ask: Ask, refused refusal: Refusal) throws -> Duration {
        let ahead = refusal == .clientShare ? lines.ahead(of: ask.client, rank: .caller, place: 0) : 0
        return .nanoseconds(try forecast.turn(after: ahead, background: ask.priority.isBackground) - transaction.now)
    }
}
