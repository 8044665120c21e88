import CSystem
import Glibc

/// What is to happen when: kept by a thread of its own, so that no deadline depends on the threads that serve requests.
///
/// `@unchecked Sendable`: `mutex` guards `heap` and `hasRung`.
final class Timetable: @unchecked Sendable {
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
