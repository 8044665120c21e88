import Platform
import Testing

@testable import RateLimiting

@Suite("What a host makes of what the store says")
struct SightingTests {
    private let interval = Duration.seconds(2)

    private func sight(_ known: SharedPosition?, _ report: StoreReport, at seconds: Int64, most: Int = 1000) -> Sighting {
        Sighting(known: known, report: report, now: .at(seconds), interval: interval, most: most)
    }

    private func turn(_ number: Int64, after gap: Int64) -> StoreReport.Turn {
        StoreReport.Turn(number: number, gap: .seconds(gap), isBackground: false)
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

    @Test("A host that is new assumes a call just now")
    func new() {
        #expect(sight(nil, StoreReport(epoch: "a", turn: 0), at: 200) == .grants([SightedGrant(instant: .at(200))]))
        let report = StoreReport(epoch: "a", turn: 8, turns: [turn(8, after: 9), turn(7, after: 0)])
        #expect(
            sight(nil, report, at: 200)
                == .grants([SightedGrant(instant: .at(191), turn: 7), SightedGrant(instant: .at(200), turn: 8)]))
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
