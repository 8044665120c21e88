import Caching
import Platform
import RateLimiting
import Spotify
import Testing

@testable import Catalog

/// The lookup thread's rounds, called one by one: nothing is sent.
@Suite struct RefreshTests {
    let house: House
    let loop: LookupLoop
    let clock = ManualClock(wall: SystemClock().wall.milliseconds)
    let track = Resource.object(.track, Sample.id(1), market: nil)

    init() throws {
        house = try House()
        loop = try house.lookupLoop(clock)
    }

    /// The next round.
    func renewAhead() {
        clock.advance(.seconds(41))
        loop.renewAhead()
    }

    func keep(dueIn: Duration, used: Bool = true, refusedWith: Int? = nil) throws {
        var record = Record(body: Array(Sample.track(1, by: 2).utf8))
        record.refusedWith = refusedWith
        _ = try house.caches.put(.spotify, track.cacheKey, record.encoded, ttl: dueIn)
        if used { try house.used(track) }
    }

    var isQueued: Bool {
        get throws { try house.rateLimiter.states(of: [track.name], estimating: false) != [.absent] }
    }

    @Test("What was used lately and falls due within the hour is queued, behind callers")
    func ahead() throws {
        try keep(dueIn: .seconds(3000))
        renewAhead()
        #expect(try isQueued)
        #expect(try house.rateLimiter.status().waiting[.renewal] == 1)
    }

    @Test("What is good for longer, what nobody used, and what Spotify refused today is left alone")
    func alone() throws {
        try keep(dueIn: .seconds(4000))
        renewAhead()
        #expect(try !isQueued)
        try keep(dueIn: .seconds(3000), refusedWith: 404)
        renewAhead()
        #expect(try !isQueued)
    }

    @Test("What was never used is left alone")
    func unused() throws {
        try keep(dueIn: .seconds(3000), used: false)
        renewAhead()
        #expect(try !isQueued)
    }

    @Test("A refusal is asked about again after its day")
    func refusedYesterday() throws {
        try keep(dueIn: .milliseconds(1), refusedWith: 404)
        try house.caches.expire(.spotify, track.cacheKey, in: .zero)
        renewAhead()
        #expect(try isQueued)
    }

    @Test("A round comes every 40 seconds")
    func rounds() throws {
        renewAhead()
        try keep(dueIn: .seconds(3000))
        loop.renewAhead()
        #expect(try !isQueued)
        renewAhead()
        #expect(try isQueued)
    }

    @Test("A stale record is asked for once, and again when it was renewed in between")
    func once() throws {
        func ask(dueAt: Int64) throws -> Bool {
            loop.renew([track: WallTime(milliseconds: dueAt)])
            guard case .granted(let lease) = try house.rateLimiter.permit(worker: "test") else { return try isQueued }
            house.rateLimiter.endSending(wasSent: true)
            return try house.rateLimiter.finish(lease, .answered)
        }
        try keep(dueIn: .seconds(1))
        #expect(try ask(dueAt: 1000))
        #expect(try !ask(dueAt: 1000))
        #expect(try ask(dueAt: 2000))
    }

    @Test("What an album's call was to renew is asked for once more when that call is over, what has its own call after ten minutes")
    func withOthers() {
        var refresh = Refresh(plan: RenewalPlan(ttl: .seconds(43_200)), now: clock.monotonic)
        let (album, begin) = (Resource.object(.album, Sample.id(9), market: nil), clock.monotonic)
        let due = [track, album].map { Refresh.Due(resource: $0, at: WallTime(milliseconds: 1000)) }
        func note(wasQueued: Bool, after: Duration) {
            let admission = Admission.queued(ahead: 0, wait: .zero, wasQueued: wasQueued)
            refresh.noteQueued([.init(resource: album, renews: due)], [admission], now: begin + after)
        }
        note(wasQueued: false, after: .zero)
        #expect(refresh.unasked(due, now: begin + .seconds(30)).isEmpty)
        #expect(refresh.unasked(due, now: begin + .seconds(31)) == [due[0]])
        #expect(refresh.beginsRound(now: begin + .seconds(41)) && refresh.hasAsked(due[0]))
        #expect(refresh.unasked(due, now: begin + .seconds(600)) == [due[0]])
        #expect(refresh.unasked(due, now: begin + .seconds(601)) == due)
        note(wasQueued: true, after: .seconds(31))
        #expect(refresh.unasked(due, now: begin + .seconds(62)) == [due[0]])
        note(wasQueued: false, after: .seconds(62))
        #expect(refresh.unasked(due, now: begin + .seconds(662)).isEmpty)
        #expect(refresh.unasked(due, now: begin + .seconds(663)) == due)
    }

    @Test("A lookup that was queued already is another request's call")
    func wasQueued() throws {
        let ask = Ask(key: track.name, priority: .renewal, client: "", attendedUntil: 0)
        guard case .queued(_, _, wasQueued: false) = try house.rateLimiter.enqueue([ask])[0] else { throw House.Unreadable() }
        guard case .queued(_, _, wasQueued: true) = try house.rateLimiter.enqueue([ask])[0] else { throw House.Unreadable() }
    }
}
