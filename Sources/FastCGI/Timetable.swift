import CSystem
import Glibc

/// What is to happen when: kept by a thread of its own, so that no deadline depends on the threads that serve requests.
///
/// `@unchecked Sendable`: `mutex` guards `heap` and every timer's place in it.
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

    /// Makes the timekeeper look at its condition again.
    func ring() {
        pthread_mutex_lock(mutex)
        pthread_mutex_unlock(mutex)
        pthread_cond_signal(condition)
    }

    /// The timekeeper's work: runs what is due, sleeps until the next, returns when `isOver` says so between two actions.
    func keep(until isOver: () -> Bool) {
        while true {
            pthread_mutex_lock(mutex)
            while !isOver() && !heap.isDue(at: csys_monotonic_ns()) { sleep() }
            let timer = isOver() ? nil : heap.takeFirst()
            pthread_mutex_unlock(mutex)
            guard let timer else { return }
            timer.action()
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
