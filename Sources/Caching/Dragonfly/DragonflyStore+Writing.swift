import Platform
import RESP

/// A copy on its way to the store, and how long it may stay there.
struct CopyOffer {
    var key: StoreKey
    var copy: StoredCopy
    var milliseconds: Int64
}

/// What became of copies that were offered.
enum CopyOfferResult {
    /// In the store, or a newer one was there already.
    case taken
    /// Certainly not in the store; an older one may be.
    case refused
    /// Some are no longer the record's and were not set; an older one may be there.
    case superseded
    /// Not known: the connection failed, or others wrote the same keys again and again.
    case unknown
}

extension DragonflyStore {
    /// Sets copies whatever is there: for caches whose copies are compared with the row each time.
    @discardableResult
    func set(_ offers: [CopyOffer]) -> CopyOfferResult {
        guard mayWrite else { return .refused }
        var commands = CommandBuffer()
        for offer in offers { commands.set(offer.key, offer.copy, milliseconds: offer.milliseconds) }
        counts.commands.add(UInt64(offers.count), ordering: .relaxed)
        return use { connection throws(StoreFault) in
            var refusal: String?
            try connection.exchange(commands) { (_, reply) throws(StoreFault) in
                if case .error(let text) = reply { refusal = try self.refusal(text) }
            }
            return settle(refusal, offers.count)
        } ?? .unknown
    }

    /// Sets copies, but never over a newer one of the same `cache.db`: two workers that write one key at once cannot
    /// leave the older copy behind, and neither can a reader that fills in what it has read before.
    /// - Parameter isCurrent: whether an entry is still the record's, asked when its key is watched: the newer copy of one that is not may
    ///   have come and been evicted before, and then nothing in the store tells.
    func offer(_ offers: [CopyOffer], isCurrent: (CopyOffer) -> Bool) -> CopyOfferResult {
        guard mayWrite else { return .refused }
        let deadline = SystemClock().monotonic + configuration.timeout
        for _ in 0..<3 {
            guard
                let result = use({ connection throws(StoreFault) in
                    try offerOnce(offers, connection, deadline, isCurrent)
                })
            else { return .unknown }
            if let result { return result }
        }
        return .unknown
    }

    /// WATCH makes EXEC fail when a key was written after its header was read (redis.io/docs/interact/transactions).
    /// nil: that has happened.
    private func offerOnce(
        _ offers: [CopyOffer], _ connection: RedisConnection, _ deadline: MonotonicTime, _ isCurrent: (CopyOffer) -> Bool
    ) throws(StoreFault) -> CopyOfferResult? {
        let replaceable = try replaceable(offers, connection, deadline)
        let eligible = replaceable.filter(isCurrent)
        let result = eligible.count == replaceable.count ? CopyOfferResult.taken : .superseded
        guard !eligible.isEmpty else {
            var unwatch = CommandBuffer()
            unwatch.command("UNWATCH")
            try connection.exchange(unwatch, deadline: deadline) { (_, _) throws(StoreFault) in }
            return result
        }
        var commands = CommandBuffer()
        commands.command("MULTI")
        for offer in eligible { commands.set(offer.key, offer.copy, milliseconds: offer.milliseconds) }
        commands.command("EXEC")
        counts.commands.add(UInt64(commands.count), ordering: .relaxed)
        var refusal: String?
        var isDone = false
        try connection.exchange(commands, deadline: deadline) { (index, reply) throws(StoreFault) in
            switch reply {
            case .error(let text) where !text.hasPrefix("EXECABORT"): refusal = try self.refusal(text)
            case .array(let replies) where index == commands.count - 1:
                isDone = true
                for case let reply? in replies {
                    if case .error(let text) = RedisReply(reply) { refusal = try self.refusal(text) }
                }
            default: break
            }
        }
        guard isDone || refusal != nil else { return nil }
        let settled = settle(refusal, eligible.count)
        return settled == .taken ? result : settled
    }

    /// Watches the keys and answers the offers that are newer than what lies there.
    private func replaceable(
        _ offers: [CopyOffer], _ connection: RedisConnection, _ deadline: MonotonicTime
    ) throws(StoreFault) -> [CopyOffer] {
        var commands = CommandBuffer()
        commands.begin(1 + offers.count)
        commands.part("WATCH")
        for offer in offers { commands.part(offer.key) }
        for offer in offers {
            commands.begin(4)
            commands.part("GETRANGE")
            commands.part(offer.key)
            commands.part("0")
            commands.part(Int64(StoredCopy.headerBytes - 1))
        }
        var eligible: [CopyOffer] = []
        try connection.exchange(commands, deadline: deadline) { (index, reply) throws(StoreFault) in
            switch reply {
            case .error(let text) where index == 0 || !text.hasPrefix("WRONGTYPE"): throw StoreFault(reply: text)
            case .bytes(let bytes):
                let offer = offers[index - 1]
                let head = StoredCopy.Head(bytes)
                if let head, head.epoch == offer.copy.epoch, head.key == offer.copy.key, head.seal.version > offer.copy.entry.version {
                    return
                }
                eligible.append(offer)
            case _ where index > 0: eligible.append(offers[index - 1])
            default: break
            }
        }
        return eligible
    }

    /// Removes copies. true: they are certainly gone.
    @discardableResult
    func remove(_ keys: [StoreKey]) -> Bool {
        var commands = CommandBuffer()
        commands.begin(1 + keys.count)
        commands.part("DEL")
        for key in keys { commands.part(key) }
        counts.commands.add(1, ordering: .relaxed)
        return use { connection throws(StoreFault) in
            var isGone = true
            try connection.exchange(commands) { (_, reply) throws(StoreFault) in
                guard case .error(let text) = reply else { return }
                isGone = false
                _ = try self.refusal(text)
            }
            return isGone
        } ?? false
    }

    private var mayWrite: Bool {
        guard isAnswering else { return true }
        return breaker.withLock { $0.mayWrite(now: clock.wall) }
    }

    /// An error that says that the store takes no writes is not a fault of the store.
    private func refusal(_ text: String) throws(StoreFault) -> String {
        guard StoreFault.refusesWrites(text) else { throw StoreFault(reply: text) }
        return String(text.prefix(120))
    }

    private func settle(_ refusal: String?, _ count: Int) -> CopyOfferResult {
        guard let refusal else {
            say(breaker.withLock { $0.accepted() })
            return .taken
        }
        counts.refusedCopies.add(UInt64(count), ordering: .relaxed)
        say(breaker.withLock { $0.refused(refusal, now: clock.wall) })
        return .refused
    }
}
