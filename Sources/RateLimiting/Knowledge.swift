/// What a turnstile knows when it decides: the file's word, and this process's own where that is stricter.
extension Turnstile {
    func history(_ transaction: Transaction) throws -> History {
        var history = try transaction.history(for: pace)
        let known = memory.withLock { $0.newestGrant }
        if let known { history.newest = max(known, history.newest ?? known) }
        return history
    }

    func holds(_ transaction: Transaction) throws -> Holds {
        let now = transaction.now
        let known = memory.withLock { $0.cooldown }
        let told = try transaction.pause(.cooldown)?.until
        let upstream = try transaction.pause(.upstream)?.until
        // Without a token no call can be made before the next attempt to get one.
        let token = try transaction.hasToken() ? nil : transaction.pause(.token)?.until
        return Holds(
            cooldown: [known, told].compactMap { $0 }.filter { $0 > now }.max(),
            outage: [upstream, token].compactMap { $0 }.filter { $0 > now }.max())
    }

    func forecast(_ transaction: Transaction) throws -> Forecast {
        let history = try history(transaction)
        let holds = try holds(transaction)
        return Forecast(
            pace: pace, now: transaction.now,
            callers: pace.opening(background: false, history: history, holds: holds),
            background: pace.opening(background: true, history: history, holds: holds),
            grant: transaction.grant)
    }
}
