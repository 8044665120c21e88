import CSystem
import Glibc
import Platform
import Synchronization
import Testing

@testable import FastCGI

@Suite("Stop and drain") struct ShutdownTests {
    @Test("an idle loop stops at once")
    func idle() throws {
        let stage = try Stage(Script())
        let start = SystemClock().monotonic
        stage.stop()
        #expect(SystemClock().monotonic - start < .milliseconds(500))
    }

    @Test("a stop answers parked callers at once and closes their connections")
    func parked() throws {
        let script = Script()
        let stage = try Stage(script)
        let client = try stage.client()
        client.write(Wire.request([("PATH_INFO", "/park")]))
        #expect(eventually { stage.loop.statistics.parked == 1 })
        stage.loop.stop(within: .seconds(5))
        #expect(try client.answer().text == "ended: stopping")
        #expect(try client.seesEnd())
        stage.finish()
        #expect(!script.replies.withLock { $0[0].send(text("late")) })
    }

    @Test("requests that waited in the backlog before a stop are answered")
    func backlog() throws {
        let stage = try Stage(Script(), threads: 1)
        let clients = try (0..<50).map { _ in try stage.client() }
        stage.loop.stop(within: .seconds(5))
        for client in clients { client.write(Wire.request([("PATH_INFO", "/x")])) }
        for client in clients { #expect(try client.answer().text == "none") }
        stage.finish()
    }

    @Test("under load a stop loses no request that was handed over")
    func load() throws {
        let stage = try Stage(Script(), threads: 3)
        let (answered, lost) = (Counter(), Counter())
        let threads = try (0..<8).map { _ in
            try WorkerThread.start(named: "client") { [path = stage.path] in
                guard let client = try? Client(path: path) else { return }
                while client.write(Wire.request([("PATH_INFO", "/x")])) {
                    guard let answer = try? client.answer() else { return lost.add() }
                    answered.add()
                    if !answer.trailing.isEmpty { return }
                }
            }
        }
        #expect(eventually { stage.loop.statistics.answered > 1000 })
        stage.stop()
        threads.forEach { $0.join() }
        #expect(lost.value == 0)
        #expect(answered.value > 1000)
    }

    @Test("an idle connection is closed about a second after a stop")
    func idleConnection() throws {
        let stage = try Stage(Script())
        let client = try stage.client()
        #expect(try client.get("/x").text == "none")
        stage.stop()
        #expect(try client.seesEnd())
    }

    @Test("a stop that runs out of time ends all the same")
    func outOfTime() throws {
        let stage = try Stage(Script())
        let half = try stage.client()
        half.write(Wire.begin())
        #expect(eventually { stage.loop.statistics.connections == 1 })
        let start = SystemClock().monotonic
        stage.stop(within: .milliseconds(200))
        #expect(SystemClock().monotonic - start < .milliseconds(1000))
        #expect(try half.seesEnd())
    }

    @Test("a draining loop answers a POST on a kept connection, says that it closes, and ends when the last is gone")
    func drain() throws {
        let script = Script()
        let stage = try Stage(script)
        let (kept, idle, parked) = (try stage.client(), try stage.client(), try stage.client())
        #expect(try kept.get("/x").text == "none")
        #expect(try idle.get("/x").text == "none")
        parked.write(Wire.request([("PATH_INFO", "/park")]))
        #expect(eventually { stage.loop.statistics.parked == 1 })
        stage.loop.drain()
        usleep(20_000)
        let answer = try kept.exchange([("REQUEST_METHOD", "POST"), ("PATH_INFO", "/echo")], body: [1, 2, 3])
        #expect(answer.body == [1, 2, 3])
        #expect(answer.trailing.count == 16)
        #expect(try kept.seesEnd())
        #expect(script.replies.withLock { $0[0].send(text("still here")) })
        #expect(try parked.answer().text == "still here")
        #expect(!stage.hasReturned.isRaised)
        idle.endSending()
        #expect(eventually { stage.hasReturned.isRaised })
        stage.finish()
    }

    @Test("a draining loop leaves new connections to its successor on the same socket")
    func successor() throws {
        let stage = try Stage(Script())
        stage.loop.drain()
        #expect(eventually { stage.hasReturned.isRaised })
        let client = try stage.client()
        client.write(Wire.request([("PATH_INFO", "/x")]))
        let next = try EventLoop(sockets: [stage.socket], threads: 1, handler: Script(), log: .init(label: "next"))
        let runner = try WorkerThread.start(named: "next") { next.run() }
        #expect(try client.answer().text == "none")
        next.stop(within: .seconds(2))
        runner.join()
        stage.finish()
    }
}
