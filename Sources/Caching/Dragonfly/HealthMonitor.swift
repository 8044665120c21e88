import Platform
import RESP

/// The one thread that connects: while the breaker is open it probes once a second; while it is closed it opens
/// connections that are missing, and sweeps copies away.
extension DragonflyStore {
    func startHealthMonitor() {
        do {
            _ = try WorkerThread.start(named: "dragonfly", stackSize: 256 << 10) { [weak self, healthMonitor] in
                while true {
                    // The store is let go of while this thread rests, so that it can end.
                    guard let isOpen = self?.attend() else { return }
                    guard isOpen ? healthMonitor.rest(for: .seconds(1)) : healthMonitor.wait() else { return }
                }
            }
        } catch {
            log.error("DragonflyDB is not used: its thread cannot be started (\(error))")
        }
    }

    /// One round. Answers whether the breaker is open after it.
    private func attend() -> Bool {
        if !isAnswering { probe() } else if pool.count == 0 { connectOne() }
        openPipelines()
        while isAnswering, let pattern = healthMonitor.nextSweep {
            guard sweep(pattern) else { break }
            healthMonitor.finish(pattern)
        }
        return !isAnswering
    }

    private func probe() {
        let batch = breaker.withLock { $0.batch }
        do throws(StoreFault) {
            var fresh: [RedisConnection] = []
            for _ in 0..<connections { fresh.append(try connect(batch: batch + 1)) }
            admit(fresh)
        } catch {
            say(breaker.withLock { $0.trip(error, batch: batch, now: clock.wall) })
        }
    }

    /// Waits: on the health monitor's thread alone.
    func connect(batch: Int) throws(StoreFault) -> RedisConnection {
        try RedisConnection(configuration.endpoint, batch: batch, longestReply: EntryLimits.valueBytes + 65536)
    }

    private func connectOne() {
        let batch = breaker.withLock { $0.batch }
        do throws(StoreFault) {
            add(try connect(batch: batch))
        } catch {
            trip(error, batch: batch)
        }
    }

    /// Removes every key that matches, a few hundred at a time. false: the store could not be asked to the end.
    private func sweep(_ pattern: [UInt8]) -> Bool {
        scan(pattern) { keys in
            self.use { connection throws(StoreFault) in
                var commands = CommandBuffer()
                commands.begin(1 + keys.count)
                commands.part("UNLINK")
                for key in keys { commands.part(key) }
                try connection.exchange(commands) { (_, _) throws(StoreFault) in }
                return true
            } ?? false
        }
    }

    /// Hands over the keys that match, in slices; some may come twice and a slice may be missing while keys move
    /// (SCAN's own guarantees). A slice may be empty and not the last: only cursor 0 ends.
    func scan(_ pattern: [UInt8], each: ([[UInt8]]) -> Bool) -> Bool {
        var cursor = Array("0".utf8)
        repeat {
            guard let slice = use({ connection throws(StoreFault) in try self.slice(cursor, pattern, connection) }) else {
                return false
            }
            if !slice.keys.isEmpty, !each(slice.keys) { return false }
            cursor = slice.next
        } while cursor != Array("0".utf8)
        return true
    }

    private func slice(
        _ cursor: [UInt8], _ pattern: [UInt8], _ connection: RedisConnection
    ) throws(StoreFault) -> (next: [UInt8], keys: [[UInt8]]) {
        var commands = CommandBuffer()
        commands.begin(6)
        commands.part("SCAN")
        commands.part(cursor)
        commands.part("MATCH")
        commands.part(pattern)
        commands.part("COUNT")
        commands.part("500")
        var slice: (next: [UInt8], keys: [[UInt8]]) = (Array("0".utf8), [])
        try connection.exchange(commands) { (_, reply) throws(StoreFault) in
            if case .error(let text) = reply { throw StoreFault(reply: text) }
            guard case .array(let parts) = reply, parts.count == 2, let first = parts[0], let second = parts[1] else { return }
            if case .bytes(let next) = RedisReply(first) { slice.next = Array(next) }
            guard case .array(let keys) = RedisReply(second) else { return }
            for case let key? in keys {
                if case .bytes(let bytes) = RedisReply(key) { slice.keys.append(Array(bytes)) }
            }
        }
        return slice
    }

    /// Removes the copies of a cache whose keys begin with `prefix`, in the background; later, when the store is away.
    func sweep(_ cache: CacheName, prefix: [UInt8]) {
        let start = key(cache, prefix)
        healthMonitor.ring(sweep: Self.pattern(prefix: start.prefix + start.key))
    }

    /// Matches what begins with `prefix`, whatever glob characters are in it.
    static func pattern(prefix: [UInt8]) -> [UInt8] {
        let special = Array("*?[]\\^-".utf8)
        return prefix.flatMap { special.contains($0) ? [UInt8(ascii: "\\"), $0] : [$0] } + [UInt8(ascii: "*")]
    }
}
