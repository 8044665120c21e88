import Foundation
import Synchronization
import Testing

@testable import Platform

@Suite("Locks") struct LockTests {
    @Test("no change is lost when threads change a locked value at once")
    func locked() {
        let locked = Locked(0)
        let monitor = Monitor(0)
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            for _ in 0..<1000 {
                locked.withLock { $0 += 1 }
                monitor.update { $0 += 1 }
            }
        }
        #expect(locked.withLock { $0 } == 4000 && monitor.withLock { $0 } == 4000)
    }

    @Test("who waits gets what another thread leaves")
    func handed() throws {
        let monitor = Monitor<[Int]>([])
        let thread = try WorkerThread.start(named: "giver") { for number in 1...100 { monitor.update { $0.append(number) } } }
        var sum = 0
        for _ in 0..<100 { sum += monitor.wait(within: nil) { $0.popLast() } ?? 0 }
        #expect(sum == 5050 && thread.join(within: .seconds(10)))
    }

    @Test("a wait is over with its time, and not before")
    func limit() {
        let start = SystemClock().monotonic
        #expect(Monitor(0).wait(within: .milliseconds(30)) { $0 > 0 ? $0 : nil } == nil)
        #expect(SystemClock().monotonic - start >= .milliseconds(30))
        #expect(Monitor(7).wait(within: .zero) { $0 > 0 ? $0 : nil } == 7, "what is there already is found without time")
    }

    @Test("a waiting thread looks again when it wanted to, without anybody's change")
    func looksAgain() {
        let looks = Monitor(0)
        let found = looks.wait { (looks: inout Int) -> Monitor<Int>.Step<Int> in
            looks += 1
            return looks < 4 ? .sleep(until: SystemClock().monotonic + .milliseconds(1)) : .take(looks)
        }
        #expect(found == 4)
    }

    @Test("what is thrown under the lock comes out, and the lock is free after")
    func thrown() {
        let monitor = Monitor(0)
        #expect(throws: SystemError.self) { try monitor.update { (_: inout Int) throws(SystemError) in throw SystemError("x", code: 1) } }
        #expect(monitor.withLock { $0 } == 0)
    }
}

@Suite("Worker threads") struct WorkerThreadTests {
    @Test("a thread has its name, and no signal but a crash's reaches it")
    func named() throws {
        let seen = Locked<(name: String, blocked: [CInt])>(("", []))
        let thread = try WorkerThread.start(named: "a long name for a thread", stackSize: 256 << 10) {
            let name = String(decoding: Files.read("/proc/thread-self/comm", atMost: 64) ?? [], as: UTF8.self)
            var mask = sigset_t()
            pthread_sigmask(SIG_BLOCK, nil, &mask)
            let blocked = [SIGTERM, SIGHUP, SIGALRM, SIGSEGV, SIGABRT].filter { sigismember(&mask, $0) == 1 }
            seen.withLock { $0 = (name, blocked) }
        }
        #expect(thread.join(within: .seconds(10)))
        let (name, blocked) = seen.withLock { $0 }
        #expect(name == "a long name for\n")
        #expect(blocked == [SIGTERM, SIGHUP, SIGALRM])
    }

    @Test("starting a thread leaves the caller's own signals as they were")
    func callersMask() throws {
        var (before, after) = (sigset_t(), sigset_t())
        pthread_sigmask(SIG_BLOCK, nil, &before)
        try WorkerThread.start(named: "mask") {}.join()
        pthread_sigmask(SIG_BLOCK, nil, &after)
        #expect((1..<32).allSatisfy { sigismember(&before, $0) == sigismember(&after, $0) })
    }

    @Test("an idle thread works only while nobody else wants the core")
    func idle() throws {
        let policy = Locked<CInt>(-1)
        let nice = Locked<CInt>(0)
        try WorkerThread.start(named: "idle", priority: .idle) {
            policy.withLock { $0 = sched_getscheduler(0) }
            nice.withLock { $0 = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0) }
        }.join()
        // SCHED_IDLE is 5; where it is refused the thread is nice.
        #expect(policy.withLock { $0 } == 5 || nice.withLock { $0 } == 19)
    }

    @Test("joining ends with its time when the thread does not")
    func limit() throws {
        let gate = Monitor(false)
        let thread = try WorkerThread.start(named: "stuck") { gate.waitUntilOpen() }
        #expect(!thread.join(within: .milliseconds(20)))
        gate.open()
        #expect(thread.join(within: .seconds(10)) && thread.join())
    }

    @Test("a thread that cannot be started says why")
    func failure() {
        let ran = Locked(false)
        #expect(throws: SystemError.self) {
            try WorkerThread.start(named: "huge", stackSize: 1 << 46) { ran.withLock { $0 = true } }
        }
        #expect(ran.withLock { !$0 })
    }
}

@Suite("The serial queue") struct SerialQueueTests {
    /// A queue whose thread waits in its first piece of work until the gate opens.
    private func stuckQueue(capacity: Int) -> (queue: SerialQueue, gate: Monitor<Bool>) {
        let queue = SerialQueue(named: "test", capacity: capacity)
        let (gate, begun) = (Monitor(false), Monitor(false))
        let isTaken = queue.submit {
            begun.open()
            gate.waitUntilOpen()
        }
        #expect(isTaken)
        begun.waitUntilOpen()
        return (queue, gate)
    }

    @Test("work is done one piece after the other, in its order")
    func order() {
        let queue = SerialQueue(named: "test", capacity: 1000)
        let done = Locked<[Int]>([])
        for number in 0..<1000 { #expect(queue.submit { done.withLock { $0.append(number) } }) }
        #expect(queue.drain(within: .seconds(20)))
        #expect(done.withLock { $0 } == Array(0..<1000))
        #expect(queue.stop(within: .seconds(10)))
    }

    @Test("what does not fit is refused at once and never done")
    func bounded() {
        let (queue, gate) = stuckQueue(capacity: 2)
        let done = Locked<[Int]>([])
        #expect((0..<4).map { number in queue.submit { done.withLock { $0.append(number) } } } == [true, true, false, false])
        #expect(!queue.drain(within: .milliseconds(20)))
        gate.open()
        #expect(queue.drain(within: .seconds(10)))
        #expect(done.withLock { $0 } == [0, 1])
        #expect(queue.submit {}, "there is room again")
    }

    @Test("stopping drops what waits, lets the piece under way end, and takes nothing any more")
    func stop() {
        let (queue, gate) = stuckQueue(capacity: 5)
        let done = Locked(0)
        #expect(queue.submit { done.withLock { $0 += 1 } })
        let start = SystemClock().monotonic
        #expect(!queue.stop(within: .milliseconds(30)), "it waits only so long")
        #expect(SystemClock().monotonic - start >= .milliseconds(30))
        #expect(!queue.submit {})
        gate.open()
        #expect(queue.stop(within: .seconds(10)))
        #expect(done.withLock { $0 } == 0)
    }

    @Test("a queue that nobody used is stopped without a thread, and one that nobody holds ends its thread")
    func ends() {
        #expect(SerialQueue(named: "test", capacity: 1).stop(within: .zero))
        final class Token: Sendable {
            let gone: Monitor<Bool>
            init(_ gone: Monitor<Bool>) { self.gone = gone }
            deinit { gone.update { $0 = true } }
        }
        let gone = Monitor(false)
        do {
            let (queue, gate) = stuckQueue(capacity: 5)
            let token = Token(gone)
            #expect(queue.submit { withExtendedLifetime(token) {} })
            gate.open()
        }
        #expect(gone.wait(within: .seconds(10)) { $0 ? true : nil } == true, "what waits is let go of")
    }

    @Test("where no thread can be started work is refused")
    func noThread() { #expect(!SerialQueue(named: "huge", capacity: 5, stackSize: 1 << 46).submit {}) }
}

@Suite("The eventfd") struct EventFDTests {
    @Test("signals that come together are one, and are taken by the wait")
    func together() throws {
        let event = try EventFD()
        #expect(!event.wait(within: .zero) && !event.take())
        event.signal()
        event.signal()
        #expect(event.wait(within: .seconds(5)))
        #expect(!event.wait(within: .milliseconds(5)))
    }

    @Test("a signal of another thread ends the wait")
    func wakes() throws {
        let event = try EventFD()
        let thread = try WorkerThread.start(named: "signaller") {
            usleep(10_000)
            event.signal()
        }
        let start = SystemClock().monotonic
        #expect(event.wait(within: .seconds(30)))
        #expect(SystemClock().monotonic - start < .seconds(20))
        thread.join()
    }

    @Test("it is readable for poll and closes with a new program")
    func descriptor() throws {
        let event = try EventFD()
        event.signal()
        var watched = pollfd(fd: event.descriptor, events: Int16(POLLIN), revents: 0)
        #expect(poll(&watched, 1, 0) == 1 && fcntl(event.descriptor, F_GETFD) & FD_CLOEXEC != 0)
    }
}
