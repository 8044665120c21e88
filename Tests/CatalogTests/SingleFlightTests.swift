import Platform
import RateLimiting
import Spotify
import Testing

@testable import Catalog

extension SingleFlight.Told {
    /// The caller's number and what it is told.
    var line: String {
        switch outcome {
        case .finished(let joined): "\(waiter.number) \(joined ? "joined" : "own")"
        case .later(let after, _): "\(waiter.number) later, in \(after.wholeSeconds) s"
        case .refused(let refusal, let after): "\(waiter.number) refused, \(refusal), for \(after.wholeSeconds) s"
        case .failed(let obstacle, let after): "\(waiter.number) failed, \(obstacle.words), for \(after.wholeSeconds) s"
        }
    }
}

extension Waiter {
    /// - Parameter deadline: in seconds of CLOCK_MONOTONIC.
    init(_ number: UInt64, _ resources: [Resource], client: String = "ann", deadline: UInt64 = 100) {
        self.init(
            number: number, resources: resources, client: client, deadline: MonotonicTime(nanoseconds: deadline * 1_000_000_000),
            tell: { _ in })
    }
}

@Suite struct SingleFlightTests {
    let one = Resource.object(.track, Sample.id(1), market: nil)
    let two = Resource.object(.track, Sample.id(2), market: nil)
    let clock = ManualClock()
    let failure = WaitOutcome.failed(Obstacle(.spotify, "no"), after: .seconds(1))

    func seat(_ room: inout SingleFlight, _ waiters: Waiter...) -> [SingleFlight.Wanted] {
        room.seat(waiters, now: clock.monotonic, wall: clock.wall)
    }

    /// The limiter takes all that is wanted; it will be answered in so many seconds.
    func queue(_ room: inout SingleFlight, _ wanted: [SingleFlight.Wanted], wait: Int64 = 2, wasQueued: Bool = false) -> [String] {
        let admission = Admission.queued(ahead: 0, wait: .seconds(wait), wasQueued: wasQueued)
        return room.queued(wanted, wanted.map { _ in admission }, now: clock.monotonic, wall: clock.wall).map(\.line)
    }

    @Test("All who wait for one lookup are told in their order, the first that the call was its own")
    func everybody() {
        var room = SingleFlight()
        _ = seat(&room, Waiter(2, [one]), Waiter(1, [one]), Waiter(3, [one]))
        #expect(room.finish(one).map(\.line) == ["1 own", "2 joined", "3 joined"])
        #expect(room.isEmpty && !room.waits(for: one))
    }

    @Test("Who waits for two lookups is told after the second")
    func parts() {
        var room = SingleFlight()
        _ = seat(&room, Waiter(1, [one, two]))
        #expect(room.finish(one, joined: true).isEmpty)
        #expect(room.finish(two).map(\.line) == ["1 own"])
    }

    @Test("One part's failure ends the wait; others who wait for the other part stay")
    func failing() {
        var room = SingleFlight()
        _ = seat(&room, Waiter(1, [one, two]), Waiter(2, [two]))
        #expect(room.fail(one, failure).map(\.line) == ["1 failed, no, for 1 s"])
        #expect(room.finish(two).map(\.line) == ["2 own"])
    }

    @Test("Who left is never told, and leaves no trace")
    func leaving() {
        var room = SingleFlight()
        _ = seat(&room, Waiter(1, [one, two]))
        room.remove(1)
        #expect(room.finish(one).isEmpty && room.finish(two).isEmpty)
        #expect(room.isEmpty && room.resources.isEmpty)
    }

    @Test("Only those whose patience ends before are sent away")
    func impatience() {
        var room = SingleFlight()
        _ = seat(&room, Waiter(1, [one], deadline: 10), Waiter(2, [one], deadline: 30))
        let told = room.failImpatient(before: MonotonicTime(nanoseconds: 20_000_000_000), failure)
        #expect(told.map(\.line) == ["1 failed, no, for 1 s"])
        #expect(room.waits(for: one))
    }

    @Test("Callers whose answer is under way are not sent away when a cooldown begins")
    func underWay() {
        var room = SingleFlight()
        _ = seat(&room, Waiter(1, [one], deadline: 10), Waiter(2, [one, two], deadline: 10))
        let told = room.failImpatient(before: MonotonicTime(nanoseconds: 20_000_000_000), underWay: [one], failure)
        #expect(told.map(\.line) == ["2 failed, no, for 1 s"])
    }

    @Test(
        "A lookup is wanted once, for its first caller and until its last one's deadline; again for who waits longer than the limiter knows"
    )
    func wanted() {
        var room = SingleFlight()
        let wanted = seat(&room, Waiter(1, [one, two], client: "ann", deadline: 21), Waiter(2, [one], client: "bob", deadline: 31))
        #expect(wanted.map(\.ask.key) == [one.name, two.name] && wanted.map(\.ask.client) == ["ann", "ann"])
        // The clock stands at 1 s; two seconds are added so that the next ones need not ask.
        #expect(wanted.map { $0.ask.attendedUntil - clock.wall.milliseconds } == [32_000, 22_000])
        #expect(queue(&room, wanted).isEmpty)
        #expect(seat(&room, Waiter(3, [one], deadline: 33)).isEmpty)
        #expect(seat(&room, Waiter(4, [one], client: "bob", deadline: 34)).map(\.ask.client) == ["bob"])
    }

    @Test("Who would wait longer than it wants to is taken out; who waits for the same longer stays")
    func late() {
        var room = SingleFlight()
        let waiters = [Waiter(1, [one, two], deadline: 10), Waiter(2, [one], deadline: 20)]
        let wanted = room.seat(waiters, now: clock.monotonic, wall: clock.wall)
        #expect(queue(&room, wanted, wait: 12).isEmpty)
        let late = room.removeLate(among: waiters)
        #expect(late.map(\.waiter.number) == [1] && late.map(\.answerAt) == [clock.monotonic + .seconds(12)])
        #expect(room.resources == [one])
    }

    @Test("Where a lookup was queued before, or its answer came from another call, nobody's call was its own")
    func joined() {
        var room = SingleFlight()
        #expect(queue(&room, seat(&room, Waiter(1, [one])), wasQueued: true).isEmpty)
        #expect(room.finish(one).map(\.line) == ["1 joined"])
        _ = seat(&room, Waiter(2, [two]))
        #expect(room.finish(two, joined: true).map(\.line) == ["2 joined"])
    }

    @Test("However a lookup ended, the next caller asks for it anew", arguments: ["finished", "joined", "failed", "left", "refused"])
    func fresh(end: String) {
        var room = SingleFlight()
        let wanted = seat(&room, Waiter(1, [one]))
        _ = queue(&room, wanted)
        switch end {
        case "finished": _ = room.finish(one)
        case "joined": _ = room.finish(one, joined: true)
        case "failed": _ = room.fail(one, failure)
        case "left": room.remove(1)
        default: _ = room.queued(wanted, [.refused(.queueFull, retryAfter: .seconds(2))], now: clock.monotonic, wall: clock.wall)
        }
        #expect(seat(&room, Waiter(2, [one], deadline: 2)).map(\.ask.key) == [one.name])
    }
}
