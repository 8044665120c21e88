import Platform

extension Sessions {
    /// One small step of what is not urgent: writes "last seen", looks whether users changed, removes what expired. To be called about
    /// once a second from a plain thread.
    public func maintain(_ context: borrowing BlockingContext) {
        database.settleClock(context)
        forgetRecords(effects.take())
        writeSeen(context)
        sweep(context)
        purge(context)
    }

    private func writeSeen(_ context: borrowing BlockingContext) {
        for (id, use) in seen.take() {
            // A session that ended since must not be shown again.
            guard let session = try? database.read(context, .brief, { try $0.session(id) }), session.endedAt == nil else { continue }
            // Another worker, or a list, may have written a later use; one of the future is by a clock that was set back.
            if let kept = try? records.records([id]).first, let kept, kept.seenAt >= use.seenAt, kept.seenAt <= clock.wall.milliseconds {
                continue
            }
            keepRecord(
                SessionRecord(
                    userID: use.userID, userName: use.userName, userAgent: use.userAgent, address: use.address, createdAt: use.beganAt,
                    seenAt: use.seenAt),
                as: id)
        }
    }

    /// Compares all users with what is known of them, so that a user who was removed is noticed although nobody asks: the id may be given
    /// to somebody else.
    func sweep(_ context: borrowing BlockingContext) {
        let looked = SweptFiles(database: database, directory: directory, now: clock.wall)
        if let looked, let last = swept.withLock({ $0 }), last.stillHolds(looked) { return }
        swept.withLock { $0 = nil }
        guard let known = try? database.read(context, .brief, { try $0.accounts() }), let rows = try? directory.accounts(.brief) else {
            return
        }
        records.markBegun()
        var rowOf: [Int64: Account] = [:]
        for row in rows { rowOf[row.user.id] = row }
        let changed = known.filter { account in
            guard let row = rowOf[account.userID] else { return !account.isGone }
            return !account.isOwner(row)
        }.map(\.userID)
        let strangers = Set(rowOf.keys).subtracting(known.map(\.userID))
        for userID in changed + strangers.sorted() { settle(userID, context) }
        // What had to be settled is looked at again: it may have failed.
        if changed.isEmpty, strangers.isEmpty { swept.withLock { $0 = looked } }
    }

    private func settle(_ userID: Int64, _ context: borrowing BlockingContext) {
        let now = clock.wall.milliseconds
        try? database.write(context, .long) { rows in
            try AccountSettlement.settle(userID, row: try directory.account(id: userID, .brief), in: rows, now: now)
        }
    }

    /// In ms. The workers need not agree on who does it.
    private static let purgeInterval: Int64 = 600_000

    private func purge(_ context: borrowing BlockingContext) {
        let now = clock.wall.milliseconds
        let isDue = purgedAt.withLock { purgedAt -> Bool in
            guard now - purgedAt >= Self.purgeInterval || now < purgedAt else { return false }
            purgedAt = now
            return true
        }
        guard isDue else { return }
        let hasMore = try? database.write(context, .long) { try $0.purge(now: now, atMost: 500) }
        if hasMore ?? false { purgedAt.withLock { $0 = 0 } }
    }
}
