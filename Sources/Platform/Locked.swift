import CSystem
import Glibc
import Synchronization

/// A value behind one lock, shareable by reference. Whoever owns it says what it guards.
/// (`@inlinable`, so that it is made for the value it holds: it stands on the way of a hit.)
public final class Locked<Value>: Sendable {
    @usableFromInline let mutex: Mutex<Value>

    @inlinable
    public init(_ value: sending Value) { mutex = Mutex(value) }

    @inlinable
    public func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        try mutex.withLock(body)
    }
}

/// A value behind one lock, and threads that wait until it is as they need it (Hoare's monitor: a mutex and a condition variable).
/// Deadlines follow CLOCK_MONOTONIC. It blocks: never on an event thread.
///
/// `@unchecked Sendable`: `mutex` guards `state`.
public final class Monitor<State: Sendable>: @unchecked Sendable {
    /// What a waiting thread does next.
    public enum Step<Value> {
        /// It has what it waited for.
        case take(Value)
        /// It sleeps until the state is changed, or at most until that time, and looks again.
        case sleep(until: MonotonicTime)
    }

    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var state: State

    public init(_ state: State) {
        self.state = state
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

    /// Looks at the state, or changes it in a way that nobody waits for.
    public func withLock<Result, Failure: Error>(_ body: (inout State) throws(Failure) -> Result) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&state)
    }

    /// Changes the state and has all who wait look again.
    @discardableResult
    public func update<Result, Failure: Error>(_ body: (inout State) throws(Failure) -> Result) throws(Failure) -> Result {
        defer { pthread_cond_broadcast(condition) }
        return try withLock(body)
    }

    /// Waits until the state gives what is wanted. `next` is called under the lock, at first and after each change.
    public func wait<Value>(_ next: (inout State) -> Step<Value>) -> Value {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            switch next(&state) {
            case .take(let value): return value
            case .sleep(until: .never): pthread_cond_wait(condition, mutex)
            case .sleep(let time):
                let (seconds, nanoseconds) = time.nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
                var until = timespec(tv_sec: Int(clamping: seconds), tv_nsec: Int(nanoseconds))
                pthread_cond_timedwait(condition, mutex, &until)
            }
        }
    }

    /// Waits until `find` finds something in the state; nil when the time is over before. Without a limit it waits for as long as it takes.
    public func wait<Value>(within limit: Duration?, _ find: (inout State) -> Value?) -> Value? {
        let end = limit.map { SystemClock().monotonic + $0 } ?? .never
        return wait { state in
            if let value = find(&state) { return .take(value) }
            return end != .never && SystemClock().monotonic >= end ? .take(nil) : .sleep(until: end)
        }
    }
}
