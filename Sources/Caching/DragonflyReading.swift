extension DragonflyStore {
    /// nil: the store could not be asked.
    func get(_ cache: CacheName, _ key: [UInt8]) -> Look? {
        get(cache, [key])?.first
    }

    /// Several keys in one exchange and one deadline, in their order.
    func get(_ cache: CacheName, _ keys: [[UInt8]]) -> [Look]? {
        let begin = clock.monotonic
        let looks = use { connection throws(StoreFault) -> [Look] in
            let era = page.era
            var commands = CommandBuffer()
            for key in keys { commands.command("GET", self.key(cache, key)) }
            var looks: [Look] = []
            looks.reserveCapacity(keys.count)
            try connection.exchange(commands) { (_, reply) throws(StoreFault) in
                looks.append(Look(copy: try self.copy(reply), era: era))
            }
            return looks
        }
        if looks != nil { counts.note(latency: clock.monotonic &- begin) }
        counts.commands.add(UInt64(keys.count), ordering: .relaxed)
        return looks
    }

    /// A value of another kind or shape is as good as none; any other error says something about the store.
    private func copy(_ reply: Reply) throws(StoreFault) -> Copy? {
        switch reply {
        case .none: return nil
        case .bytes(let bytes):
            if let copy = Copy(bytes) { return copy }
        case .error(let text) where !text.hasPrefix("WRONGTYPE"): throw StoreFault(reply: text)
        default: break
        }
        counts.foreignValues.add(1, ordering: .relaxed)
        return nil
    }
}
