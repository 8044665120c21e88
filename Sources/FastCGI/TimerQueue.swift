import CSystem
import Glibc

/// What is to happen when: kept by a thread of its own, so that no deadline depends on the threads that serve requests.
///
/// `@unchecked Sendable`: `mutex` guards `heap` and `hasRung`.
final class TimerQueue: @unchecked Sendable {
    /// An appointment that can be cancelled.
    final class Timer: Sendable {
        fileprivate let due: UInt64
        fileprivate let action: @Sendable () -> Void

        fileprivate init(due: UInt64, action: @escaping @Sendable () -> Void) {
            self.due = due
            self.action = action
        }
    }

    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var heap = DeadlineHeap<Timer>()
    private var hasRung = false

    init() {
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        csys_condition_init(condition)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Runs the action on the timekeeper's thread when CLOCK_MONOTONIC reaches `due` (ns).
    @discardableResult
    func schedule(at due: UInt64, _ action: @escaping @Sendable () -> Void) -> Timer {
        let timer = Timer(due: due, action: action)
        pthread_mutex_lock(mutex)
        let isNext = heap.insert(timer, due: due)
        pthread_mutex_unlock(mutex)
        if isNext { pthread_cond_signal(condition) }
        return timer
    }

    func cancel(_ timer: Timer) {
        pthread_mutex_lock(mutex)
        heap.remove(timer)
        pthread_mutex_unlock(mutex)
    }

    /// Makes the timekeeper ask again whether it is over.
    func ring() {
        pthread_mutex_lock(mutex)
        hasRung = true
        pthread_mutex_unlock(mutex)
        pthread_cond_signal(condition)
    }

    /// The timekeeper's work: runs what is due, sleeps until the next, and returns when `isOver` says so, which it asks after every
    /// action and every ring.
    func keep(until isOver: () -> Bool) {
        while !isOver() {
            pthread_mutex_lock(mutex)
            while !hasRung && !heap.isDue(at: csys_monotonic_ns()) { sleep() }
            hasRung = false
            let timer = heap.isDue(at: csys_monotonic_ns()) ? heap.takeFirst() : nil
            pthread_mutex_unlock(mutex)
            timer?.action()
        }
    }

    private func sleep() {
        guard let due = heap.firstDue else {
            pthread_cond_wait(condition, mutex)
            return
        }
        var until = timespec(tv_sec: Int(due / 1_000_000_000), tv_nsec: Int(due % 1_000_000_000))
        pthread_cond_timedwait(condition, mutex, &until)
    }
}

/// A binary heap of objects by deadline, from which any object can be removed.
struct DeadlineHeap<Element: AnyObject> {
    private struct Entry {
        let due: UInt64
        let element: Element
    }

    private var entries: [Entry] = []
    private var places: [ObjectIdentifier: Int] = [:]

    var count: Int { entries.count }
    var firstDue: UInt64? { entries.first?.due }

    func isDue(at now: UInt64) -> Bool { firstDue.map { $0 <= now } ?? false }

    /// True when the element is the next one due.
    mutating func insert(_ element: Element, due: UInt64) -> Bool {
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
