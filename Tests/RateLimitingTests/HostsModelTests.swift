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
        /// Who knows of calls that the store does not list has it list them.
        case telling
        /// What a list that was put in the place of another has more than that one is taken in.
        case takingIn
        /// A process that is started draws a word for the names of its calls, and so does who names calls that were made alone.
        case words
        /// A call that was made alone has its name before anybody is told of it.
        case naming
        /// What `restore` assumes is told by a host that had said goodbye.
        case restoring
        /// Who founds over a store that was started anew with what it had reckons with what is listed there.
        case listed
    }

    private struct Host {
        var name: String
        /// As its process names its calls.
        var caller = ""
        var position: SharedPosition?
        var calls: [KnownCall] = []
        /// Since it was started.
        var hasCompared = false
    }

    private struct Store {
        var server = 1
        var epoch = ""
        var founder = 0
        var turn: Int64 = 0
        var turns: [StoreReport.Turn] = []
        /// As hosts have said of the last turn.
        var idle = Duration.zero
    }

    private let rateLimit = RateLimit(interval: .seconds(10), callsPerWindow: 6, window: .seconds(150))
    private let without: Rule?
    private var random: SplitMix
    private var now = BootTime.at(1000)
    private var hosts = (0..<3).map { Host(name: "host\($0)") }
    private var store = Store()
    private var snapshot = Store()
    private var servers = 1
    private var words = 0
    /// Which one has its sharing off. The others do not call meanwhile: they are stopped, or nothing is asked for there.
    private var alone: Int?
    private(set) var epochs = 0
    private(set) var calls: [BootTime] = []
    /// How many were made alone, and how many lists were put in the place of one that was followed.
    private(set) var (callsAlone, retold) = (0, 0)
    /// How the host that is alone was when it was backed up.
    private var backup: Host?
    /// Every name that a host has known, and how many calls `restore` has assumed.
    private var names: Set<CallName> = []
    private var assumedByRestore = 0
    /// Who has not looked since a host told of calls that it made alone. Hosts look once a second and nobody calls before they have: the one that told would
    /// tell again. So here they look before the store forgets.
    private var unheard: Set<Int> = []
    /// A host could not come to an end with telling.
    private var isEndless = false

    init(seed: UInt64, without: Rule? = nil) {
        random = SplitMix(state: seed)
        self.without = without
        for host in hosts.indices { start(host) }
    }

    /// Its process is another one.
    private mutating func start(_ index: Int) {
        hosts[index].hasCompared = false
        hosts[index].caller = newCaller(of: hosts[index].name)
    }

    private mutating func newCaller(of name: String) -> String {
        words += 1
        return without == .words ? name : "\(name).\(words)"
    }

    mutating func step() {
        now = now + .milliseconds(Int64(random.next() % 3000))
        let host = Int(random.next() % 3)
        switch random.next() % 1000 {
        case 0: empty()
        case 1:
            for host in unheard { look(host) }
            servers += 1
            store = snapshot
            store.server = servers
        case 2...6: snapshot = store
        case 7, 8: start(host)
        case 9:
            hosts[host].name = "renamed\(Int(random.next() % 1000))"
            start(host)
        case 10: replace(host)
        case 11, 12: replace(host, emptied: true)
        case 13...22 where alone == nil:
            // It was there when the others made their last calls, and knows of them.
            for _ in 0..<4 where hosts[host].position?.epoch != store.epoch || !hosts[host].hasCompared { look(host) }
            look(host)
            backup = hosts[host]
            alone = host
        case 23...60 where alone != nil: share()
        case 61, 62: rest()
        case 63: if alone == nil { rebuild(host) }
        case 64: if alone != nil { restore() }
        case 65, 66: come(host)
        // Cut off, or asleep: it hears nothing for a while, and the others go on.
        case 67...350: if host != alone { look(host) }
        default: ask(host)
        }
    }

    private mutating func empty() {
        for host in unheard { look(host) }
        (store, servers) = (Store(server: servers + 1), servers + 1)
    }

    /// Its sharing is switched on again, before the others call.
    private mutating func share() {
        guard let host = alone else { return }
        alone = nil
        start(host)
        // An answer of the store's may be lost.
        for _ in 0..<4 where !hosts[host].hasCompared { look(host) }
        unheard = Set(hosts.indices).subtracting([host])
    }

    /// A host takes its leave, with all that it knows told and heard, and a new one comes: to a store that knows what the hosts know, or to an empty one, where it
    /// is first. The others come, and it learns of that, within the time in which it does not call.
    private mutating func replace(_ index: Int, emptied: Bool = false) {
        share()
        for host in hosts.indices { look(host) }
        for host in hosts.indices where host != index { look(host) }
        if emptied { empty() }
        hosts[index] = Host(name: hosts[index].name)
        start(index)
        look(index)
        for host in hosts.indices where host != index { look(host) }
        look(index)
    }

    /// For more than a window nobody calls, and all that are there follow the store.
    private mutating func rest() {
        share()
        for host in hosts.indices { look(host) }
        now = now + rateLimit.countedWindow + .seconds(Int64(random.next() % 60))
        for host in hosts.indices { look(host) }
    }

    /// What counts no more is forgotten: the store is made anew, and a host of an old name. The others, who know older calls of that name, come later.
    private mutating func rebuild(_ index: Int) {
        rest()
        empty()
        hosts[index] = Host(name: hosts[index].name)
        start(index)
        for _ in 0..<8 {
            ask(index)
            now = now + rateLimit.interval
        }
        unheard = Set(hosts.indices).subtracting([index])
    }

    /// The store is started anew with what it has, and one that is new is there alone.
    private mutating func come(_ index: Int) {
        share()
        for _ in 0..<3 { for host in hosts.indices { look(host) } }
        servers += 1
        store.server = servers
        hosts[index] = Host(name: hosts[index].name)
        start(index)
        for _ in 0..<8 {
            ask(index)
            now = now + rateLimit.interval
        }
        unheard = Set(hosts.indices).subtracting([index])
    }

    /// What it called alone is lost with its files, and the hour counts as spent.
    private mutating func restore() {
        guard let host = alone, let backup else { return }
        hosts[host].calls = backup.calls
        for _ in 0..<rateLimit.callsPerWindow {
            hosts[host].calls.append(KnownCall(instant: now, isUntold: without != .restoring))
        }
        hosts[host].position = backup.position
        if without != .restoring { assumedByRestore += rateLimit.callsPerWindow }
        share()
    }

    private func report(to host: Host) -> StoreReport {
        let isKnown = host.hasCompared && host.position?.epoch == store.epoch
        let since = isKnown ? host.position?.turn ?? 0 : 0
        // As many as were missed, newest first.
        return StoreReport(
            epoch: store.epoch, turn: store.turn,
            turns: Array(isKnown ? store.turns.prefix(Int(max(0, store.turn - since))) : store.turns[...]),
            isWhole: !isKnown, idle: store.idle, isSameServer: store.founder == store.server)
    }

    /// As `Transaction.observe` and `SharedRateLimiter.look`, with arrays.
    private mutating func look(_ index: Int) {
        unheard.remove(index)
        nameUntold(index)
        for _ in 0..<5 {
            var report = report(to: hosts[index])
            let known = hosts[index].position
            let names = Set(hosts[index].calls.compactMap(\.name))
            let isWhole = report.isWhole
            if without == .takingIn, let known {
                let isSameLife = StoreReport.life(of: known.epoch) == report.life
                report.turns.removeAll { $0.number <= known.turn || !isSameLife }
            }
            let sighting = Sighting(
                known: known, calls: names, report: report, now: now, interval: rateLimit.interval, most: rateLimit.callsPerWindow)
            guard case .grants(let grants) = sighting else {
                if !tell(index, report, isFollowed: false) { return }
                continue
            }
            let isBlind = known != nil && known?.epoch != report.epoch
            if without != .observe { note(grants.filter { !(isBlind && without == .blindTime) || $0.turn != nil }, index) }
            hosts[index].position = SharedPosition(epoch: report.epoch, turn: report.turn, seen: now)
            if !isWhole, let newest = hosts[index].calls.last?.instant { store.idle = max(store.idle, now - newest) }
            guard isWhole, without != .telling,
                Telling.isDue(hosts[index].calls, listed: store.turns, since: now - rateLimit.countedWindow, most: rateLimit.callsPerWindow)
            else {
                if isWhole { noteTold(index) }
                hosts[index].hasCompared = true
                return
            }
            retold += 1
            if !tell(index, self.report(to: Host(name: "")), isFollowed: true) { return }
        }
        isEndless = true
    }

    private mutating func nameUntold(_ index: Int) {
        let since = now - rateLimit.countedWindow
        let caller = newCaller(of: hosts[index].name)
        var number: Int64 = 0
        for place in hosts[index].calls.indices {
            let call = hosts[index].calls[place]
            guard call.isUntold, call.name == nil || without == .naming, call.instant > since else { continue }
            number += 1
            let name = CallName(caller: without == .words ? caller : "\(caller)-\(number)", number: without == .words ? number : 0)
            hosts[index].calls[place].name = name
            names.insert(name)
        }
    }

    private mutating func noteTold(_ index: Int) {
        for place in hosts[index].calls.indices { hosts[index].calls[place].isUntold = false }
    }

    private mutating func note(_ grants: [SightedGrant], _ index: Int) {
        let seen = grants.map { grant in
            var call = KnownCall(instant: grant.instant, isBackground: grant.isBackground)
            if let turn = grant.turn, !grant.caller.isEmpty { call.name = CallName(caller: grant.caller, number: turn) }
            return call
        }
        hosts[index].calls = (seen + hosts[index].calls).filter { $0.instant > now - rateLimit.countedWindow }.sorted {
            $0.instant < $1.instant
        }
    }

    /// - Returns: whether the store's answer came.
    private mutating func tell(_ index: Int, _ report: StoreReport, isFollowed: Bool) -> Bool {
        epochs += 1
        var assumed = [SightedGrant(instant: now)]
        if !isFollowed {
            let founding = Sighting.founding(
                over: report, known: hosts[index].position, calls: Set(hosts[index].calls.compactMap(\.name)), now: now,
                interval: rateLimit.interval, most: rateLimit.callsPerWindow)
            // In the model the others have told before it calls.
            let isStranger = founding.assumed.last.map { $0.instant > now } ?? true
            if !isStranger, without != .listed || hosts[index].position != nil { assumed = founding.assumed }
            if without != .listed { note(founding.listed, index) }
        }
        let host = hosts[index]
        if without == .blindTime { assumed = [SightedGrant(instant: now)] }
        let telling = Telling(
            host.calls + assumed.dropLast().map { KnownCall(instant: $0.instant) }, over: report, isFollowed: isFollowed,
            known: host.position?.turn ?? 0, since: now - rateLimit.countedWindow, now: now, most: rateLimit.callsPerWindow,
            word: "epoch\(epochs)")
        (store.epoch, store.turn, store.turns, store.founder) = (telling.epoch, telling.turn, telling.turns, store.server)
        store.idle = .zero
        if random.next() % 8 == 0 {
            hosts[index].hasCompared = false
            return false
        }
        noteTold(index)
        note(assumed, index)
        hosts[index].position = SharedPosition(epoch: telling.epoch, turn: telling.turn, seen: now)
        return true
    }

    private mutating func ask(_ index: Int) {
        let host = hosts[index]
        let instants = host.calls.map(\.instant)
        let history = History(
            newest: instants.last,
            atLimit: without == .rateGuard || instants.count < rateLimit.callsPerWindow
                ? nil : instants[instants.count - rateLimit.callsPerWindow])
        guard rateLimit.nextSlot(background: false, history: history, blocks: Blocks()).instant <= now else { return }
        if let alone {
            guard alone == index else { return }
            callsAlone += 1
            return call(index, nil)
        }
        guard let position = host.position else { return look(index) }
        // A server that was started anew has broken the connection: it is looked at first.
        guard host.hasCompared, store.founder == store.server, store.epoch == position.epoch,
            without == .fence || store.turn == position.turn
        else { return look(index) }
        store.turn += 1
        store.idle = .zero
        store.turns.insert(
            StoreReport.Turn(number: store.turn, gap: instants.last.map { now - $0 } ?? .zero, isBackground: false, caller: host.caller),
            at: 0)
        store.turns = Array(store.turns.prefix(Telling.room(rateLimit.callsPerWindow)))
        hosts[index].position = SharedPosition(epoch: position.epoch, turn: store.turn, seen: now)
        call(index, CallName(caller: host.caller, number: store.turn))
    }

    private mutating func call(_ index: Int, _ name: CallName?) {
        hosts[index].calls.append(KnownCall(instant: now, name: name, isUntold: name == nil))
        if let name { names.insert(name) }
        calls.append(now)
    }

    /// With nothing else happening, they come to an end with telling.
    mutating func isSettled() -> Bool {
        share()
        for _ in 0..<8 { for host in hosts.indices { look(host) } }
        let before = epochs
        for host in hosts.indices {
            start(host)
            look(host)
        }
        return epochs == before && !isEndless
    }

    /// What was broken; nil: nothing.
    var violation: String? {
        for (earlier, later) in zip(calls, calls.dropFirst()) where later - earlier < rateLimit.interval { return "too close" }
        for (first, last) in zip(calls, calls.dropFirst(rateLimit.callsPerWindow)) where last - first < rateLimit.window {
            return "too many in a window"
        }
        return names.count > calls.count + assumedByRestore ? "a call has several names" : nil
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
        var alone = 0
        var retold = 0
        for seed in 0..<100 {
            var model = HostsModel(seed: UInt64(seed))
            for _ in 0..<10_000 { model.step() }
            #expect(model.violation == nil, "seed \(seed)")
            let isSettled = model.isSettled()
            #expect(isSettled, "seed \(seed): hosts that tell each other come to an end with it")
            calls += model.calls.count
            alone += model.callsAlone
            retold += model.retold
        }
        #expect(calls > 10_000 && alone > 1000 && retold > 1000)
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
