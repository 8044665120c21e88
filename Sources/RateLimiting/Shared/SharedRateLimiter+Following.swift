import Platform
import RESP

/// Following the store: what other hosts did and left there. In a file of its own since nobody waits for it.
extension SharedRateLimiter {
    /// One round of the thread that follows: what has come over the channel, and a look once a second.
    /// - Returns: how long to rest.
    func follow(_ channel: inout RedisConnection?) -> Duration {
        do {
            if channel == nil {
                channel = try subscribed()
                try look()
            }
            let sinceLook = SystemClock().monotonic - state.withLock { $0.lookedAt }
            let messages = try channel?.messages(within: max(.zero, .seconds(1) - sinceLook)) ?? []
            var needsLook = SystemClock().monotonic - state.withLock { $0.lookedAt } >= .seconds(1)
            for message in messages {
                guard let parts = message.items, parts.count == 3, parts[0].text == "message", let text = parts[2].text else { continue }
                if try !take(text) { needsLook = true }
            }
            if needsLook {
                try look()
                // A bell may have been lost.
                try state.withLock { state throws(RateLimiterError) in
                    let queued = try local.file.read { transaction in try state.taken.filter { try transaction.isQueued($0.key) } }
                    state.taken = queued
                    _ = try adopt(Array(queued.keys.prefix(8)), &state)
                }
            }
            return .zero
        } catch {
            channel = nil
            return .milliseconds(250)
        }
    }

    private func subscribed() throws(RateLimiterError) -> RedisConnection {
        let store = state.withLock { $0.store.subscription }
        do throws(StoreFault) { return try store() } catch {
            try state.withLock { state throws(RateLimiterError) in try refuse(error, &state) }
            throw .store(error)
        }
    }

    /// One piece of news. false: a look at the store is needed.
    private func take(_ text: String) throws(RateLimiterError) -> Bool {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        switch words.first {
        case "turn" where words.count == 6:
            guard let number = Int64(words[2]) else { return false }
            state.withLock { $0.nextHost = String(words[5]) }
            let caller = CallName.caller(words[4])
            return try sawTurn(
                StoreReport.Turn(number: number, gap: .zero, isBackground: words[3] == "1", caller: caller), of: String(words[1]))
        case "next" where words.count == 3:
            state.withLock { $0.nextHost = String(words[2]) }
            return true
        case "record":
            try adopt([String(text.dropFirst(7))])
            return true
        case "forget" where words.count == 2:
            try state.withLock { state throws(RateLimiterError) in
                state.hosts.forget(String(words[1]))
                try save(&state)
            }
            return true
        case "freed":
            let key = String(text.dropFirst(6))
            state.withLock { $0.taken[key] = nil }
            try local.file.write { try $0.unyield(key) }
            return true
        case "token": return true
        default: return false
        }
    }

    private func sawTurn(_ turn: StoreReport.Turn, of epoch: String) throws(RateLimiterError) -> Bool {
        try local.file.write { transaction in
            guard let known = try transaction.position(), known.epoch == epoch else { return false }
            if turn.number <= known.turn { return true }
            guard turn.number == known.turn + 1 else { return false }
            let report = StoreReport(epoch: epoch, turn: turn.number, turns: [turn])
            return try transaction.observe(report, as: self.host, rateLimit: self.local.rateLimit) == .current
        }
    }

    /// Takes over what another host has fetched, where somebody of this one waits for it.
    func adopt(_ lookups: [String]) throws(RateLimiterError) {
        _ = try state.withLock { state throws(RateLimiterError) in try adopt(lookups, &state) }
    }

    /// - Returns: how many, and the code of each record that is in the store.
    func adopt(_ lookups: [String], _ state: inout State) throws(RateLimiterError) -> (adopted: Int, codes: [String: [UInt8]]) {
        let wanted = try local.file.read { transaction in try lookups.filter { try transaction.isQueuedUnleased($0) } }
        guard !wanted.isEmpty else { return (0, [:]) }
        let records = try atStore(&state) { store throws(StoreFault) in try store.records(wanted) }
        var count = 0
        var codes: [String: [UInt8]] = [:]
        for (lookup, signed) in zip(wanted, records) {
            if let signed { codes[lookup] = Array(signed.prefix(StoreSeal.codeBytes)) }
            guard let signed, let record = seal.record(signed, of: lookup) else { continue }
            do {
                guard try exchange.adopt(lookup, record) else { continue }
            } catch {
                throw .storing(error)
            }
            try local.file.write {
                try $0.unyield(lookup)
                try $0.removeUnleased(lookup)
            }
            state.taken[lookup] = nil
            adoptions.add(1, ordering: .relaxed)
            count += 1
        }
        return (count, codes)
    }

    func look() throws(RateLimiterError) { try state.withLock { state throws(RateLimiterError) in try look(&state) } }

    func look(_ state: inout State) throws(RateLimiterError) {
        try begin(&state)
        let most = Telling.room(local.rateLimit.callsPerWindow)
        for _ in 0..<5 {
            // What this host knows is held against all that is listed once, and whenever the list is another one.
            let known = try local.file.read { try $0.position() }
            let position = state.hasCompared ? known : nil
            let (idle, left) = (idle(after: position, &state), left(state))
            state.store.card.folder = local.file.mark
            state.folders.insert(state.store.card.folder)
            let begin = SystemClock().monotonic
            let view = try atStore(&state, looking: true) { store throws(StoreFault) in
                try store.look(from: position, known: known?.turn, idle: idle, left: left, most: most)
            }
            if let idle { state.lull?.said = idle }
            if !view.report.isContinuous { state.lull = nil }
            state.lookedAt = SystemClock().monotonic
            state.roundTrip = state.lookedAt - begin
            switch try local.file.write({ try $0.observe(view.report, as: self.host, rateLimit: self.local.rateLimit) }) {
            case .unfounded: try tell(view.report, isFollowed: false, &state)
            case .untold:
                // The answer may be lost, or another host be first.
                state.hasCompared = false
                try tell(view.report, isFollowed: true, &state)
            case .unlisted: state.hasCompared = false
            case .current:
                if view.report.isWhole { state.hasCompared = true }
                return try settle(view, &state)
            }
        }
        try refuse(.refused("what this host knows could not be put there"), &state)
    }

    /// Before the first look, after which the store counts on this host whatever it did.
    private func begin(_ state: inout State) throws(RateLimiterError) {
        guard !state.hasBegun else { return }
        var isListed = false
        if try local.file.read({ try $0.hasRestored() }) {
            isListed = try atStore(&state, looking: true) { store throws(StoreFault) in try store.isListed() }
        }
        try local.file.write { try $0.beginSharing(as: self.host, isListed: isListed, rateLimit: self.local.rateLimit) }
        state.hasBegun = true
    }

    /// For how long nobody has called, where it is worth saying: a host that is new would take the newest call to have been just now. As long as this
    /// process has been there: what the file says may go by a clock that was wrong.
    private func idle(after position: SharedPosition?, _ state: inout State) -> Duration? {
        guard let position else { return nil }
        let lull = state.lull.flatMap { $0.epoch == position.epoch && $0.turn == position.turn ? $0 : nil }
        guard let lull else {
            state.lull = Lull(epoch: position.epoch, turn: position.turn, since: clock.boot)
            return nil
        }
        let length = clock.boot - lull.since
        return length > .seconds(60) && length > lull.said * 5 / 4 ? length : nil
    }

    /// How much is left of the cooldown, at most: who hears of it late would count it from then.
    private func left(_ state: borrowing State) -> SharedCooldown? {
        state.toldCooldown.map { SharedCooldown(name: $0.name, length: max(.zero, $0.end - clock.boot), quotaExceeded: false) }
    }

    private func settle(_ view: SharedStore.View, _ state: inout State) throws(RateLimiterError) {
        state.nextHost = view.nextHost
        let now = clock.boot
        state.hosts.note(view.beats, of: String(view.report.life), besides: host, now: now)
        try save(&state)
        try agree(view, &state, now: now)
        state.toldCooldown = view.cooldown.map { cooldown in
            let end = now + cooldown.length
            return (cooldown.name, state.toldCooldown.map { $0.name == cooldown.name ? min($0.end, end) : end } ?? end)
        }
        if let cooldown = view.cooldown, try local.file.read({ try $0.isNew(cooldown) }) {
            // In this order: whoever dies between the two pauses once more, and not never.
            _ = try local.coolDown(cooldown.length, quotaExceeded: cooldown.quotaExceeded)
            try local.file.write { try $0.note(cooldown) }
        }
        let toldEnd = (state.toldCooldown?.end ?? now) + .seconds(2)
        if state.untold == nil, let end = try local.file.read({ try self.local.blocks($0).cooldown }), end > toldEnd {
            // The store has forgotten it, or never heard of it, or of a shorter one alone.
            state.untold = (SharedCooldown(name: RandomName.letters(bits: 60), length: end - now, quotaExceeded: false), end)
        }
        state.fault = nil
        trouble.settle("The shared store can be used again.")
        if let (untold, end) = state.untold {
            let cooldown = SharedCooldown(name: untold.name, length: end - now, quotaExceeded: untold.quotaExceeded)
            if cooldown.length > .zero { try tell(cooldown, &state) }
            state.untold = nil
        }
        let unfinished = state.unfinished
        state.unfinished = []
        for done in unfinished { finishInStore(done, &state) }
        tellRank(&state)
    }

    /// Which other hosts there are, into the file.
    private func save(_ state: inout State) throws(RateLimiterError) {
        let heard = state.hosts.heard
        guard Set(heard.keys) != Set(state.savedHosts.keys) || heard.contains(where: { $1 - (state.savedHosts[$0] ?? $1) > .seconds(60) })
        else { return }
        try local.file.write { try $0.keep(hosts: heard) }
        state.savedHosts = heard
    }

    /// Whether the hosts that live can share: one address of the API, names of their own; and the strictest one's pace is all hosts'.
    private func agree(_ view: SharedStore.View, _ state: inout State, now: BootTime) throws(RateLimiterError) {
        let own = state.store.card
        if let before = view.cardBefore, !state.folders.contains(before.folder), state.isNamed {
            // Only who looks right after the other one sees it, and it is to be known to all processes of this host.
            try local.noteNamesake()
        }
        state.isNamed = true
        if try local.hasNamesake() {
            try refuse(.unsuitable("another host there calls itself \(host), too: give each its own SWINGMUSIC_FCGI_HOST_NAME"), &state)
        }
        let living = view.cards.filter { $0.key != host && state.hosts.isAlive($0.key, now: now) }
        // Before it is known who is alive everybody counts whose card is there.
        let counted = view.cards.filter { $0.key != host && state.hosts.mayBeAlive($0.key, now: now) }
        if let other = counted.first(where: { $0.value.api != own.api }) {
            try refuse(.unsuitable("host \(other.key) asks another SPOTIFY_API_URL for the same account"), &state)
        }
        state.rateLimit = local.rateLimit
        for card in counted.values {
            state.rateLimit.interval = max(state.rateLimit.interval, card.interval)
            state.rateLimit.callsPerWindow = min(state.rateLimit.callsPerWindow, card.calls)
        }
        // Until it is known who is silent nobody calls.
        let isDecided = state.hosts.undecided(now: now, window: local.rateLimit.window) == nil
        let silent = isDecided ? state.hosts.silent(now: now, window: local.rateLimit.window) : 0
        let (roundTrip, rateLimit) = (state.roundTrip, state.rateLimit)
        let mixed = living.filter { _, card in
            card.interval != own.interval || card.calls != own.calls || (card.secret ?? own.secret) != own.secret
        }.keys.sorted()
        standing.withLock {
            $0.fault = nil
            ($0.roundTrip, $0.silent, $0.mixed) = (roundTrip, silent, mixed)
            ($0.interval, $0.callsPerWindow) = (rateLimit.interval, rateLimit.callsPerWindow)
            $0.living = living.keys.sorted()
            $0.lastCaller = view.lastHost
        }
    }

    private func refuse(_ fault: StoreFault, _ state: inout State) throws(RateLimiterError) {
        _ = try atStore(&state, looking: true) { (_) throws(StoreFault) -> Bool in throw fault }
    }

    /// The store is empty, older than what this host knows, or another one; or it is followed, and lacks calls that this host knows of.
    private func tell(_ report: StoreReport, isFollowed: Bool, _ state: inout State) throws(RateLimiterError) {
        let (rateLimit, word) = (local.rateLimit, RandomName.letters(bits: 60))
        let draft = try local.file.write {
            try $0.draft(report, as: self.host, isFollowed: isFollowed, rateLimit: rateLimit, word: word)
        }
        guard let draft else { return }
        let isFirst = try atStore(&state, looking: true) { store throws(StoreFault) in try store.found(draft.telling, inPlaceOf: report) }
        if isFirst { try local.file.write { try $0.adopt(draft, rateLimit: rateLimit) } }
    }
}
