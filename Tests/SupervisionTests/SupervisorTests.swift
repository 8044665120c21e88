import CSystem
import Glibc
import Logging
import Testing

@testable import Supervision

/// Real processes: small shell scripts as workers. Serial, since each counts its children.
@Suite("A supervisor", .serialized)
struct SupervisorTests {
    @Test("starts the workers with the socket as descriptor 0, and stops them")
    func startsAndStops() throws {
        let bench = try Bench(count: 2, worker: "readlink /proc/self/fd/0 >> out; \(Bench.serve)")
        bench.open()
        #expect(bench.waits { bench.lines("serving").count == 2 })
        bench.send(SIGTERM)
        #expect(bench.status() == 0)
        #expect(Set(bench.lines("out")) == ["socket:[\(bench.socketInode)]"])
        #expect(bench.lines("stopped").count == 2)
        #expect(bench.lines("closed").count == 1)
    }

    @Test("gives a worker nothing else to hold, and no blocked or ignored signal")
    func cleanWorker() throws {
        let bench = try Bench(
            count: 1,
            worker: """
                while read name mask; do
                    case $name in SigBlk:|SigIgn:) echo $mask >> masks;; esac
                done < /proc/$$/status
                ls /proc/$$/fd > descriptors
                \(Bench.serve)
                """)
        bench.open()
        #expect(bench.waits { bench.lines("serving").count == 1 })
        bench.send(SIGTERM)
        #expect(bench.status() == 0)
        // From 10 on they are the shell's own: the script that it reads, an output set aside.
        #expect(bench.lines("descriptors").filter { $0.count == 1 } == ["0", "1", "2", "3"])
        // Read without a child, since the shell blocks SIGCHLD while it waits for one.
        let masks = bench.lines("masks").compactMap { UInt64($0, radix: 16) }
        // The C library keeps 32 and 33 for itself and leaves them ignored.
        #expect(masks.count == 2 && masks.allSatisfy { $0 & ~0x1_8000_0000 == 0 }, "\(bench.lines("masks"))")
    }

    @Test("starts a killed worker again")
    func restarts() throws {
        let bench = try Bench(count: 1, worker: Bench.serve)
        bench.open()
        #expect(bench.waits { bench.lines("serving").count == 1 })
        let first = try #require(bench.lines("serving").first.flatMap { pid_t($0) })
        kill(first, SIGKILL)
        #expect(bench.waits { bench.lines("serving").count == 2 })
        bench.send(SIGTERM)
        #expect(bench.status() == 0)
    }

    @Test("ends with the status of a first worker that cannot start")
    func firstFails() throws {
        let bench = try Bench(count: 3, worker: "echo x >> tried; exit 78")
        bench.open()
        #expect(bench.status() == 78)
        #expect(bench.lines("tried").count == 1)
        #expect(bench.lines("closed").count == 1)
    }

    @Test("ends with an error of its own when the program is not there")
    func noProgram() throws {
        let bench = try Bench(count: 1, worker: "", executable: "/nowhere/swingmusic-fcgi")
        bench.open()
        #expect(bench.status() == 71)
    }

    @Test("replaces the workers one by one, each leaving when its successor serves")
    func replaces() throws {
        let bench = try Bench(count: 2, worker: Bench.serve)
        bench.open()
        #expect(bench.waits { bench.lines("serving").count == 2 })
        bench.send(SIGHUP)
        #expect(bench.waits { bench.lines("drained").count == 2 })
        #expect(bench.lines("serving").count == 4)
        #expect(Set(bench.lines("drained")) == Set(bench.lines("serving").prefix(2)))
        bench.send(SIGINT)
        #expect(bench.status() == 0)
        #expect(bench.lines("stopped").count == 2)
    }

    @Test("runs a replaced program file after SIGHUP, and keeps the old workers when it is broken")
    func replacedFile() throws {
        let bench = try Bench(count: 1, worker: Bench.serve)
        bench.open()
        #expect(bench.waits { bench.lines("serving").count == 1 })
        try bench.install("echo broken >> broken; exit 1")
        bench.send(SIGHUP)
        #expect(bench.waits { bench.lines("broken").count == 1 })
        try bench.install("echo new >> new; \(Bench.serve)")
        bench.send(SIGHUP)
        #expect(bench.waits { bench.lines("drained").count == 1 })
        #expect(bench.lines("new").count == 1)
        bench.send(SIGTERM)
        #expect(bench.status() == 0)
    }

    @Test("kills a worker that does not stop")
    func hangs() throws {
        var timeouts = WorkerTimeouts()
        timeouts.stop = .milliseconds(300)
        let bench = try Bench(
            count: 1, worker: "trap '' TERM; echo 1 >&3; echo $$ >> serving; while :; do sleep 0.05; done", timeouts: timeouts)
        bench.open()
        #expect(bench.waits { bench.lines("serving").count == 1 })
        bench.send(SIGTERM)
        #expect(bench.status() == 0)
        let worker = try #require(bench.lines("serving").first.flatMap { pid_t($0) })
        #expect(kill(worker, 0) == -1)
    }
}
