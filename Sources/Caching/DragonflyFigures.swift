extension DragonflyStore {
    var figures: StoreFigures {
        let breaker = breaker.withLock { $0 }
        return StoreFigures(
            isUsed: !breaker.isOpen, fault: breaker.fault, since: breaker.since, writeRefusal: breaker.writeRefusal,
            commands: counts.commands.load(ordering: .relaxed), faults: counts.faults.load(ordering: .relaxed),
            refusedCopies: counts.refusedCopies.load(ordering: .relaxed),
            staleCopies: counts.staleCopies.load(ordering: .relaxed),
            foreignValues: counts.foreignValues.load(ordering: .relaxed),
            latency: counts.latency.load(ordering: .relaxed))
    }

    func health() -> StoreHealth {
        let begin = clock.monotonic
        var commands = CommandBuffer()
        commands.command("PING")
        let isAnswered =
            use { connection throws(StoreFault) in
                try connection.exchange(commands) { (_, reply) throws(StoreFault) in
                    if case .error(let text) = reply { throw StoreFault(reply: text) }
                }
                return true
            } ?? false
        guard isAnswered else {
            let fault = breaker.withLock { $0.fault }
            return StoreHealth(isConnected: false, latency: .zero, message: fault?.description ?? "it has not answered yet")
        }
        let latency = Duration.nanoseconds(Int64(clock.monotonic &- begin))
        return StoreHealth(isConnected: true, latency: latency, message: "it answers")
    }

    /// The fields of INFO; nil when it did not answer.
    func info() -> [String: String]? {
        var commands = CommandBuffer()
        commands.command("INFO")
        return use { connection throws(StoreFault) in
            var fields: [String: String] = [:]
            try connection.exchange(commands) { (_, reply) throws(StoreFault) in
                if case .error(let text) = reply { throw StoreFault(reply: text) }
                guard case .bytes(let bytes) = reply else { return }
                for line in bytes.split(whereSeparator: { $0 == 10 || $0 == 13 }) where line.first != UInt8(ascii: "#") {
                    let parts = line.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
                    guard parts.count == 2 else { continue }
                    fields[String(decoding: parts[0], as: UTF8.self)] = String(decoding: parts[1], as: UTF8.self)
                }
            }
            return fields
        }
    }
}
