import Caching
import Catalog
import Foundation
import RateLimiting

/// One run of `warm`: what is there, what is queued, what is still to be queued. The workers of `serve` make the calls.
final class WarmingRound {
    private let caches: Caches
    private let shelf: Shelf
    private let turnstile: Turnstile
    private let interval: Duration
    private var toQueue: [Resource]
    private var queued: [Resource] = []
    private var standingNow: WarmingStanding
    private(set) var failures: [(resource: Resource, reason: String)] = []

    init(_ resources: [Resource], folder: DataFolder) throws {
        let settings = folder.settings
        caches = try folder.openCaches(withStore: false)
        shelf = Shelf(caches: caches, temporaryTTL: settings.ttl.temp)
        turnstile = try Turnstile.standing(beside: settings, creating: true)
        interval = settings.minInterval
        toQueue = resources.reversed()
        standingNow = WarmingStanding(asked: resources.count)
    }

    var standing: WarmingStanding { standingNow }
    var isDone: Bool { toQueue.isEmpty && queued.isEmpty }

    func close() { caches.close() }

    /// Leaves out what is known and queues the first.
    func begin() throws {
        toQueue = try toQueue.filter { try !isKnown($0) }
        standingNow.already = standingNow.asked - toQueue.count - failures.count
        try step()
    }

    /// One look at what became of the queued, and more of the rest into the room that there is. A limiter that somebody else has locked
    /// for a while (a backup, a slow disk) is asked again: up to then nothing has changed.
    func step() throws {
        let end = ContinuousClock.now + Self.patience
        while true {
            do {
                return try look()
            } catch let error as TurnstileError {
                guard case .locked = error, ContinuousClock.now < end else { throw error }
            }
        }
    }

    private static let patience = Duration.seconds(60)

    private func look() throws {
        let states = try turnstile.states(of: queued.map(\.name), estimating: false)
        var waiting: [Resource] = []
        for (resource, state) in zip(queued, states) {
            switch state {
            case .waiting, .leased: waiting.append(resource)
            case .failed(let reason, _): failures.append((resource, reason))
            // Not there and not waiting: somebody exchanged limiter.db under us.
            case .absent where try !isKnown(resource): toQueue.append(resource)
            case .absent: break
            }
        }
        queued = waiting
        try fill()
        try estimate()
    }

    /// In the database, or refused by Spotify within the last hour.
    private func isKnown(_ resource: Resource) throws -> Bool {
        switch try shelf.read(resource) {
        case .hit: return true
        case .denied(let denial, _, _):
            failures.append((resource, "Spotify answered \(denial.status)"))
            return true
        case .miss: return false
        }
    }

    private func fill() throws {
        while !toQueue.isEmpty {
            let batch = Array(toQueue.suffix(100).reversed())
            let asks = batch.map { Ask(key: $0.name, priority: .warming, client: "", attendedUntil: 0) }
            var refused: [Resource] = []
            for (resource, admission) in zip(batch, try turnstile.enqueue(asks)) {
                if case .queued = admission { queued.append(resource) } else { refused.append(resource) }
            }
            toQueue.removeLast(batch.count)
            toQueue += refused.reversed()
            if !refused.isEmpty { break }
        }
    }

    /// The turnstile knows when the last that is queued has its turn; what has no place yet follows at the pace.
    private func estimate() throws {
        let status = try turnstile.status()
        standingNow.failed = failures.count
        standingNow.left = queued.count + toQueue.count
        standingNow.cooldownEndsAt = status.cooldown.map(\.endsAt)
        var wait = Duration.zero
        for state in try turnstile.states(of: queued.suffix(1).map(\.name)) {
            if case .waiting(_, let until) = state { wait = until }
        }
        let hourly = Duration.seconds(3600) / max(1, status.backgroundLimit)
        standingNow.secondsLeft = (wait + max(interval, hourly) * toQueue.count).components.seconds
    }
}
