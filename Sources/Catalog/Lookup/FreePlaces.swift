import Caching
import Platform
import RateLimiting

/// Records in use that fall due soonest, for the places that a call for several objects has free. Confined to the lookup thread.
struct FreePlaces {
    private let recordStore: RecordStore
    private let clock: any HostClock
    private let plan: RenewalPlan
    /// By the family and market that their keys begin with; what is due soonest is last.
    private var soonest: [Substring: [Resource]] = [:]
    private var nextLook = MonotonicTime(nanoseconds: 0)

    private static let lifetime = Duration.seconds(60)
    /// More than the calls of that time have places.
    private static let most = 3000

    init(recordStore: RecordStore, plan: RenewalPlan, clock: any HostClock) {
        self.recordStore = recordStore
        self.plan = plan
        self.clock = clock
    }

    /// Looks, once a minute, for what has been used in the last week and is past the half of its time: before a permit is taken, which is good
    /// for some milliseconds.
    mutating func refresh() {
        guard clock.monotonic >= nextLook else { return }
        nextLook = clock.monotonic + Self.lifetime
        let wall = clock.wall
        let due = try? recordStore.caches.due(
            before: (wall + plan.ttl / 2).milliseconds, usedSince: (wall - plan.habit).milliseconds,
            prefix: Array(Resource.cachePrefix.utf8),
            limit: Self.most)
        let resources = (due ?? []).compactMap { Resource(cacheKey: $0.key) }
        soonest = Dictionary(grouping: resources.reversed()) { Self.line(of: $0.name) }
    }

    /// What a call may ask for beside the lookups that it is for; each once until the next look.
    mutating func take(beside lease: Lease) -> [Resource] {
        let line = Self.line(of: lease.subject)
        var free = lease.places - lease.all.count
        let taken = Set(lease.all.map(\.subject))
        var resources: [Resource] = []
        while free > 0, let resource = soonest[line]?.popLast() {
            // It may have been renewed since.
            guard !taken.contains(resource.name), case .hit(let served)? = try? recordStore.read(resource),
                served.record.refusedWith == nil,
                served.dueAt < (clock.wall + plan.ttl / 2).milliseconds
            else { continue }
            resources.append(resource)
            free -= 1
        }
        return resources
    }

    private static func line(of name: String) -> Substring { name.prefix { $0 != "/" } }
}
