import Platform
import Testing

@testable import RateLimiting

/// Hosts and a store as values, moved on by chance: what the rules promise must hold in every order of events, and not without them.
private struct HostsModel {
    enum Rule: CaseIterable {
        /// Who learns of a turn counts from when it learned of it, before it asks for the next.
        case observe
        /// What was not seen is assumed to have been as often as the pace allows.
        case blindTime
        /// A turn is granted only while the number is the last.
        case fence
        /// The window's calls are counted, those of others too.
        case rateGuard
    }

    private struct Host {
        var position: SharedPosition?
        var ledger: [BootTime] = []
    }

    private struct Store {
        var server = 1
        var epoch = ""
        var founder = 0
        var turn: Int64 = 0
        var turns: [StoreReport.Turn] = []
    }

    private let rateLimit = RateLimit(interval: .seconds(10), callsPerWindow: 6, window: .seconds(150))
    private let without: Rule?
    private var random: SplitMix
    private var now = BootTime.at(1000)
    private var hosts = [Host](repeating: Host(), count: 3)
    private var store = Store()
    private var snapshot = Store()
    private var servers = 1
    private var epochs = 0
    private(set) var calls: [BootTime] = []

    init(seed: UInt64, without: Rule? = nil) {
        random = SplitMix(state: seed)
        self.without = without
    }

    mutating func step() {
        now = now + .milliseconds(Int64(random.next() % 3000))
        let host = Int(random.next() % 3)
        switch random.next() % 1000 {
        case 0: (store, servers) = (Store(server: servers + 1), servers + 1)
        case 1:
            servers += 1
            store = snapshot
            store.server = servers
        case 2...6: snapshot = store
        // Cut off, or asleep: it hears nothing for a while, and the others go on.
        case 7...300: look(host)
        default: ask(host)
        }
    }

    private func report(to position: SharedPosition?) -> StoreReport {
        let isKnown = position?.epoch == store.epoch
        let since = isKnown ? position?.turn ?? 0 : 0
        return StoreReport(
            epoch: store.epoch, turn: store.turn, turns: store.turns.filter { !isKnown || $0.number > since },
            isSameServer: store.founder == store.server)
    }

    private mutating func look(_ index: Int) {
        for _ in 0..<2 {
            let known = hosts[index].position
            let report = report(to: known)
            let sighting = Sighting(
                known: known, report: report, now: now, interval: rateLimit.interval, most: rateLimit.callsPerWindow)
            guard case .grants(let grants) = sighting else {
                found(index, above: max(known?.turn ?? 0, report.turn))
                continue
            }
            let isBlind = known != nil && known?.epoch != report.epoch
            if without != .observe, !(isBlind && without == .blindTime) {
                for grant in grants { hosts[index].ledger.append(max(grant.instant, hosts[index].ledger.last ?? grant.instant)) }
            }
            hosts[index].position = SharedPosition(epoch: report.epoch, turn: report.turn, seen: now)
            return
        }
    }

    private mutating func found(_ index: Int, above turn: Int64) {
        epochs += 1
        let ledger = hosts[index].ledger.suffix(rateLimit.callsPerWindow)
        let turns = zip(ledger, [ledger.first ?? now] + ledger.dropLast()).enumerated().map { place, pair in
            StoreReport.Turn(number: turn + 2 - Int64(ledger.count) + Int64(place), gap: pair.0 - pair.1, isBackground: false)
        }
        (store.epoch, store.turn, store.founder) = ("epoch \(epochs)", turn + 1, store.server)
        store.turns = turns.reversed()
        if hosts[index].position == nil { hosts[index].position = SharedPosition(epoch: store.epoch, turn: store.turn, seen: now) }
    }

    private mutating func ask(_ index: Int) {
        guard let position = hosts[index].position else { return look(index) }
        let ledger = hosts[index].ledger
        let history = History(
            newest: ledger.last,
            atLimit: without == .rateGuard || ledger.count < rateLimit.callsPerWindow
                ? nil : ledger[ledger.count - rateLimit.callsPerWindow])
        guard rateLimit.nextSlot(background: false, history: history, blocks: Blocks()).instant <= now else { return }
        // A server that was started anew has broken the connection: it is looked at first.
        guard store.founder == store.server, store.epoch == position.epoch, without == .fence || store.turn == position.turn else {
            return look(index)
        }
        store.turn += 1
        store.turns.insert(
            StoreReport.Turn(number: store.turn, gap: ledger.last.map { now - $0 } ?? .zero, isBackground: false), at: 0)
        store.turns = Array(store.turns.prefix(rateLimit.callsPerWindow))
        hosts[index].ledger.append(now)
        hosts[index].ledger = hosts[index].ledger.suffix(2 * rateLimit.callsPerWindow)
        hosts[index].position?.turn = store.turn
        hosts[index].position?.seen = now
        calls.append(now)
    }

    /// What was broken; nil: nothing.
    var violation: String? {
        for (earlier, later) in zip(calls, calls.dropFirst()) where later - earlier < rateLimit.interval { return "too close" }
        for (first, last) in zip(calls, calls.dropFirst(rateLimit.callsPerWindow)) where last - first < rateLimit.window {
            return "too many in a window"
        }
        return nil
    }
}

/// A generator that a seed repeats (Steele, Lea and Flood, OOPSLA 2014).
private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

@Suite("Hosts and a store that forgets, in every order")
struct HostsModelTests {
    @Test("A million steps break nothing, and calls are made")
    func sound() {
        var calls = 0
        for seed in 0..<100 {
            var model = HostsModel(seed: UInt64(seed))
            for _ in 0..<10_000 { model.step() }
            #expect(model.violation == nil, "seed \(seed)")
            calls += model.calls.count
        }
        #expect(calls > 10_000)
    }

    @Test("Without any one of the rules something is broken", arguments: HostsModel.Rule.allCases)
    fileprivate func broken(_ rule: HostsModel.Rule) {
        let found = (0..<20).contains { seed in
            var model = HostsModel(seed: UInt64(seed), without: rule)
            for _ in 0..<10_000 { model.step() }
            return model.violation != nil
        }
        #expect(found)
    }
}
