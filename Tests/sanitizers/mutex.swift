// Shows what mutex.c beside this is for. Two threads count under Synchronization's Mutex, which is right, or under nothing, which is a race:
//
//     swiftc -swift-version 6 -sanitize=thread mutex.swift -o mutex && clang -shared -fPIC mutex.c -o mutex.so
//     ./mutex locked                              a race is reported, and there is none
//     LD_PRELOAD=./mutex.so ./mutex locked        nothing is reported
//     LD_PRELOAD=./mutex.so ./mutex unlocked      the race is reported
import Glibc
import Synchronization

/// `@unchecked Sendable`: nothing guards `bare`, which is what it is about.
private final class Counter: @unchecked Sendable {
    let locked = Mutex(0)
    var bare = 0

    func count(isLocked: Bool) {
        for _ in 0..<20_000 {
            if isLocked { locked.withLock { add(&$0) } } else { bare += 1 }
        }
    }

    /// Now and then it takes so long that the other one has to sleep until it may.
    private func add(_ number: inout Int) {
        number += 1
        if number % 200 == 0 { usleep(500) }
    }
}

private let counter = Counter()
private let isLocked = CommandLine.arguments.dropFirst().first == "locked"

private var threads = [pthread_t](repeating: 0, count: 2)
for number in threads.indices {
    pthread_create(
        &threads[number], nil,
        // @Sendable: what stands at the top of a file is the main thread's else, and Swift ends who runs it on another.
        { @Sendable _ in
            counter.count(isLocked: isLocked)
            return nil
        }, nil)
}
for thread in threads { pthread_join(thread, nil) }
print(isLocked ? counter.locked.withLock { $0 } : counter.bare)
