import Spotify
import Synchronization
import Testing

@testable import Catalog

/// Settlements in the order in which they came.
final class Told: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func note(_ line: String) { lines.withLock { $0.append(line) } }
}

@Suite struct SingleFlightTests {
    let one = Resource.object(.track, SpotifyID("1111111111111111111111")!, market: nil)
    let two = Resource.object(.track, SpotifyID("2222222222222222222222")!, market: nil)
    let told = Told()

    func waiter(_ number: UInt64, _ resources: [Resource], deadline: UInt64 = 100) -> Waiter {
        Waiter(number: number, resources: resources, client: "c", deadline: deadline) { [told] settlement in
            switch settlement {
            case .settled(let joined): told.note("\(number) \(joined ? "joined" : "own")")
            case .later: told.note("\(number) later")
            case .refused: told.note("\(number) refused")
            case .failed: told.note("\(number) failed")
            }
        }
    }

    @Test("All who wait for one lookup are told in their order, the first that the call was its own")
    func everybody() {
        var room = SingleFlight()
        for number in 1...3 as ClosedRange<UInt64> { room.seat(waiter(number, [one]), for: [one]) }
        room.settle(one)
        #expect(told.all == ["1 own", "2 joined", "3 joined"])
        #expect(room.isEmpty && !room.waits(for: one))
    }

    @Test("Who waits for two lookups is told after the second")
    func parts() {
        var room = SingleFlight()
        room.seat(waiter(1, [one, two]), for: [one, two])
        room.settle(one, joined: true)
        #expect(told.all.isEmpty)
        room.settle(two)
        #expect(told.all == ["1 own"])
    }

    @Test("One part's failure ends the wait; others who wait for the other part stay")
    func failure() {
        var room = SingleFlight()
        room.seat(waiter(1, [one, two]), for: [one, two])
        room.seat(waiter(2, [two]), for: [two])
        room.fail(one, .failed(reason: "", after: .seconds(1)))
        #expect(told.all == ["1 failed"])
        room.settle(two)
        #expect(told.all == ["1 failed", "2 own"])
    }

    @Test("Who left is never told, and leaves no trace")
    func leaving() {
        var room = SingleFlight()
        room.seat(waiter(1, [one, two]), for: [one, two])
        room.remove(1)
        room.settle(one)
        room.settle(two)
        #expect(told.all.isEmpty && room.isEmpty && room.resources.isEmpty)
    }

    @Test("Only those whose patience ends before are sent away")
    func impatience() {
        var room = SingleFlight()
        room.seat(waiter(1, [one], deadline: 10), for: [one])
        room.seat(waiter(2, [one], deadline: 30), for: [one])
        room.failImpatient(before: 20, .failed(reason: "", after: .seconds(1)))
        #expect(told.all == ["1 failed"])
        #expect(room.waits(for: one))
    }
}
