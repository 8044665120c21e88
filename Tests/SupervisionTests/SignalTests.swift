import Glibc
import Platform
import Testing

@testable import Supervision

@Suite("Signals")
struct SignalTests {
    @Test("wait blocked in the queue until they are taken, each once")
    func queue() throws {
        let taken = Locked<[[CInt]]>([])
        // A thread's signals are blocked from its beginning.
        let thread = try WorkerThread.start(named: "signalled") {
            // Sent to this thread alone, so that the test's process does not notice.
            guard let queue = SignalQueue([SIGHUP, SIGTERM]) else { return }
            defer { close(queue.descriptor) }
            taken.withLock { $0.append(queue.take()) }
            pthread_kill(pthread_self(), SIGTERM)
            pthread_kill(pthread_self(), SIGHUP)
            taken.withLock { $0.append(queue.take().sorted()) }
            taken.withLock { $0.append(queue.take()) }
        }
        thread.join()
        #expect(taken.withLock { $0 } == [[], [SIGHUP, SIGTERM], []])
    }

    @Test("mean stop, drain or nothing to a worker")
    func orders() {
        #expect(SignalWaiter.order(for: SIGTERM) == .stop)
        #expect(SignalWaiter.order(for: SIGINT) == .stop)
        #expect(SignalWaiter.order(for: SIGQUIT) == .drain)
        #expect(SignalWaiter.order(for: SIGHUP) == nil)
    }

    @Test("leave the event loop less time than the process has")
    func limits() {
        let timeouts = WorkerTimeouts()
        #expect(SignalWaiter.stopLimit < timeouts.stop)
        #expect(timeouts.stop + timeouts.kill < .seconds(10))
        #expect(SignalWaiter.lastResort(after: .stop) == 10)
        #expect(SignalWaiter.lastResort(after: .drain) == 95)
    }

    @Test(
        "A worker reads its supervisor from the environment, and garbage as none",
        arguments: [
            "", "3", "3 x", "-1 5", "0 5", "3 0", "3 5 x", "3 5 -1", "3 5 7 9",
        ])
    func garbage(text: String) {
        #expect(Supervised(text) == nil)
    }

    @Test("A worker reads how many listening sockets it was given beside the first")
    func furtherSockets() {
        #expect(Supervised(Supervised.text(supervisor: 5))?.listening == 0)
        #expect(Supervised(Supervised.text(supervisor: 5, listening: 2))?.listening == 2)
    }

    @Test("A wait status becomes an exit status or a signal")
    func waitStatus() {
        #expect(WorkerExit(waitStatus: 78 << 8) == .status(78))
        #expect(WorkerExit(waitStatus: 9) == .signal(9))
        #expect(WorkerExit(waitStatus: 11 | 0x80) == .signal(11))
        #expect(WorkerExit.signal(9).serveStatus == 137)
    }

    @Test("The own path is absolute, and a first argument that leads elsewhere is not believed")
    func ownPath() {
        let path = OwnExecutable.path(firstArgument: "/bin/sh")
        #expect(path.hasPrefix("/"))
        #expect(path != "/bin/sh")
        #expect(OwnExecutable.path.hasPrefix("/"))
    }
}
