import CSystem
import Glibc
import Platform

/// Which of the event threads serves: one leads, the others follow (leader/followers: Schmidt, Stal, Rohnert, Buschmann,
/// Pattern-Oriented Software Architecture, volume 2).
///
/// The leader alone waits on epoll and serves what is ready, one piece after the other: a burst wakes one thread and not all of them. A
/// piece that takes longer than some milliseconds (a slow disk, a processor that went to somebody else) costs it the lead, and a follower goes
/// on with the rest. One of the followers, the deputy, looks after that; when nothing is served any more, it sleeps.
///
/// `@unchecked Sendable`: `mutex` guards all variables. What `ready` points to is the leader's until `found`.
final class LeaderFollowers: @unchecked Sendable {
    enum Next: Equatable {
        /// A token of `ready`.
        case piece(UInt64)
        /// All is served: the leader waits on epoll, and calls `found`.
        case nothing
        /// Another thread leads, or it is over.
        case lost
    }

    /// How long a piece may take, nanoseconds: at first, and where piece after piece has kept to it for a while. To look more often would
    /// cost more than it is worth (by perf 1.2 of 23 µs a hit from the store with one look a millisecond).
    private static let patience: (first: UInt64, most: UInt64) = (1_000_000, 8_000_000)
    /// The most that the leader takes from epoll at once.
    static let most = 16
    /// Where epoll's tokens go.
    let ready: UnsafeMutableBufferPointer<UInt64>

    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    /// For the deputy: the leader has begun to serve.
    private let began: UnsafeMutablePointer<pthread_cond_t>
    /// For the other followers: there is no deputy.
    private let vacant: UnsafeMutablePointer<pthread_cond_t>

    private var leader: Int?
    private var hasDeputy = false
    private var isDeputyAsleep = false
    private var patience = LeaderFollowers.patience.first
    private var isServing = false
    private var isOver = false
    /// Counts what was begun.
    private var piece: UInt64 = 0
    /// What the deputy has seen of it last.
    private var looked: UInt64 = 0
    private var next = 0
    private var end = 0

    init() {
        ready = .allocate(capacity: Self.most)
        mutex = .allocate(capacity: 1)
        began = .allocate(capacity: 1)
        vacant = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        csys_condition_init(began)
        csys_condition_init(vacant)
    }

    deinit {
        pthread_cond_destroy(vacant)
        pthread_cond_destroy(began)
        pthread_mutex_destroy(mutex)
        vacant.deallocate()
        began.deallocate()
        mutex.deallocate()
        ready.deallocate()
    }

    // MARK: Leading

    /// What the leading thread is to do next.
    func next(for thread: Int) -> Next {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        guard leader == thread, !isOver else { return .lost }
        guard next < end else {
            isServing = false
            return .nothing
        }
        defer { next += 1 }
        piece &+= 1
        return .piece(ready[next])
    }

    /// epoll has put so many tokens into `ready`.
    func found(_ count: Int) {
        pthread_mutex_lock(mutex)
        (next, end) = (0, count)
        isServing = count > 0
        piece &+= 1
        let wakes = isServing && isDeputyAsleep
        if wakes { isDeputyAsleep = false }
        pthread_mutex_unlock(mutex)
        if wakes { pthread_cond_signal(began) }
    }

    /// Ends it for all threads.
    func finish() {
        pthread_mutex_lock(mutex)
        isOver = true
        pthread_mutex_unlock(mutex)
        pthread_cond_broadcast(began)
        pthread_cond_broadcast(vacant)
    }

    // MARK: Following

    /// Waits until the thread leads. False when it is over.
    func follow(_ thread: Int) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while !isOver, leader != nil, hasDeputy { pthread_cond_wait(vacant, mutex) }
        guard !isOver, leader != nil else {
            leader = thread
            return !isOver
        }
        hasDeputy = true
        while !isOver, !isLeaderLate() {}
        hasDeputy = false
        leader = thread
        pthread_cond_signal(vacant)
        return !isOver
    }

    /// Sleeps when nothing was served since the last look, else for as long as a piece may take: whether the leader is still at the same
    /// piece then.
    private func isLeaderLate() -> Bool {
        guard isServing || piece != looked else {
            isDeputyAsleep = true
            pthread_cond_wait(began, mutex)
            isDeputyAsleep = false
            patience = Self.patience.first
            return false
        }
        let seen = piece
        looked = seen
        let due = SystemClock().monotonic.nanoseconds + patience
        var until = timespec(tv_sec: Int(due / 1_000_000_000), tv_nsec: Int(due % 1_000_000_000))
        pthread_cond_timedwait(began, mutex, &until)
        if isServing, piece == seen { return SystemClock().monotonic.nanoseconds >= due }
        patience = min(2 * patience, Self.patience.most)
        return false
    }
}
