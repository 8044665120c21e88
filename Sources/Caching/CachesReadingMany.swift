extension Caches {
    /// So many keys are asked for in one exchange with the store.
    static let pipeline = 64

    /// Several keys at once; the answers are in the order of the keys.
    public func get(_ cache: CacheName, _ keys: [[UInt8]]) throws(CacheError) -> [Found?] {
        guard let store, store.isAnswering, keys.count > 1 else { return try oneByOne(cache, keys) }
        for key in keys { try Limits.check(key: key) }
        var found = [Found?](repeating: nil, count: keys.count)
        var asked: [Int] = []
        var marks: [UInt32] = []
        for index in keys.indices {
            if cache == .spotify {
                let key = memory.key(keys[index])
                marks.append(page.mark(key.hash))
                found[index] = memory.find(key, now: clock.monotonic).map { Found(entry: $0, tier: .memory) }
            }
            if found[index] == nil { asked.append(index) }
        }
        for start in stride(from: 0, to: asked.count, by: Self.pipeline) {
            try ask(store, cache, keys, Array(asked[start..<min(start + Self.pipeline, asked.count)]), &found)
        }
        if cache == .spotify {
            for index in asked {
                guard let entry = found[index]?.entry else { continue }
                memory.offer(memory.key(keys[index]), entry, mark: marks[index], now: clock.monotonic)
            }
        }
        for each in found { tallies.note(cache, each?.tier) }
        return found
    }

    private func oneByOne(_ cache: CacheName, _ keys: [[UInt8]]) throws(CacheError) -> [Found?] {
        var found: [Found?] = []
        found.reserveCapacity(keys.count)
        for key in keys { found.append(try get(cache, key)) }
        return found
    }

    private func ask(
        _ store: DragonflyStore, _ cache: CacheName, _ keys: [[UInt8]], _ indices: [Int], _ found: inout [Found?]
    ) throws(CacheError) {
        let looks = store.get(cache, indices.map { keys[$0] })
        for (place, index) in indices.enumerated() {
            found[index] =
                if let look = looks?[place] {
                    try judge(look, cache, keys[index])
                } else {
                    try fromRecord(cache, keys[index])
                }
        }
    }
}
