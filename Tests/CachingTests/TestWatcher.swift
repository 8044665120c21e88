import Dispatch
import Foundation
import Glibc
import Platform
import Synchronization
import Testing

@testable import Caching

/// Watches each descriptor with a thread of its own, as an event loop would with few.
struct TestWatcher: DescriptorWatcher {
    func watch(_ descriptor: Int32, _ ready: @escaping @Sendable () -> Bool) -> Bool {
        Thread.detachNewThread {
            var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            repeat { _ = poll(&watched, 1, -1) } while ready()
        }
        return true
    }

    func atEndOfTick(_ action: @escaping @Sendable () -> Void) { action() }

    func schedule(after duration: Duration, _ action: @escaping @Sendable () -> Void) {
        Thread.detachNewThread {
            usleep(UInt32(duration.wholeNanoseconds / 1000))
            action()
        }
    }
}

/// Reads as a hit does: `spotify` over a channel where there is one, everything else as it comes.
func look(_ caches: Caches, _ cache: CacheName, _ key: [UInt8]) throws -> Found? {
    guard cache == .spotify else { return try caches.get(cache, key) }
    if let found = caches.remembered(key) { return found }
    let done = DispatchSemaphore(value: 0)
    let shared = Answers()
    switch caches.ask(
        for: key,
        then: {
            shared.add($0)
            done.signal()
        })
    {
    case .asked: break
    case .full: return try caches.kept(key)
    case .impossible: return try caches.get(cache, key)
    }
    try #require(done.wait(timeout: .now() + 10) == .success, "an answer that was promised never came")
    #expect(shared.all.count == 1)
    caches.backfill?.drain()
    return try shared.all[0].get()
}

private final class Answers: Sendable {
    private let kept = Mutex<[Result<Found?, CacheError>]>([])
    func add(_ answer: Result<Found?, CacheError>) { kept.withLock { $0.append(answer) } }
    var all: [Result<Found?, CacheError>] { kept.withLock { $0 } }
}
