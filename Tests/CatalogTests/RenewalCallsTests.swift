import Foundation
import Platform
import RateLimiting
import Spotify
import Testing

@testable import Catalog

@Suite("The calls that renew what is due") struct RenewalCallsTests {
    typealias Candidate = RenewalCalls.Candidate

    func track(_ digit: Int) -> Resource { .object(.track, Sample.id(digit), market: nil) }
    func album(_ digit: Int) -> Resource { .object(.album, Sample.id(digit), market: nil) }
    func due(_ resource: Resource) -> Refresh.Due { Refresh.Due(resource: resource, at: WallTime(milliseconds: 1)) }

    func candidate(_ resource: Resource, of album: Resource? = nil, kept: Bool = true, company: Bool = false) -> Candidate {
        Candidate(due: due(resource), album: album.map { RenewalCalls.Album(resource: $0, isKept: kept, hasCompany: company) })
    }

    func calls(_ candidates: [Candidate]) -> [[Resource]] {
        RenewalCalls.choose(candidates).map { [$0.resource] + $0.renews.map(\.resource) }
    }

    @Test("A track that is alone in its album is asked for alone, and so is what has none")
    func alone() {
        #expect(calls([candidate(track(1), of: album(9)), candidate(track(2))]) == [[track(1), track(1)], [track(2), track(2)]])
        #expect(calls([candidate(track(1), of: album(9), kept: false)]) == [[track(1), track(1)]])
    }

    @Test("Two tracks of an album are one call, whether the album is kept or not, in the place of the first")
    func together() {
        for kept in [true, false] {
            let found = calls([
                candidate(track(1), of: album(9), kept: kept), candidate(track(3)), candidate(track(2), of: album(9), kept: kept),
            ])
            #expect(found == [[album(9), track(1), track(2)], [track(3), track(3)]])
        }
    }

    @Test("One track is the album's call where that is due itself, or renews others that are used")
    func company() {
        #expect(calls([candidate(track(1), of: album(9)), candidate(album(9))]) == [[album(9), track(1), album(9)]])
        #expect(calls([candidate(track(1), of: album(9), company: true)]) == [[album(9), track(1)]])
        #expect(calls([candidate(track(1), of: album(9), kept: false, company: true)]) == [[track(1), track(1)]])
    }

    @Test("For what was used on one occasion no call is worth while, but one that renews something else, or three of an album used on two")
    func worthwhile() {
        func once(_ candidate: Candidate, hour: Int64 = 0) -> Candidate {
            var candidate = candidate
            candidate.due.isHabit = false
            candidate.due.usedAt = WallTime(milliseconds: hour * 3_600_000)
            return candidate
        }
        func found(_ candidates: [Candidate]) -> (calls: [Resource], declined: [Resource]) {
            let found = RenewalCalls.worthwhile(candidates, apart: .seconds(6 * 3600))
            return (found.calls.map(\.resource), found.declined.map(\.resource))
        }
        let two = (1...2).map { once(candidate(track($0), of: album(9))) }
        #expect(found(two + [once(candidate(track(4)))]) == ([], [track(1), track(2), track(4)]))
        #expect(found(two + [once(candidate(track(3), of: album(9)), hour: 6)]) == ([album(9)], []))
        #expect(
            found(two + [once(candidate(track(3), of: album(9)), hour: 5)]) == ([], [track(1), track(2), track(3)]),
            "a page that was seen once")
        #expect(
            found([two[0], once(candidate(track(4), of: album(9)), hour: 9)]) == ([], [track(1), track(4)]),
            "two are no more than each for itself")
        #expect(found(two + [candidate(track(3), of: album(9)), once(candidate(track(4)))]) == ([album(9)], [track(4)]))
    }

    @Test("What a playlist brings that is due itself needs no other call, nor does it make an album's worth while")
    func playlists() {
        let playlist = Resource.object(.playlist, Sample.id(7), market: nil)
        let found = calls([
            candidate(track(1), of: album(9)), Candidate(due: due(playlist), brings: [track(1), track(4)]),
            candidate(track(2), of: album(9)),
        ])
        #expect(found == [[playlist, track(1), playlist], [track(2), track(2)]])
    }
}

/// The lookup thread's rounds over a database: which calls are queued for what is due.
@Suite("A round of renewals") struct RenewalRoundTests {
    let house: House
    let loop: LookupLoop
    let clock = ManualClock(wall: SystemClock().wall.milliseconds)

    init() throws {
        house = try House()
        loop = try house.lookupLoop(clock)
    }

    func track(_ digit: Int) -> Resource { .object(.track, Sample.id(digit), market: nil) }

    /// Kept, used, and due soon.
    func keep(_ resource: Resource, _ text: String, dueIn: Duration = .seconds(3000), wholeAt: Int64? = nil) throws {
        try house.learn(resource, text)
        if let wholeAt {
            _ = try house.caches.put(.spotify, resource.cacheKey, Record(body: Array(text.utf8), wholeAt: wholeAt).encoded)
        }
        _ = try house.caches.expire(.spotify, resource.cacheKey, in: dueIn)
        try house.used(resource)
    }

    /// What the next round queues, of what there is here.
    func round() throws -> Set<String> {
        clock.advance(.seconds(61))
        loop.renewAhead()
        let names = [AlbumSample.album] + (1...4).map(track)
        let states = try house.rateLimiter.states(of: names.map(\.name), estimating: false)
        return Set(zip(names, states).filter { $0.1 != .absent }.map(\.0.name))
    }

    @Test("The tracks of a kept album are its one call, also where the album is good for longer")
    func album() throws {
        try keep(AlbumSample.album, AlbumSample.album((1...3).map { AlbumSample.listed($0) }), dueIn: .seconds(40_000))
        for digit in 1...3 { try keep(track(digit), AlbumSample.whole(digit)) }
        #expect(try round() == [AlbumSample.album.name])
        #expect(try house.rateLimiter.status().waiting[.renewal] == 1)
    }

    @Test("What was used on one occasion is left alone, and asked about again when it is used")
    func once() throws {
        try house.learn(track(1), AlbumSample.whole(1))
        _ = try house.caches.expire(.spotify, track(1).cacheKey, in: .seconds(3000))
        try house.used(track(1), twice: false)
        #expect(try round() == [])
        guard case .hit(let served) = try house.recordStore.read(track(1)) else { throw House.Unreadable() }
        loop.renew([track(1): WallTime(milliseconds: served.dueAt)])
        #expect(try house.rateLimiter.states(of: [track(1).name], estimating: false) != [.absent])
    }

    @Test("What the album does not list as it is kept, or not any more, has a call of its own")
    func unlike() throws {
        try keep(AlbumSample.album, AlbumSample.album([AlbumSample.listed(1), AlbumSample.listed(2)]))
        for digit in 1...2 { try keep(track(digit), AlbumSample.whole(digit)) }
        try keep(track(3), AlbumSample.whole(3))
        try keep(track(4), AlbumSample.whole(4, name: "Another"))
        #expect(try round() == [AlbumSample.album.name, track(3).name, track(4).name])
    }

    @Test("An album that is not known is asked for where two tracks need it; a refused one is not")
    func unknown() throws {
        for digit in 1...2 { try keep(track(digit), AlbumSample.whole(digit)) }
        #expect(try round() == [AlbumSample.album.name])
    }

    @Test("A refused album renews nothing")
    func refused() throws {
        for digit in 1...2 { try keep(track(digit), AlbumSample.whole(digit)) }
        try house.refuse(AlbumSample.album, 404)
        #expect(try round() == [track(1).name, track(2).name])
    }

    @Test("After 30 days without a whole answer a track has a call of its own")
    func long() throws {
        try keep(AlbumSample.album, AlbumSample.album((1...3).map { AlbumSample.listed($0) }))
        try keep(track(1), AlbumSample.whole(1), wholeAt: clock.wall.milliseconds - 31 * 86_400_000)
        for digit in 2...3 { try keep(track(digit), AlbumSample.whole(digit)) }
        #expect(try round() == [AlbumSample.album.name, track(1).name])
    }

    @Test("What an album's call did not renew is asked for once more, and then no more")
    func twice() throws {
        for digit in 1...2 { try keep(track(digit), AlbumSample.whole(digit)) }
        for _ in 0..<2 {
            #expect(try round() == [AlbumSample.album.name])
            var permit = try house.rateLimiter.permit(worker: "test")
            while case .wait(_, .interval) = permit {
                usleep(20_000)
                permit = try house.rateLimiter.permit(worker: "test")
            }
            guard case .granted(let lease) = permit else { throw House.Unreadable() }
            house.rateLimiter.endSending(wasSent: true)
            _ = try house.rateLimiter.finish(lease, .answered)
        }
        #expect(try round() == [])
    }

    @Test("An album whose tracks are due counts as due at its turn, and no longer when these were renewed")
    func turn() throws {
        try keep(AlbumSample.album, AlbumSample.album([AlbumSample.listed(1)]), dueIn: .seconds(40_000))
        try keep(track(1), AlbumSample.whole(1))
        func dueIn() throws -> Int64 {
            guard case .hit(let served) = try house.recordStore.readForRenewal(AlbumSample.album) else { throw House.Unreadable() }
            return (served.dueAt - SystemClock().wall.milliseconds) / 1000
        }
        #expect(try (2900...3000).contains(dueIn()))
        _ = try house.caches.expire(.spotify, track(1).cacheKey, in: .seconds(43_200))
        #expect(try (39_900...40_000).contains(dueIn()))
        try keep(track(1), AlbumSample.whole(1, name: "Another"))
        #expect(try (39_900...40_000).contains(dueIn()), "its list would not renew it")
    }
}
