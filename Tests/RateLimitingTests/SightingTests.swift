import Platform
import Testing

@testable import RateLimiting

@Suite("What a host makes of what the store says")
struct SightingTests {
    private let interval = Duration.seconds(2)

    private func sight(
        _ known: SharedPosition?, _ report: StoreReport, at seconds: Int64, most: Int = 1000, calls: Set<CallName> = []
    ) -> Sighting {
        Sighting(known: known, calls: calls, report: report, now: .at(seconds), interval: interval, most: most)
    }

    private func turn(_ number: Int64, after gap: Int64, of host: String = "") -> StoreReport.Turn {
        StoreReport.Turn(number: number, gap: .seconds(gap), isBackground: false, caller: host)
    }

    private let known = SharedPosition(epoch: "a", turn: 7, seen: .at(100))

    @Test("Nothing new is nothing, and one turn more was a call just now")
    func next() {
        #expect(sight(known, StoreReport(epoch: "a", turn: 7), at: 200) == .grants([]))
        let report = StoreReport(epoch: "a", turn: 8, turns: [turn(8, after: 90)])
        #expect(sight(known, report, at: 200) == .grants([SightedGrant(instant: .at(200), turn: 8)]))
    }

    @Test("Of several that were missed the newest was just now, the others no earlier than is told; what is not told, an interval apart")
    func missed() {
        let report = StoreReport(epoch: "a", turn: 10, turns: [turn(10, after: 5), turn(9, after: 30)])
        #expect(
            sight(known, report, at: 200)
                == .grants([
                    SightedGrant(instant: .at(165)), SightedGrant(instant: .at(195), turn: 9), SightedGrant(instant: .at(200), turn: 10),
                ]))
    }

    @Test("In another epoch somebody may have called all the while, up to now, and no more than fill a window")
    func blind() {
        let report = StoreReport(epoch: "b", turn: 3, turns: [turn(3, after: 1)])
        #expect(sight(known, report, at: 104) == .grants([100, 102, 104].map { SightedGrant(instant: .at($0)) }))
        #expect(sight(known, report, at: 100) == .grants([SightedGrant(instant: .at(100))]))
        #expect(sight(known, report, at: 10_000, most: 3) == .grants([9996, 9998, 10_000].map { SightedGrant(instant: .at($0)) }))
        // Numbers of a server that does not say whether it was started anew are not believed after a new connection.
        let doubtful = StoreReport(epoch: "a", turn: 7, isContinuous: false)
        #expect(sight(known, doubtful, at: 102) == .grants([100, 102].map { SightedGrant(instant: .at($0)) }))
    }

    @Test("A store that is empty, that knows less, or that was started anew is founded anew")
    func unfounded() {
        #expect(sight(known, StoreReport(epoch: "", turn: 0), at: 200) == .unfounded)
        #expect(sight(known, StoreReport(epoch: "a", turn: 6), at: 200) == .unfounded)
        #expect(sight(known, StoreReport(epoch: "a", turn: 9, isSameServer: false), at: 200) == .unfounded)
        #expect(sight(nil, StoreReport(epoch: "", turn: 0), at: 200) == .unfounded)
    }

    @Test("A host that is new assumes a call just now, or in a while where nobody has told of any")
    func new() {
        #expect(sight(nil, StoreReport(epoch: "a", turn: 0), at: 200) == .grants([SightedGrant(instant: .at(201))]))
        let report = StoreReport(epoch: "a", turn: 8, turns: [turn(8, after: 9), turn(7, after: 0, of: "x")])
        let listed = [SightedGrant(instant: .at(191), turn: 7, caller: "x"), SightedGrant(instant: .at(200), turn: 8)]
        #expect(sight(nil, report, at: 200) == .grants(listed))
        // Its own, if it had made some there under the same name.
        #expect(sight(nil, report, at: 200, calls: [CallName(caller: "x", number: 7)]) == .grants([listed[1]]))
    }

    @Test("Who founds over a store that has forgotten reckons with what is listed there, as late as it may have been")
    func founding() {
        var report = StoreReport(
            epoch: "a", turn: 8, turns: [turn(8, after: 9), turn(7, after: 5, of: "x"), turn(6, after: 0, of: "y")], isSameServer: false)
        report.idle = .seconds(500)
        func founding(_ known: SharedPosition?, _ calls: Set<CallName>) -> (listed: [SightedGrant], assumed: [SightedGrant]) {
            Sighting.founding(over: report, known: known, calls: calls, now: .at(200), interval: interval, most: 1000)
        }
        let x = SightedGrant(instant: .at(191), turn: 7, caller: "x")
        let y = SightedGrant(instant: .at(186), turn: 6, caller: "y")
        #expect(founding(nil, []).listed == [y, x])
        #expect(founding(nil, []).assumed.map(\.instant) == [.at(200), .at(200)])
        #expect(founding(SharedPosition(epoch: "a", turn: 8, seen: .at(198)), [CallName(caller: "x", number: 7)]).listed == [y])
        #expect(founding(SharedPosition(epoch: "a", turn: 8, seen: .at(198)), []).assumed.map(\.instant) == [.at(198), .at(200)])
        report = StoreReport(epoch: "", turn: 0)
        #expect(founding(nil, []).assumed.map(\.instant) == [.at(201)] && founding(nil, []).listed.isEmpty)
    }

    @Test("A host that is new takes the newest call to be as old as those say who were there")
    func idle() {
        var report = StoreReport(epoch: "a", turn: 8, turns: [turn(8, after: 9, of: "x"), turn(7, after: 0, of: "x")])
        report.idle = .seconds(100)
        #expect(
            sight(nil, report, at: 200)
                == .grants([
                    SightedGrant(instant: .at(91), turn: 7, caller: "x"), SightedGrant(instant: .at(100), turn: 8, caller: "x"),
                    SightedGrant(instant: .at(200)),
                ]))
    }

    @Test("Who has just looked believes nobody that a new turn was long ago, and who has not, none that was before he looked")
    func follower() {
        var report = StoreReport(epoch: "a", turn: 9, turns: [turn(9, after: 5000), turn(8, after: 0)])
        report.idle = .seconds(500)
        func instants(at seconds: Int64) -> [BootTime]? {
            guard case .grants(let grants) = sight(known, report, at: seconds) else { return nil }
            return grants.map(\.instant)
        }
        #expect(instants(at: 110) == [.at(100), .at(110)])
        #expect(instants(at: 200) == [.at(100), .at(100)])
        #expect(instants(at: 700) == [.at(100), .at(200)])
    }

    @Test("In another life the calls that are listed and that it does not know of are taken in besides what is assumed")
    func takesIn() {
        let report = StoreReport(
            epoch: "b", turn: 9, turns: [turn(9, after: 50), turn(8, after: 30, of: "y"), turn(8, after: 0, of: "x")], isWhole: true)
        #expect(
            sight(known, report, at: 102, calls: [CallName(caller: "x", number: 8)])
                == .grants([
                    SightedGrant(instant: .at(52), turn: 8, caller: "y"), SightedGrant(instant: .at(100)), SightedGrant(instant: .at(102)),
                ]))
    }

    @Test("In a fuller list of the same life nothing is assumed: it has the calls that had not been told, and every number since")
    func fuller() {
        let report = StoreReport(
            epoch: "a.x", turn: 10,
            turns: [
                turn(10, after: 10), turn(8, after: 40, of: "x"), turn(7, after: 50, of: "y"), turn(9, after: 60, of: "x"),
                turn(3, after: 0, of: "z"),
            ],
            isWhole: true)
        #expect(
            sight(known, report, at: 200, calls: [CallName(caller: "y", number: 7)])
                == .grants([
                    SightedGrant(instant: .at(40), turn: 3, caller: "z"), SightedGrant(instant: .at(100), turn: 9, caller: "x"),
                    SightedGrant(instant: .at(190), turn: 8, caller: "x"), SightedGrant(instant: .at(200), turn: 10),
                ]))
        #expect(sight(known, StoreReport(epoch: "a.x", turn: 6), at: 200) == .unfounded)
    }
}

@Suite("What a host has the store list")
struct TellingTests {
    private func call(_ seconds: Int64, _ host: String, _ number: Int64, isUntold: Bool = false) -> KnownCall {
        KnownCall(instant: .at(seconds), name: CallName(caller: host, number: number), isUntold: isUntold)
    }

    private func tell(_ calls: [KnownCall], _ report: StoreReport, isFollowed: Bool, known: Int64 = 0, most: Int = 1000) -> Telling {
        Telling(calls, over: report, isFollowed: isFollowed, known: known, since: .at(10), now: .at(100), most: most, word: "w")
    }

    private func turn(_ number: Int64, after gap: Int64, of host: String = "") -> StoreReport.Turn {
        StoreReport.Turn(number: number, gap: .seconds(gap), isBackground: false, caller: host)
    }

    @Test("Its own untold calls and what others lack are told while they count; what is listed and what is only assumed is no reason to")
    func due() {
        let listed = [turn(5, after: 0, of: "me"), turn(5, after: 0, of: "x")]
        func isDue(_ calls: [KnownCall], most: Int = 1000) -> Bool { Telling.isDue(calls, listed: listed, since: .at(10), most: most) }
        #expect(!isDue([call(20, "me", 5), call(30, "x", 5), KnownCall(instant: .at(40))]))
        #expect(isDue([call(20, "x", 6)]))
        #expect(!isDue([call(10, "x", 6)]))
        #expect(isDue([call(20, "me", 1, isUntold: true)]))
        #expect(!isDue([call(10, "me", 1, isUntold: true)]))
        #expect(!isDue([call(20, "me", 5, isUntold: true)]), "the list shows that it was told after all")
        // Whatever fills this host's window, another's may be free.
        #expect(isDue([call(20, "me", 1, isUntold: true), call(30, "x", 5)], most: 1))
    }

    @Test(
        "Where the store is followed the list goes on under the next numbers, with what was assumed there, and not with what this host assumes"
    )
    func followed() {
        var background = call(20, "me", 2, isUntold: true)
        background.isBackground = true
        let calls = [
            call(5, "me", 1, isUntold: true), background, call(30, "x", 5),
            KnownCall(instant: .at(40)),
        ]
        let report = StoreReport(epoch: "a.b", turn: 5, turns: [turn(4, after: 50), turn(5, after: 0, of: "x")], isWhole: true)
        let telling = tell(calls, report, isFollowed: true, known: 5)
        #expect(telling.epoch == "a.w" && telling.turn == 6, "its numbers are its own, and take none of the store's")
        var first = turn(2, after: 0, of: "me")
        first.isBackground = true
        #expect(telling.turns == [turn(6, after: 0), turn(4, after: 70), turn(5, after: 10, of: "x"), first])
    }

    @Test("Where it knows of a number that was never given out there, it is another life: the numbers between are no calls")
    func above() {
        let telling = tell([call(30, "me", 50)], StoreReport(epoch: "a", turn: 5), isFollowed: true, known: 5)
        #expect(telling.epoch == "w" && telling.turn == 51)
    }

    @Test("A store that has forgotten is told what is assumed, too, and no number comes twice; no more than twice a window")
    func anew() {
        let calls = [call(30, "x", 7), KnownCall(instant: .at(40))]
        let telling = tell(calls, StoreReport(epoch: "", turn: 0), isFollowed: false, known: 8)
        #expect(
            telling
                == Telling(
                    epoch: "w", turn: 9, turns: [turn(9, after: 60), turn(0, after: 10), turn(7, after: 0, of: "x")]))
        let many = (11...20).map { call($0, "x", $0) } + (21...40).map { KnownCall(instant: .at($0)) }
        let most = tell(many, StoreReport(epoch: "", turn: 0), isFollowed: false, most: 3).turns
        #expect(most.compactMap(\.name?.number) == [20, 19, 18, 17, 16, 15])
        #expect(most.filter { $0.name == nil } == [turn(21, after: 60), turn(0, after: 1), turn(0, after: 19)])
        let untold = tell([call(11, "me", 1, isUntold: true)] + many, StoreReport(epoch: "", turn: 0), isFollowed: false, most: 3).turns
        #expect(untold.contains { $0.caller == "me" }, "what nobody else can tell is told whatever there is beside it")
    }
}

@Suite("Other hosts")
struct HostWatchTests {
    @Test("A host that goes without a goodbye is silent after ten seconds, for as long as a window")
    func silent() {
        var watch = HostWatch()
        watch.note(["me": "1", "other": "1"], of: "a", besides: "me", now: .at(0))
        watch.note(["me": "11", "other": "5"], of: "a", besides: "me", now: .at(10))
        watch.note(["me": "21", "other": "5"], of: "a", besides: "me", now: .at(20))
        #expect(watch.silent(now: .at(20), window: .seconds(3600)) == 0)
        #expect(watch.silent(now: .at(21), window: .seconds(3600)) == 1)
        #expect(watch.silent(now: .at(3611), window: .seconds(3600)) == 0)
    }

    @Test("A name that was left behind by a host that was never seen to look is no silent host")
    func leftBehind() {
        var watch = HostWatch()
        watch.note(["other": "900"], of: "a", besides: "me", now: .at(0))
        watch.note(["other": "900"], of: "a", besides: "me", now: .at(30))
        #expect(watch.silent(now: .at(30), window: .seconds(3600)) == 0)
        #expect(watch.heard.isEmpty)
    }

    @Test("Before it is known whether it is alive a host counts among those that may be, until it has not looked for ten seconds")
    func mayBeAlive() {
        var watch = HostWatch()
        func isAlive(_ seconds: Int64) -> [Bool] {
            [watch.isAlive("other", now: .at(seconds)), watch.mayBeAlive("other", now: .at(seconds))]
        }
        #expect(isAlive(0) == [false, false])
        watch.note(["other": "1"], of: "a", besides: "me", now: .at(0))
        #expect(isAlive(0) == [false, true])
        #expect(isAlive(11) == [false, false])
        watch.note(["other": "2"], of: "a", besides: "me", now: .at(12))
        #expect(isAlive(22) == [true, true])
        watch.note(["other": "2"], of: "a", besides: "me", now: .at(23))
        #expect(isAlive(23) == [false, false])
    }

    @Test("One that has said goodbye is not reckoned with")
    func goodbye() {
        var watch = HostWatch()
        watch.note(["other": "1"], of: "a", besides: "me", now: .at(0))
        watch.note(["other": "2"], of: "a", besides: "me", now: .at(1))
        watch.note(["me": "1"], of: "a", besides: "me", now: .at(2))
        #expect(watch.silent(now: .at(30), window: .seconds(3600)) == 0)
    }

    @Test("In a new epoch, and after a start, all are silent until they are heard, and nobody calls before that is known")
    func newEpoch() {
        var watch = HostWatch(known: ["other": .at(0)])
        watch.note(["me": "1"], of: "b", besides: "me", now: .at(100))
        #expect(watch.undecided(now: .at(101), window: .seconds(3600)) == .at(110))
        #expect(watch.silent(now: .at(101), window: .seconds(3600)) == 1)
        #expect(watch.undecided(now: .at(110), window: .seconds(3600)) == nil)
        #expect(watch.silent(now: .at(110), window: .seconds(3600)) == 1)
        watch.note(["me": "2", "other": "1"], of: "b", besides: "me", now: .at(102))
        #expect(watch.undecided(now: .at(102), window: .seconds(3600)) == nil)
        #expect(watch.silent(now: .at(102), window: .seconds(3600)) == 1)
        watch.note(["me": "3", "other": "2"], of: "b", besides: "me", now: .at(103))
        #expect(watch.undecided(now: .at(103), window: .seconds(3600)) == nil)
        #expect(watch.silent(now: .at(103), window: .seconds(3600)) == 0)
    }

    @Test("Each side of a cut has the share of the pace that all sides together keep to")
    func share() {
        let half = HostWatch.share(of: RateLimit(interval: .seconds(2), callsPerWindow: 1000), silent: 1)
        #expect(half.interval == .seconds(4) && half.callsPerWindow == 500)
    }
}

@Suite("What hosts leave for each other")
struct StoreSealTests {
    private let seal = StoreSeal(secret: "client secret")
    private let token = StoreSeal.Token(token: "BQD", expiresAt: WallTime(milliseconds: 9000), issuedFor: "id")

    @Test("A token is read by who has the secret and by nobody else, and does not show in the store")
    func tokens() throws {
        let sealed = try #require(seal.seal(token))
        #expect(seal.token(sealed) == token)
        #expect(StoreSeal(secret: "another").token(sealed) == nil)
        #expect(!String(decoding: sealed, as: UTF8.self).contains("BQD"))
        for index in sealed.indices {
            var changed = sealed
            changed[index] ^= 1
            #expect(seal.token(changed) == nil)
        }
        #expect(seal.token([]) == nil)
    }

    @Test("A record is believed when it was signed with the secret, for that lookup")
    func records() {
        let signed = seal.signed([1, 2, 3], of: "track/1")
        #expect(seal.record(signed, of: "track/1") == [1, 2, 3])
        #expect(seal.record(signed, of: "track/2") == nil)
        #expect(StoreSeal(secret: "another").record(signed, of: "track/1") == nil)
        #expect(seal.record([1, 2, 3], of: "track/1") == nil)
        for index in signed.indices {
            var changed = signed
            changed[index] ^= 1
            #expect(seal.record(changed, of: "track/1") == nil)
        }
        // No two pairs of lookup and record are one message.
        #expect(seal.record(Array(seal.signed([49], of: "a").prefix(32)) + [], of: "a1") == nil)
    }
}
