import Catalog
import Platform
import RateLimiting

/// `warm`: what is not known is queued behind everything else, as much of it as there is room for, until all is there.
///
/// `@unchecked Sendable`: everything here is done by the one thread that runs the lookup loop.
final class Warming: @unchecked Sendable {
    private let agenda: Agenda
    private let rateLimiter: RateLimiter
    private let shelf: RecordStore
    private var toQueue: [Resource]
    private var queued: [Resource] = []

    init(_ resources: [Resource], _ simulation: Simulation) {
        agenda = simulation.agenda
        rateLimiter = simulation.rateLimiter
        shelf = RecordStore(caches: simulation.caches, temporaryTTL: .seconds(3600), clock: simulation.agenda.clock)
        toQueue = resources.reversed()
    }

    func step() {
        let states = (try? rateLimiter.states(of: queued.map(\.name), estimating: false)) ?? []
        queued = zip(queued, states).filter { $0.1 != .absent }.map(\.0)
        fill()
        if toQueue.isEmpty, queued.isEmpty {
            print("warmed \(agenda.now)")
        } else {
            agenda.enter(at: agenda.now + 60) { self.step() }
        }
    }

    private func fill() {
        while !toQueue.isEmpty {
            let batch = Array(toQueue.suffix(100).reversed())
            toQueue.removeLast(batch.count)
            let wanted = batch.filter { if case .miss? = try? shelf.read($0) { true } else { false } }
            let asks = wanted.map { Ask(key: $0.name, priority: .warming, client: "", attendedUntil: 0) }
            guard let admissions = try? rateLimiter.enqueue(asks) else { return }
            var refused: [Resource] = []
            for (resource, admission) in zip(wanted, admissions) {
                if case .queued = admission { queued.append(resource) } else { refused.append(resource) }
            }
            toQueue += refused.reversed()
            if !refused.isEmpty { return }
        }
    }
}
