import CSystem

/// Turns and what becomes of them.
extension Turnstile {
    /// Asks for the right to make one call: checks the pace and the cooldown, picks the most urgent lookup,
    /// leases it and spends the slot, in one immediate transaction. A denial writes nothing.
    ///
    /// - Parameter worker: the name of the asking process, for the head start: the worker that made the last
    ///   call may have the next turn as soon as it is due, the others some milliseconds later.
    public func turn(worker: String) throws(TurnstileError) -> Turn {
        let lead = memory.withLock { $0.commit }
        let unsaved = memory.withLock { $0.cooldownIsSaved ? nil : $0.cooldown }
        let turn: Turn = try file.write { transaction in
            if let unsaved { try save(cooldown: unsaved, transaction) }
            return switch try decision(transaction, worker: worker) {
            case .nothing: .wait(Self.emptyWait, .empty)
            case .wait(let until, let reason): .wait(.nanoseconds(until - transaction.now), reason)
            case .grant(let background):
                try grant(transaction, worker: worker, background: background, lead: lead)
            }
        }
        if unsaved != nil { memory.withLock { $0.cooldownIsSaved = $0.cooldown == unsaved } }
        if case .granted(let lease) = turn { noteGrant(lease, lead: lead) }
        return turn
    }

    /// What `turn` would say now. Reads only.
    public func peek(worker: String) throws(TurnstileError) -> Prospect {
        try file.read { transaction in
            switch try decision(transaction, worker: worker) {
            case .nothing: .wait(Self.emptyWait, .empty)
            case .wait(let until, let reason): .wait(.nanoseconds(until - transaction.now), reason)
            case .grant: .due
            }
        }
    }

    /// The turn was not used within `Lease.freshness`. The slot is gone; the lookup is free again at once and
    /// the attempt is not counted. Nothing happens when the lease is no longer current.
    public func loseTurn(_ lease: Lease) throws(TurnstileError) {
        try file.write { transaction in
            try transaction.run(
                """
                UPDATE lookups SET lease = NULL, lease_until = NULL, attempts = max(0, attempts - 1)
                WHERE key = ? AND lease = ?
                """, [lease.key, lease.number])
        }
    }

    /// Ends a lease.
    ///
    /// - Parameter store: runs inside the transaction, only when the lease is current: what it writes elsewhere
    ///   is written while no other worker can take the lookup over. It must not call this turnstile. When it
    ///   throws, nothing is changed and `storing` is thrown.
    /// - Returns: false when the lease is not current any more (it ran out and another worker has it, or the
    ///   lookup is gone).
    public func finish(
        _ lease: Lease, _ result: LeaseResult, storing store: () throws -> Void = {}
    ) throws(TurnstileError) -> Bool {
        try file.write { transaction in
            guard try transaction.isCurrent(lease) else { return false }
            do { try store() } catch { throw TurnstileError.storing(error) }
            switch result {
            case .answered: try transaction.close(lease)
            case .failed(let reason, let retryAfter, let final):
                try transaction.suspend(lease, reason: reason, pause: retryAfter.inNanoseconds, final: final)
            }
            return true
        }
    }

    /// When to look again at an empty queue: another process may have died and left something in it.
    private static var emptyWait: Duration { .seconds(10) }

    private func decision(_ transaction: Transaction, worker: String) throws -> Decision {
        let history = try history(transaction)
        let holds = try holds(transaction)
        func offer(background: Bool) throws -> Offer {
            Offer(
                opening: pace.opening(background: background, history: history, holds: holds),
                ready: try transaction.readiness(background: background))
        }
        let last = try transaction.lastWorker()
        return decide(
            now: transaction.now, callers: try offer(background: false), background: try offer(background: true),
            headStart: last == nil || last == worker ? 0 : pace.headStart)
    }

    /// Writes a cooldown that could not be written when Spotify asked for it.
    private func save(cooldown: Instant, _ transaction: Transaction) throws {
        guard cooldown > transaction.now else { return }
        let earlier = try transaction.pause(.cooldown)
        try transaction.set(
            .cooldown,
            Pause.after(earlier, now: transaction.now, told: cooldown - transaction.now, growth: .cooldown))
    }

    private func grant(_ transaction: Transaction, worker: String, background: Bool, lead: Int64) throws -> Turn {
        guard let pick = try transaction.pick(background: background) else { return .wait(Self.emptyWait, .empty) }
        let instant = transaction.now + lead
        let number = try transaction.lease(pick, until: instant + leaseLifetime)
        try transaction.spend(at: instant, background: background, worker: worker, pace: pace)
        try transaction.tidy()
        return .granted(
            Lease(
                key: pick.key, number: number, attempt: pick.attempts + 1, priority: pick.rank,
                grantedBoot: UInt64(clamping: instant)))
    }

    /// Keeps the grant in mind, and how long it took to write. Where a disk needs longer for that than a turn
    /// stays fresh, the next grant is dated so much later: the pace counts from there, and no call leaves before
    /// the clock was read, so calls only come further apart.
    private func noteGrant(_ lease: Lease, lead: Int64) {
        let granted = Instant(clamping: lease.grantedBoot)
        let took = clock.now().instant - (granted - lead)
        let slow = Lease.freshness.inNanoseconds / 2
        memory.withLock {
            $0.newestGrant = granted
            $0.commit = min(max(took > slow ? took + slow : 0, $0.commit / 2), 2_000_000_000)
            if $0.commit < 1_000_000 { $0.commit = 0 }
        }
    }
}
