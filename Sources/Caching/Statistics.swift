import Synchronization

/// How often a cache was asked, and which tier answered.
public struct Tally: Sendable, Equatable {
    public var memory: UInt64 = 0
    public var dragonfly: UInt64 = 0
    public var sqlite: UInt64 = 0
    public var misses: UInt64 = 0

    public var hits: UInt64 { memory + dragonfly + sqlite }
    /// 0 to 100; 0 when nothing was asked.
    public var hitRate: Double { hits + misses == 0 ? 0 : Double(hits) * 100 / Double(hits + misses) }
}

/// This worker's tallies; `flush` adds what is new to those of all workers.
final class TallyBook: Sendable {
    private final class Line: Sendable {
        let memory = Atomic<UInt64>(0), dragonfly = Atomic<UInt64>(0), sqlite = Atomic<UInt64>(0), misses = Atomic<UInt64>(0)

        var tally: Tally {
            Tally(
                memory: memory.load(ordering: .relaxed), dragonfly: dragonfly.load(ordering: .relaxed),
                sqlite: sqlite.load(ordering: .relaxed), misses: misses.load(ordering: .relaxed))
        }
    }

    private let lines = CacheName.allCases.map { _ in Line() }
    /// What was added to the shared page already; guards the adding.
    private let flushed = Mutex([Tally](repeating: Tally(), count: CacheName.allCases.count))

    func note(_ cache: CacheName, _ tier: Tier?) {
        let line = lines[Int(cache.number)]
        switch tier {
        case .memory: line.memory.add(1, ordering: .relaxed)
        case .dragonfly: line.dragonfly.add(1, ordering: .relaxed)
        case .sqlite: line.sqlite.add(1, ordering: .relaxed)
        case nil: line.misses.add(1, ordering: .relaxed)
        }
    }

    func tally(_ cache: CacheName) -> Tally { lines[Int(cache.number)].tally }

    /// Answers the sums of all workers.
    @discardableResult
    func flush(to page: SharedPage) -> [CacheName: Tally] {
        flushed.withLock { flushed in
            var sums: [CacheName: Tally] = [:]
            for cache in CacheName.allCases {
                let index = Int(cache.number)
                let (now, before) = (tally(cache), flushed[index])
                flushed[index] = now
                sums[cache] = Tally(
                    memory: page.tally(index * 4, adding: now.memory - before.memory),
                    dragonfly: page.tally(index * 4 + 1, adding: now.dragonfly - before.dragonfly),
                    sqlite: page.tally(index * 4 + 2, adding: now.sqlite - before.sqlite),
                    misses: page.tally(index * 4 + 3, adding: now.misses - before.misses))
            }
            return sums
        }
    }
}
