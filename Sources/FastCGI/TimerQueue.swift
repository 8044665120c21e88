import Platform

/// What is to happen when: kept by a thread of its own, so that no deadline depends on the threads that serve requests.
final class TimerQueue: Sendable {
    /// An appointment that can be cancelled.
    final class Timer: Sendable {
        fileprivate let action: @Sendable () -> Void

        fileprivate init(action: @escaping @Sendable () -> Void) { self.action = action }
    }

    private struct State {
        var heap = DeadlineHeap<Timer>()
        var hasRung = false
    }

    private let state = Monitor(State())
    private let clock = SystemClock()

    /// Runs the action on the timekeeper's thread at that time.
    @discardableResult
    func schedule(at due: MonotonicTime, _ action: @escaping @Sendable () -> Void) -> Timer {
        let timer = Timer(action: action)
        let isNext = state.withLock { $0.heap.insert(timer, due: due) }
        // Whatever is due later finds the timekeeper awake by then.
        if isNext { state.update { _ in } }
        return timer
    }

    @discardableResult
    func schedule(after duration: Duration, _ action: @escaping @Sendable () -> Void) -> Timer {
        schedule(at: clock.monotonic + duration, action)
    }

    func cancel(_ timer: Timer) { state.withLock { $0.heap.remove(timer) } }

    /// Makes the timekeeper ask again whether it is over.
    func ring() { state.update { $0.hasRung = true } }

    /// The timekeeper's work: runs what is due, sleeps until the next, and returns when `isOver` says so, which it asks after every
    /// action and every ring.
    func keep(until isOver: () -> Bool) {
        while !isOver() {
            let timer: Timer? = state.wait { state in
                let isDue = state.heap.isDue(at: clock.monotonic)
                guard isDue || state.hasRung else { return .sleep(until: state.heap.firstDue ?? .never) }
                state.hasRung = false
                return .take(isDue ? state.heap.takeFirst() : nil)
            }
            timer?.action()
        }
    }
}

/// A binary heap of objects by deadline, from which any object can be removed.
struct DeadlineHeap<Element: AnyObject & Sendable>: Sendable {
    private struct Entry {
        let due: MonotonicTime
        let element: Element
    }

    private var entries: [Entry] = []
    private var places: [ObjectIdentifier: Int] = [:]

    var count: Int { entries.count }
    var firstDue: MonotonicTime? { entries.first?.due }

    func isDue(at now: MonotonicTime) -> Bool { firstDue.map { $0 <= now } ?? false }

    /// True when the element is the next one due.
    mutating func insert(_ element: Element, due: MonotonicTime) -> Bool {
        entries.append(Entry(due: due, element: element))
        places[ObjectIdentifier(element)] = entries.count - 1
        return rise(from: entries.count - 1) == 0
    }

    mutating func takeFirst() -> Element? {
        guard let first = entries.first?.element else { return nil }
        remove(at: 0)
        return first
    }

    /// Nothing happens when the element is not there any more.
    mutating func remove(_ element: Element) {
        if let place = places[ObjectIdentifier(element)] { remove(at: place) }
    }

    private mutating func remove(at place: Int) {
        places[ObjectIdentifier(entries[place].element)] = nil
        let last = entries.removeLast()
        guard place < entries.count else { return }
        set(last, at: place)
        sink(from: rise(from: place))
    }

    private mutating func set(_ entry: Entry, at place: Int) {
        entries[place] = entry
        places[ObjectIdentifier(entry.element)] = place
    }

    @discardableResult
    private mutating func rise(from start: Int) -> Int {
        let entry = entries[start]
        var place = start
        while place > 0, entries[(place - 1) / 2].due > entry.due {
            set(entries[(place - 1) / 2], at: place)
            place = (place - 1) / 2
        }
        set(entry, at: place)
        return place
    }

    private mutating func sink(from start: Int) {
        let entry = entries[start]
        var place = start
        while true {
            var child = 2 * place + 1
            guard child < entries.count else { break }
            if child + 1 < entries.count, entries[child + 1].due < entries[child].due { child += 1 }
            guard entries[child].due < entry.due else { break }
            set(entries[child], at: place)
            place = child
        }
        set(entry, at: place)
    }
}
