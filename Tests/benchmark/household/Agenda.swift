import Platform

/// What happens when, and the clock that jumps there. Instants are seconds from the beginning.
///
/// `@unchecked Sendable`: everything here is done by the one thread that runs the lookup loop.
final class Agenda: @unchecked Sendable {
    private struct Entry {
        var at: MonotonicTime
        var number: Int
        var happen: () -> Void

        func precedes(_ other: Entry) -> Bool { (at.nanoseconds, number) < (other.at.nanoseconds, other.number) }
    }

    let clock: ManualClock
    private let beginning: MonotonicTime
    /// A binary heap: no entry precedes the one at half its place.
    private var heap: [Entry] = []
    private var lastNumber = 0

    init(_ clock: ManualClock) {
        self.clock = clock
        beginning = clock.monotonic
    }

    var now: Double { Double((clock.monotonic - beginning).wholeMilliseconds) / 1000 }

    func enter(at instant: Double, _ happen: @escaping () -> Void) {
        enter(after: beginning + .seconds(instant) - clock.monotonic, happen)
    }

    func enter(after pause: Duration, _ happen: @escaping () -> Void) {
        lastNumber += 1
        heap.append(Entry(at: clock.monotonic + max(.zero, pause), number: lastNumber, happen: happen))
        rise(heap.count - 1)
    }

    /// Goes to the next instant at which something happens, but not further than `longest`, and lets it happen, or some of it: whoever is rung for
    /// comes next.
    func advance(atMost longest: Duration, until isRung: () -> Bool) {
        let now = clock.monotonic
        let next = heap.first.map { max($0.at, now) } ?? .never
        let end = min(next, now + max(.zero, longest))
        if end > now { clock.advance(end - now) }
        while let first = heap.first, first.at <= clock.monotonic {
            heap.swapAt(0, heap.count - 1)
            heap.removeLast()
            sink()
            first.happen()
            if isRung() { return }
        }
    }

    private func rise(_ place: Int) {
        var place = place
        while place > 0, heap[place].precedes(heap[(place - 1) / 2]) {
            heap.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    private func sink() {
        var place = 0
        while true {
            let next = [2 * place + 1, 2 * place + 2].filter { $0 < heap.count }.min { heap[$0].precedes(heap[$1]) }
            guard let next, heap[next].precedes(heap[place]) else { return }
            heap.swapAt(place, next)
            place = next
        }
    }
}
