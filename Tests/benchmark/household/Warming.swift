import Catalog
import Platform
import RateLimiting

/// `warm`: what is not known is queued behind everything else, as it is planned, as much of it as there is room for, until all is there.
///
/// `@unchecked Sendable`: everything here is done by the one thread that runs the lookup loop.
final class Warming: @unchecked Sendable {
    private let agenda: Agenda
    private let rateLimiter: any RateLimiter
    private let shelf: RecordStore
    private var plan: WarmPlan
    private var toQueue: [Resource] = []
    private var queued: [Resource] = []
    private var settled: [Resource] = []
    private let wanted: [Resource]

    init(_ resources: [Resource], _ simulation: Simulation) {
        agenda = simulation.agenda
        rateLimiter = simulation.rateLimiter
        shelf = RecordStore(caches: simulation.caches, temporaryTTL: .seconds(3600), clock: simulation.agenda.clock)
        wanted = resources
        plan = WarmPlan([], records: shelf)
    }

    func begin() throws {
        plan = WarmPlan(try wanted.filter { try !shelf.isKnown($0) }, records: shelf)
        toQueue = try plan.begin().reversed()
        try step()
    }

    private func step() throws {
        let states = try rateLimiter.states(of: queued.map(\.name), estimating: false)
        settled += zip(queued, states).filter { $0.1 == .absent }.map(\.0)
        queued = zip(queued, states).filter { $0.1 != .absent }.map(\.0)
        toQueue += try plan.settled(settled).reversed()
        settled = []
        try fill()
        if toQueue.isEmpty, queued.isEmpty, settled.isEmpty {
            print("warmed \(agenda.now) \(plan.left)")
        } else {
            agenda.enter(at: agenda.now + 60) { self.goOn() }
        }
    }

    func goOn() {
        do { try step() } catch { agenda.enter(at: agenda.now + 60) { self.goOn() } }
    }

    private func fill() throws {
        while !toQueue.isEmpty {
            let next = Array(toQueue.suffix(100).reversed())
            toQueue.removeLast(next.count)
            let batch = try next.filter { try !shelf.isKnown($0) }
            settled += Set(next).subtracting(batch)
            let asks = batch.map { Ask(key: $0.name, priority: .warming, client: "", attendedUntil: 0) }
            var refused: [Resource] = []
            for (resource, admission) in zip(batch, try rateLimiter.enqueue(asks)) {
                if case .queued = admission { queued.append(resource) } else { refused.append(resource) }
            }
            toQueue += refused.reversed()
            if !refused.isEmpty { return }
        }
    }
}
