import Platform
import Spotify
import Testing

@testable import Catalog
@testable import RateLimiting

/// A scheduler with a clock that the test turns. What it decides is told as lines; a lookup goes by the digit that its id repeats.
private struct Desk {
    let clock = ManualClock()
    var scheduler: LookupScheduler
    private var lastLease: Int64 = 0

    init(hasCredentials: Bool = true) {
        scheduler = LookupScheduler(hasCredentials: hasCredentials, plan: RenewalPlan(ttl: .seconds(43_200)), clock: clock)
    }

    static func resource(_ digit: Int) -> Resource { .object(.track, Sample.id(digit), market: nil) }

    func waiter(_ number: UInt64, _ digits: [Int], patience: Int64 = 25, client: String = "ann") -> Waiter {
        Waiter(
            number: number, resources: digits.map(Self.resource), client: client, deadline: clock.monotonic + .seconds(patience),
            tell: { _ in })
    }

    /// A caller comes, and the limiter queues what it waits for, with an answer in so many seconds.
    mutating func come(_ waiter: Waiter, wait: Int64 = 2) -> [String] {
        let actions = scheduler.admit([waiter])
        guard case .ask(.enqueue(let wanted, let arrivals))? = actions.last else { return actions.map(\.line) }
        let admissions = wanted.map { _ in Admission.queued(ahead: 0, wait: .seconds(wait), wasQueued: false) }
        return actions.map(\.line) + scheduler.queued(wanted, for: arrivals, admissions).map(\.line)
    }

    mutating func lease(_ digit: Int, attempt: Int = 1, priority: Priority = .caller) -> Lease {
        lastLease += 1
        return Lease(
            key: Self.resource(digit).name, number: lastLease, attempt: attempt, priority: priority,
            grantedAt: clock.boot)
    }

    /// A permit is due, there is a token, and a call is begun.
    mutating func begin() -> Int {
        guard case .begin(let call)? = scheduler.hasToken().first else { return 0 }
        return call
    }

    /// A call for this lookup is on its way.
    mutating func send(_ digit: Int, attempt: Int = 1, priority: Priority = .caller) -> Int {
        let call = begin()
        _ = scheduler.reachGate(call)
        _ = scheduler.granted(lease(digit, attempt: attempt, priority: priority), to: call, known: .miss)
        return call
    }

    /// The call fails, and its lease is still ours.
    mutating func fail(_ call: Int, _ error: SpotifyError = .timedOut) -> [String] {
        let actions = scheduler.ended(call, .failure(error))
        guard case .ask(.finish(_, _, let sequel))? = actions.last else { return actions.map(\.line) }
        return actions.map(\.line) + scheduler.finished(sequel, isCurrent: true).map(\.line)
    }

    /// The answer comes and is stored, if the lease is still ours.
    mutating func answer(_ call: Int, _ digit: Int, isCurrent: Bool = true) -> [String] {
        let actions = scheduler.ended(call, Self.answer(Sample.track(digit, by: 5)))
        guard case .ask(.store(let lookup, _))? = actions.first else { return actions.map(\.line) }
        return scheduler.stored(lookup, isCurrent: isCurrent).map(\.line)
    }

    static func answer(_ text: String) -> CallResult {
        .answer(SpotifyAnswer(status: 200, body: Array(text.utf8), elapsed: .milliseconds(100)))
    }

    /// A record of it that was stored and falls due then.
    static func known(dueIn: Duration, of clock: ManualClock) -> Reading {
        let dueAt = (clock.wall + dueIn).milliseconds
        return .hit(
            Served(
                record: Record(body: []), tier: .sqlite, ttl: dueIn.wholeSeconds, freshness: dueIn > .zero ? .fresh : .stale, storedAt: 0,
                dueAt: dueAt, isDue: dueIn <= .zero))
    }
}

extension LookupAction {
    fileprivate var line: String {
        switch self {
        case .tell(let told): "tell \(told.line)"
        case .ask(let request): request.line
        case .explain(let late): "ask why \(late.map { "\($0.waiter.number)" }.joined(separator: ", ")) would wait so long"
        case .findDue: "find what falls due"
        case .begin(let call): "begin call \(call)"
        case .send(let call, let target):
            "send \(target.resources.map(\.digit).joined(separator: ", ")) as call \(call)"
        case .note(let note): "note \(note.line)"
        }
    }
}

extension LookupAction.Note {
    fileprivate var line: String {
        switch self {
        case .unknownLookup(let key): "that \(key) is unknown"
        case .failed(let resource, let reason, let attempt, let pause):
            "that \(resource.digit) failed, \(reason), attempt \(attempt), pause \(pause.wholeSeconds) s"
        case .notStored(let resource, let cause): "that \(resource.digit) is not stored, \(cause)"
        case .batchRefused(let resource, let reason): "that \(resource.digit) is not had with others, \(reason)"
        case .tokenRefused(let resource): "that the token is refused for \(resource.digit)"
        case .rateLimited(let quotaExceeded, let pause): "a \(quotaExceeded ? "spent quota" : "limit"), \(pause.wholeSeconds) s"
        case .unreachable(let reason, let pause): "that Spotify is unreachable, \(reason), \(pause.wholeSeconds) s"
        }
    }
}

extension LimiterRequest {
    fileprivate var line: String {
        switch self {
        case .enqueue(let wanted, _): "enqueue \(wanted.map { "\($0.resource.digit) for \($0.ask.client)" }.joined(separator: ", "))"
        case .enqueueRenewals(let due): "enqueue renewals of \(due.map(\.resource.digit).sorted().joined(separator: ", "))"
        case .search(let search): "search for \(search.tracks.map(\.digit).joined(separator: ", "))"
        case .changeCounter: "look for changes"
        case .states(let resources): "ask how \(resources.map(\.digit).sorted().joined(separator: ", ")) stand"
        case .prospect: "ask whether a permit is due"
        case .token: "find a token"
        case .outage: "ask why no call is made"
        case .permit(let call): "take a permit for call \(call)"
        case .losePermit: "lose the permit"
        case .finish(_, .answered, _), .finish(_, .served, _): "finish, answered"
        case .finish(_, .givenBack(let most), _): "give back" + (most.map { ", at most \($0) together" } ?? "")
        case .finish(_, .failed(let reason, let pause, let isFinal), _):
            "finish, \(isFinal ? "given up" : "failed"), \(Obstacle(encoded: reason).words), for \(pause.wholeSeconds) s"
        case .store(let lookup, .answer): "store the answer to \(lookup.resource.digit)"
        case .store(let lookup, .refusal(let refusal, let briefly)):
            "store the refusal of \(lookup.resource.digit), \(refusal.status)\(briefly ? ", briefly" : "")"
        case .storeTogether(let call, let answer):
            "store the answers to \(answer.lessons.map(\.lookup.resource.digit).joined(separator: ", ")) of \(call.resources.count)"
                + (answer.unanswered.isEmpty ? "" : ", give back \(answer.unanswered.map(\.resource.digit).joined(separator: ", "))")
        case .end(let endings): endings.map { LimiterRequest.finish($0.lease, $0.result, then: .nothing).line }.joined(separator: ", ")
        case .closeBatches(_, let length): "ask one by one for \(length.wholeSeconds) s"
        case .refuseToken(_, let call): "refuse the token of call \(call)"
        case .coolDown(_, let retryAfter, _): "cool down, \(retryAfter.map { "\($0.wholeSeconds) s" } ?? "who knows how long")"
        case .backOff(let reason, let told): "back off, \(reason)\(told.map { ", for \($0.wholeSeconds) s" } ?? "")"
        case .suspect(let lookup, let refusal, let ofAccount):
            "suspect the account for \(lookup.resource.digit), \(refusal.status)\(ofAccount ? ", which speaks of it" : "")"
        case .confirmRefusal(let lookup, _): "confirm by \(lookup.resource.digit) that the account is refused"
        case .learn(let mode): "learn that the mode is \(mode.rawValue)"
        }
    }
}

extension Resource {
    fileprivate var digit: String { String(name.suffix(1)) }
}

@Suite("A lookup") struct LookupTests {
    @Test("is queued, begun when a permit is due, sent when that is taken at the gate, stored, and told to its caller")
    func story() throws {
        var desk = Desk()
        #expect(desk.come(desk.waiter(7, [1])) == ["enqueue 1 for ann"])
        #expect(desk.scheduler.seekPermit(activeCalls: 0).map(\.line) == ["ask whether a permit is due"])
        #expect(desk.scheduler.foresaw(.due).map(\.line) == ["find a token"])
        #expect(desk.scheduler.hasToken().map(\.line) == ["begin call 1"])
        #expect(desk.scheduler.seekPermit(activeCalls: 1).isEmpty, "one call at the gate at a time")
        #expect(desk.scheduler.reachGate(1).map(\.line) == ["take a permit for call 1"])
        #expect(desk.scheduler.granted(desk.lease(1), to: 1, known: .miss).map(\.line) == ["send 1 as call 1"])
        let actions = desk.scheduler.ended(1, Desk.answer(Sample.track(1, by: 5)))
        #expect(actions.map(\.line) == ["store the answer to 1", "learn that the mode is development"])
        guard case .ask(.store(let lookup, _))? = actions.first else { throw House.Unreadable() }
        #expect(desk.scheduler.stored(lookup, isCurrent: true).map(\.line) == ["tell 7 own"])
        #expect(desk.scheduler.watchOthers().isEmpty)
    }

    @Test("is one for all who ask for it, in whatever order they come, and nobody's answer hangs on who came first")
    func joining() {
        var desk = Desk()
        _ = desk.come(desk.waiter(1, [1]))
        #expect(desk.come(desk.waiter(2, [1], client: "bob")) == [])
        let call = desk.send(1)
        #expect(desk.come(desk.waiter(3, [1])) == [])
        desk.scheduler.leave(1)
        #expect(desk.answer(call, 1) == ["tell 2 own", "tell 3 joined"])
    }

    @Test("whose answer brings what others wait for spares them their own calls; who waits for more goes on waiting")
    func brings() throws {
        var desk = Desk()
        _ = desk.come(desk.waiter(1, [1]))
        _ = desk.come(desk.waiter(2, [2], client: "bob"))
        _ = desk.come(desk.waiter(3, [2, 3]))
        let call = desk.send(1)
        guard case .ask(.store(let lookup, _))? = desk.scheduler.ended(call, Desk.answer(Sample.track(1, by: 5))).first else {
            throw House.Unreadable()
        }
        let others = [1, 2].map(Desk.resource)
        #expect(desk.scheduler.stored(lookup, isCurrent: true, others: others).map(\.line) == ["tell 1 own", "tell 2 joined"])
        #expect(desk.answer(desk.send(3), 3) == ["tell 3 own"])
    }

    @Test("that all its callers left is made all the same, and told to nobody")
    func abandoned() {
        var desk = Desk()
        _ = desk.come(desk.waiter(1, [1]))
        let call = desk.send(1)
        desk.scheduler.leave(1)
        #expect(desk.answer(call, 1) == [])
        #expect(desk.come(desk.waiter(2, [1])) == ["enqueue 1 for ann"])
    }

    @Test("of what came meanwhile is not made: who misses nothing is told at once, and at the gate the lease is finished")
    func cameMeanwhile() throws {
        var desk = Desk()
        #expect(desk.come(desk.waiter(1, [])) == ["tell 1 joined"])
        _ = desk.come(desk.waiter(2, [1]))
        let call = desk.begin()
        _ = desk.scheduler.reachGate(call)
        let actions = desk.scheduler.granted(desk.lease(1), to: call, known: Desk.known(dueIn: .seconds(60), of: desk.clock))
        #expect(actions.map(\.line) == ["finish, answered"])
        guard case .ask(.finish(_, _, let sequel))? = actions.first else { throw House.Unreadable() }
        #expect(desk.scheduler.finished(sequel, isCurrent: false).map(\.line) == ["tell 2 joined"])
        #expect(desk.come(desk.waiter(3, [1])) == ["enqueue 1 for ann"])
    }

    @Test("whose turn comes too late is explained to its caller at once, and stays queued")
    func late() {
        var desk = Desk()
        #expect(desk.come(desk.waiter(1, [1], patience: 10), wait: 12) == ["enqueue 1 for ann", "ask why 1 would wait so long"])
        #expect(desk.come(desk.waiter(2, [1], patience: 30), wait: 12) == ["enqueue 1 for ann"])
        let late = SingleFlight.Late(waiter: desk.waiter(1, [1]), answerAt: desk.clock.monotonic + .seconds(12))
        #expect(desk.scheduler.explained([late], outage: nil).map(\.line) == ["tell 1 later, in 12 s"])
        #expect(desk.scheduler.pause(activeCalls: 0) == .zero)
    }

    @Test("that the queue does not take is refused to all who wait for it, and the next caller asks again")
    func refused() throws {
        var desk = Desk()
        let actions = desk.scheduler.admit([desk.waiter(1, [1, 2]), desk.waiter(2, [2], client: "bob")])
        #expect(actions.map(\.line) == ["enqueue 1 for ann, 2 for ann"])
        guard case .ask(.enqueue(let wanted, let arrivals))? = actions.first else { throw House.Unreadable() }
        let told = desk.scheduler.queued(
            wanted, for: arrivals,
            [.refused(.clientShare, retryAfter: .seconds(9)), .queued(ahead: 0, wait: .seconds(2), wasQueued: false)])
        #expect(told.map(\.line) == ["tell 1 refused, clientShare, for 9 s"])
        #expect(desk.come(desk.waiter(3, [1])) == ["enqueue 1 for ann"])
    }

    @Test("is not made without credentials, and its caller is told so")
    func noCredentials() {
        var desk = Desk(hasCredentials: false)
        #expect(
            desk.come(desk.waiter(1, [1])) == ["tell 1 failed, SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET are not set, for 3600 s"])
        #expect(desk.come(desk.waiter(2, [])) == ["tell 2 joined"])
        #expect(desk.scheduler.seekPermit(activeCalls: 0).isEmpty && desk.scheduler.renewAhead().isEmpty)
        #expect(desk.scheduler.pause(activeCalls: 0) == .seconds(5))
    }

    @Test("of another worker is watched for, and its callers are told what became of it")
    func elsewhere() {
        var desk = Desk()
        #expect(desk.scheduler.watchOthers().isEmpty)
        for number in 1...3 { _ = desk.come(desk.waiter(UInt64(number), [number])) }
        let call = desk.send(3)
        _ = desk.scheduler.mustWait(.seconds(60), .interval)
        #expect(desk.scheduler.pause(activeCalls: 1) == .milliseconds(20))
        #expect(desk.scheduler.watchOthers().map(\.line) == ["look for changes"])
        #expect(desk.scheduler.changed(to: 4).map(\.line) == ["ask how 1, 2, 3 stand"])
        #expect(desk.scheduler.changed(to: 4).isEmpty)
        let retryAt = (desk.clock.wall + .seconds(8)).milliseconds
        let told = desk.scheduler.found(
            [1, 2, 3].map(Desk.resource), [.absent, .failed(reason: "cut", retryAt: retryAt), .leased])
        #expect(told.map(\.line) == ["tell 1 own", "tell 2 failed, cut, for 8 s"])
        #expect(desk.scheduler.watchOthers().isEmpty, "what this worker fetches itself needs no watching")
        #expect(desk.answer(call, 3) == ["tell 3 own"])
    }

    @Test("that only a newer version knows is skipped for a day")
    func unknown() {
        var desk = Desk()
        let call = desk.begin()
        let lease = Lease(key: "chart/se", number: 1, attempt: 1, priority: .caller, grantedAt: BootTime(nanoseconds: 0))
        #expect(
            desk.scheduler.granted(lease, to: call, known: nil).map(\.line)
                == ["note that chart/se is unknown", "finish, given up, unknown lookup, for 86400 s"])
    }
}

@Suite("A permit") struct PermitTests {
    @Test("that came too late for its slot is lost, and nothing is sent")
    func stale() {
        var desk = Desk()
        _ = desk.come(desk.waiter(1, [1]))
        let call = desk.begin()
        _ = desk.scheduler.reachGate(call)
        let lease = desk.lease(1)
        desk.clock.advance(.milliseconds(51))
        #expect(desk.scheduler.granted(lease, to: call, known: .miss).map(\.line) == ["lose the permit"])
        #expect(desk.scheduler.ended(call, .held).isEmpty)
        #expect(desk.scheduler.seekPermit(activeCalls: 0).map(\.line) == ["ask whether a permit is due"])
    }

    @Test("is asked for again when it is due, sooner when somebody comes, and now and then in any case")
    func rest() {
        var desk = Desk()
        #expect(desk.scheduler.foresaw(.wait(.seconds(2), .interval)).isEmpty)
        #expect(desk.scheduler.pause(activeCalls: 0) == .seconds(2) && desk.scheduler.seekPermit(activeCalls: 0).isEmpty)
        desk.clock.advance(.seconds(2))
        #expect(desk.scheduler.seekPermit(activeCalls: 0).count == 1)
        _ = desk.scheduler.foresaw(.wait(.seconds(3600), .hour))
        #expect(desk.scheduler.pause(activeCalls: 0) == .seconds(5))
        _ = desk.come(desk.waiter(1, [1]))
        #expect(desk.scheduler.pause(activeCalls: 0) == .zero && desk.scheduler.seekPermit(activeCalls: 0).count == 1)
    }

    @Test("is not asked for while so many calls are under way")
    func busy() {
        let desk = Desk()
        #expect(desk.scheduler.seekPermit(activeCalls: LookupScheduler.callsAtOnce - 1).count == 1)
        #expect(desk.scheduler.seekPermit(activeCalls: LookupScheduler.callsAtOnce).isEmpty)
        #expect(desk.scheduler.pause(activeCalls: LookupScheduler.callsAtOnce) == .seconds(5))
    }

    @Test("that is denied at the gate sends nothing, and is waited for")
    func denied() {
        var desk = Desk()
        let call = desk.begin()
        _ = desk.scheduler.reachGate(call)
        desk.scheduler.deniedPermit(.milliseconds(30))
        #expect(desk.scheduler.pause(activeCalls: 1) == .milliseconds(30))
        #expect(desk.scheduler.ended(call, .held).isEmpty)
    }

    @Test("that cannot be asked for, as the file cannot be used, ends every wait; the next try is a second later")
    func limiterFails() {
        var desk = Desk()
        _ = desk.come(desk.waiter(1, [1]))
        _ = desk.come(desk.waiter(2, [2], patience: 1000))
        let call = desk.send(1)
        #expect(
            desk.scheduler.limiterFailed("it is locked").map(\.line) == [
                "tell 1 failed, it is locked, for 30 s", "tell 2 failed, it is locked, for 30 s",
            ])
        #expect(desk.scheduler.seekPermit(activeCalls: 1).isEmpty && desk.scheduler.pause(activeCalls: 1) == .seconds(1))
        #expect(desk.answer(call, 1) == [])
        #expect(desk.come(desk.waiter(3, [2])) == ["enqueue 2 for ann"])
    }
}

@Suite("A call that ends") struct CallEndTests {
    @Test("with 429 cools all down: its lookup waits in the queue, who cannot wait that long is told, who can gets the answer")
    func cooldown() throws {
        var desk = Desk()
        _ = desk.come(desk.waiter(1, [1], patience: 10))
        _ = desk.come(desk.waiter(2, [1], patience: 60))
        let call = desk.send(1)
        #expect(desk.fail(call, .rateLimited(retryAfter: .seconds(30), quotaExceeded: false)) == ["cool down, 30 s"])
        let end = (desk.clock.wall + .seconds(30)).milliseconds
        let lookup = LeasedLookup(lease: desk.lease(1), resource: Desk.resource(1))
        #expect(
            desk.scheduler.cooledDown(lookup, until: end, quotaExceeded: false).map(\.line)
                == ["finish, failed, rate limited, for 0 s", "note a limit, 30 s"])
        #expect(desk.scheduler.foresaw(.wait(.seconds(30), .cooldown)).map(\.line) == ["ask why no call is made"])
        let told = desk.scheduler.isOut(
            until: desk.clock.monotonic + .seconds(30), after: .seconds(30), Obstacle(.spotify, "Spotify says wait"))
        #expect(told.map(\.line) == ["tell 1 failed, Spotify says wait, for 30 s"])
        desk.clock.advance(.seconds(30))
        #expect(desk.answer(desk.send(1, attempt: 2), 1) == ["tell 2 own"])
    }

    @Test("after its lease was lost tells nobody: the answer of the worker that has it now counts")
    func lostLease() {
        var desk = Desk()
        _ = desk.come(desk.waiter(1, [1]))
        let call = desk.send(1)
        #expect(desk.answer(call, 1, isCurrent: false) == [])
        #expect(desk.scheduler.watchOthers().map(\.line) == ["look for changes"])
        #expect(desk.scheduler.found([Desk.resource(1)], [.leased]).isEmpty)
        #expect(desk.scheduler.found([Desk.resource(1)], [.absent]).map(\.line) == ["tell 1 own"])
    }

    @Test("badly for a third time gives up: all who wait are told, and the next caller's lookup is asked for anew")
    func givenUp() {
        var desk = Desk()
        _ = desk.come(desk.waiter(1, [1]))
        _ = desk.come(desk.waiter(2, [1]))
        let reason = "Spotify did not answer in time"
        for (attempt, pause) in [(1, 1), (2, 2)] {
            #expect(
                desk.fail(desk.send(1, attempt: attempt))
                    == ["note that 1 failed, \(reason), attempt \(attempt), pause \(pause) s", "finish, failed, \(reason), for \(pause) s"])
        }
        #expect(
            desk.fail(desk.send(1, attempt: 3)) == [
                "note that 1 failed, \(reason), attempt 3, pause 4 s", "finish, given up, \(reason), for 4 s",
                "tell 1 failed, \(reason), for 5 s", "tell 2 failed, \(reason), for 5 s",
            ])
        #expect(desk.come(desk.waiter(3, [1])) == ["enqueue 1 for ann"])
        #expect(desk.answer(desk.send(1), 1) == ["tell 3 own"])
    }

    @Test("badly when its lease was lost says nothing of the lookup, which another worker has")
    func lostFailure() throws {
        var desk = Desk()
        _ = desk.come(desk.waiter(1, [1]))
        let call = desk.send(1, attempt: 3)
        guard case .ask(.finish(_, _, let sequel))? = desk.scheduler.ended(call, .failure(.timedOut)).last else { throw House.Unreadable() }
        #expect(desk.scheduler.finished(sequel, isCurrent: false).isEmpty)
        #expect(desk.scheduler.watchOthers().count == 1)
    }

    @Test("badly, with nobody waiting, pauses for a minute and more, and is never given up")
    func unattended() {
        var desk = Desk()
        let reason = "Spotify did not answer in time"
        #expect(
            desk.fail(desk.send(1, attempt: 4, priority: .renewal))
                == ["note that 1 failed, \(reason), attempt 4, pause 480 s", "finish, failed, \(reason), for 480 s"])
    }

    @Test("with a time to wait in it backs off for all that long, before anybody else may be granted a permit")
    func told() {
        var desk = Desk()
        _ = desk.come(desk.waiter(1, [1]))
        let reason = "Spotify failed with 503, wait 6.0 seconds: Busy"
        #expect(
            desk.fail(desk.send(1), .server(status: 503, message: "Busy", retryAfter: .seconds(6)))
                == [
                    "back off, \(reason), for 6 s", "note that 1 failed, \(reason), attempt 1, pause 6 s",
                    "finish, failed, \(reason), for 6 s",
                ])
    }

    @Test("tells the log nothing of what was searched for, in whatever words Spotify repeats it")
    func logged() throws {
        let search = Resource.search(try #require(SearchTerm("Zebra Fish")), kinds: [.track], offset: 0, market: nil)
        let error = SpotifyError.server(status: 500, message: "no luck with zebra+fish")
        let obstacle = Obstacle(.spotify, error.description)
        #expect(obstacle.loggedWords(of: search) == "Spotify failed with 500" && search.loggedName == "search/track/0")
        #expect(obstacle.loggedWords(of: Desk.resource(1)) == error.description)
    }

    @Test("before a connection came about backs off, and takes no lookup's turn")
    func unreachable() {
        var desk = Desk()
        _ = desk.come(desk.waiter(1, [1]))
        let call = desk.begin()
        #expect(
            desk.scheduler.ended(call, .failure(.unreachable("no route"))).map(\.line) == ["back off, Spotify cannot be reached: no route"])
        let end = desk.clock.wall.milliseconds + 300
        #expect(desk.scheduler.backedOff("no route", until: end).map(\.line) == ["note that Spotify is unreachable, no route, 1 s"])
        #expect(desk.scheduler.seekPermit(activeCalls: 0).count == 1, "the gate is free again")
    }

    @Test("with a refusal stores that, and what it shows of the account")
    func refusal() {
        var desk = Desk()
        #expect(desk.fail(desk.send(1), .notFound("no such track")) == ["store the refusal of 1, 404"])
        let call = desk.begin()
        _ = desk.scheduler.reachGate(call)
        let top = Resource.topTracks(Sample.id(1), market: nil)
        let lease = Lease(key: top.name, number: 9, attempt: 1, priority: .caller, grantedAt: desk.clock.boot)
        _ = desk.scheduler.granted(lease, to: call, known: .miss)
        #expect(
            desk.scheduler.ended(call, .failure(.forbidden("no"))).map(\.line)
                == ["store the refusal of 1, 403", "learn that the mode is development"])
    }

    @Test("with a refusal that may be the account's stores nothing before it is known whose it is")
    func suspicion() throws {
        var desk = Desk()
        func send(_ key: String, known: Reading) -> Int {
            let call = desk.begin()
            _ = desk.scheduler.reachGate(call)
            let lease = Lease(key: key, number: 9, attempt: 1, priority: .caller, grantedAt: desk.clock.boot)
            _ = desk.scheduler.granted(lease, to: call, known: known)
            return call
        }
        func refused(_ call: Int, _ error: SpotifyError) -> [LookupAction] { desk.scheduler.ended(call, .failure(error)) }
        let (track, known) = (Desk.resource(1).name, Desk.known(dueIn: .seconds(-1), of: desk.clock))
        #expect(refused(send(track, known: .miss), .forbidden("no")).map(\.line) == ["store the refusal of 1, 403"])
        #expect(refused(send(track, known: known), .notFound("no")).map(\.line) == ["store the refusal of 1, 404"])
        #expect(refused(send(track, known: known), .forbidden("no")).map(\.line) == ["suspect the account for 1, 403"])
        let suspected = refused(send(track, known: .miss), .accountRefused("no Premium"))
        #expect(suspected.map(\.line) == ["suspect the account for 1, 403, which speaks of it"])
        guard case .ask(.suspect(let lookup, let refusal, let ofAccount))? = suspected.first else { throw House.Unreadable() }
        for suspicion in [Suspicion.examined, .confirmed(until: 0), .stale] {
            #expect(desk.scheduler.suspected(lookup, refusal, ofAccount: ofAccount, suspicion).isEmpty)
        }
        #expect(
            desk.scheduler.suspected(lookup, refusal, ofAccount: ofAccount, .unfounded).map(\.line) == [
                "store the refusal of 1, 403, briefly"
            ])
        let control = "control/\(track)"
        let fresh = Desk.known(dueIn: .seconds(600), of: desk.clock)
        #expect(
            refused(send(control, known: fresh), .accountRefused("no Premium")).map(\.line) == ["confirm by 1 that the account is refused"])
        #expect(refused(send(control, known: fresh), .forbidden("no")).map(\.line) == ["confirm by 1 that the account is refused"])
        #expect(refused(send(control, known: fresh), .notFound("gone")).map(\.line) == ["store the refusal of 1, 404"])
    }

    @Test("with an answer that cannot be read, or not be stored, is tried again, with time to mend the database")
    func unstorable() {
        var desk = Desk()
        #expect(
            desk.scheduler.ended(desk.send(1), Desk.answer(#"{"type":"album"}"#)).map(\.line).last
                == "finish, failed, Spotify's answer has an unknown form, for 1 s")
        let lookup = LeasedLookup(lease: desk.lease(1), resource: Desk.resource(1))
        #expect(
            desk.scheduler.couldNotStore(lookup, "disk full").map(\.line) == [
                "note that 1 is not stored, disk full",
                "note that 1 failed, the database cannot be written: disk full, attempt 1, pause 30 s",
                "finish, failed, the database cannot be written: disk full, for 30 s",
            ])
    }

    @Test("of a list's page, with an answer in no form, is not tried again: the page counts as refused for a while")
    func formless() {
        var desk = Desk()
        func send(_ resource: Resource, known: Reading = .miss) -> Int {
            let call = desk.begin()
            _ = desk.scheduler.reachGate(call)
            let lease = Lease(key: resource.name, number: 9, attempt: 1, priority: .caller, grantedAt: desk.clock.boot)
            _ = desk.scheduler.granted(lease, to: call, known: known)
            return call
        }
        let page = Resource.playlistItems(Sample.id(1), .items, offset: 100, market: nil)
        for resource in [page, .withEpisodes(page), .parts(.albumTracks, Sample.id(1), offset: 50, market: nil)] {
            #expect(
                desk.scheduler.ended(send(resource), Desk.answer(#"{"items":7}"#)).map(\.line) == [
                    "note that 0 failed, Spotify's answer has an unknown form, attempt 1, pause 300 s",
                    "store the refusal of 0, 502, briefly",
                ])
        }
        // What is known is better than that, and is asked for again as anything that fails.
        let known = Desk.known(dueIn: .seconds(-1), of: desk.clock)
        #expect(
            desk.scheduler.ended(send(page, known: known), Desk.answer(#"{"items":7}"#)).map(\.line).last
                == "finish, failed, Spotify's answer has an unknown form, for 1 s")
    }

    @Test("with 401 is tried once more with another token; when that is refused, too, its callers are told")
    func refusedToken() throws {
        var desk = Desk()
        _ = desk.come(desk.waiter(1, [1]))
        let call = desk.send(1)
        let actions = desk.scheduler.ended(call, .failure(.unauthorized))
        #expect(actions.map(\.line) == ["refuse the token of call 1"])
        guard case .ask(.refuseToken(let lookup, _))? = actions.first else { throw House.Unreadable() }
        #expect(
            desk.scheduler.refusedToken(lookup, isWorthAnother: true).map(\.line)
                == ["note that the token is refused for 1", "finish, failed, Spotify refused the token, for 0 s"])
        let last = desk.scheduler.refusedToken(lookup, isWorthAnother: false)
        guard case .ask(.finish(_, .failed(reason: _, retryAfter: _, final: true), let sequel))? = last.last else {
            throw House.Unreadable()
        }
        #expect(
            desk.scheduler.finished(sequel, isCurrent: true).map(\.line)
                == ["tell 1 failed, Spotify refuses every token for this, for 5 s"])
    }
}

@Suite("A renewal") struct RenewalTests {
    @Test("is asked for once, behind all callers, and again when the record was renewed since or that was long ago")
    func once() throws {
        var desk = Desk()
        let due = Refresh.Due(resource: Desk.resource(1), at: desk.clock.wall)
        let actions = desk.scheduler.renew([due])
        #expect(actions.map(\.line) == ["enqueue renewals of 1"])
        guard case .ask(.enqueueRenewals(let asked))? = actions.first else { throw House.Unreadable() }
        let calls = [Refresh.Call(resource: AlbumSample.album, renews: asked)]
        desk.scheduler.queuedRenewals(calls, declined: [], [.refused(.queueFull, retryAfter: .seconds(2))])
        #expect(desk.scheduler.renew([due]).count == 1, "it was not taken")
        desk.scheduler.queuedRenewals(calls, declined: [], [.queued(ahead: 0, wait: .seconds(2), wasQueued: false)])
        #expect(desk.scheduler.renew([due]).isEmpty)
        #expect(desk.scheduler.renew([Refresh.Due(resource: due.resource, at: due.at + .seconds(43_200))]).count == 1)
        desk.clock.advance(.seconds(601))
        #expect(desk.scheduler.renew([due]).count == 1)
    }

    @Test("that no call was worth while for is not thought of again for a while, until somebody asks for the record")
    func declined() {
        var desk = Desk()
        let once = Refresh.Due(resource: Desk.resource(1), at: desk.clock.wall, isHabit: false)
        desk.scheduler.queuedRenewals([], declined: [once], [])
        #expect(desk.scheduler.renew([once]).isEmpty)
        #expect(desk.scheduler.renew([Refresh.Due(resource: once.resource, at: once.at)]).count == 1)
        desk.clock.advance(.seconds(601))
        #expect(desk.scheduler.renew([once]).count == 1)
    }

    @Test("alone of what an album lists otherwise: where it is due, and asked for here or used")
    func alone() {
        var desk = Desk()
        let soon = (1...2).map { Refresh.Due(resource: Desk.resource($0), at: desk.clock.wall + .seconds(3000)) }
        let later = Refresh.Due(resource: Desk.resource(3), at: desk.clock.wall + .seconds(4000))
        #expect(desk.scheduler.renewAlone(soon + [later]) { _ in false }.isEmpty)
        #expect(desk.scheduler.renewAlone(soon + [later]) { $0 != soon[0].resource }.map(\.line) == ["enqueue renewals of 2"])
        let call = Refresh.Call(resource: AlbumSample.album, renews: soon)
        desk.scheduler.queuedRenewals([call], declined: [], [.queued(ahead: 0, wait: .seconds(2), wasQueued: false)])
        #expect(desk.scheduler.renewAlone(soon + [later]) { _ in false }.map(\.line) == ["enqueue renewals of 1, 2"])
    }

    @Test("is looked for once a minute: what falls due in a twelfth of the ttl, was used within two of them, and within fourteen before")
    func rounds() throws {
        var desk = Desk()
        #expect(desk.scheduler.renewAhead().isEmpty)
        desk.clock.advance(.seconds(61))
        guard case .findDue(let before, let usedSince, let twiceSince)? = desk.scheduler.renewAhead().first else {
            throw House.Unreadable()
        }
        #expect(before == desk.clock.wall + .seconds(3600) && usedSince == desk.clock.wall - .seconds(86_400))
        #expect(twiceSince == desk.clock.wall - .seconds(7 * 86_400))
        #expect(desk.scheduler.renewAhead().isEmpty)
    }

    @Test("is spared when something else has renewed the record since it was queued; a caller's lookup when it is merely there")
    func spared() {
        var desk = Desk()
        for (priority, dueIn, line) in [
            (Priority.renewal, 7200, "finish, answered"), (.renewal, 3000, "send 1 as call 2"), (.caller, 3000, "finish, answered"),
            (.caller, -1, "send 1 as call 4"),
        ] {
            let call = desk.begin()
            _ = desk.scheduler.reachGate(call)
            let known = Desk.known(dueIn: .seconds(dueIn), of: desk.clock)
            #expect(desk.scheduler.granted(desk.lease(1, priority: priority), to: call, known: known).map(\.line) == [line])
        }
    }
}
