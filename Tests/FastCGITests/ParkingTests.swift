import CSystem
import Platform
import Synchronization
import Testing

@testable import FastCGI

@Suite("Parked requests") struct ParkingTests {
    @Test("a reply from another thread is written, once, and the connection is kept")
    func reply() throws {
        let script = Script()
        let stage = try Stage(script)
        defer { stage.stop() }
        let client = try stage.client()
        for round in 1...20 {
            client.write(Wire.request([("PATH_INFO", "/park")]))
            #expect(eventually { script.replies.withLock { $0.count } == round })
            let reply = script.replies.withLock { $0[round - 1] }
            #expect(reply.send(text("round \(round)")))
            #expect(!reply.send(text("again")))
            #expect(try client.answer().text == "round \(round)")
        }
        #expect(script.endings.withLock { $0.isEmpty })
        #expect(stage.loop.statistics.parked == 0)
    }

    @Test("a reply inside the parking is written as well")
    func atOnce() throws {
        let stage = try Stage(Script())
        defer { stage.stop() }
        let client = try stage.client()
        for _ in 0..<20 { #expect(try client.get("/at-once").text == "at once") }
        #expect(stage.loop.statistics.parked == 0)
    }

    @Test("an answer is changed once, whoever gives it and whoever watches, and who watches sees it changed")
    func changed() throws {
        let script = Script(wait: .milliseconds(30))
        let seen = Mutex<[Int]>([])
        script.change.withLock {
            $0 = { parkedRequest in
                parkedRequest.changed { response in
                    var changed = response
                    changed.status += 1
                    return changed
                }.observed { response in seen.withLock { $0.append(response?.status ?? 0) } }
            }
        }
        let stage = try Stage(script)
        defer { stage.stop() }
        let client = try stage.client()
        #expect(try client.get("/at-once").status == 201)
        #expect(try client.get("/park").status == 504)
        client.write(Wire.request([("PATH_INFO", "/park")]))
        #expect(eventually { script.replies.withLock { $0.count } == 2 })
        script.replies.withLock { $0[1] }.send(text("now"))
        #expect([201, 504].contains(try client.answer().status))
        #expect(seen.withLock { $0.prefix(2) } == [201, 504])
    }

    @Test("a parked request may go on with an answer, or be parked again, and is changed and watched once all the same")
    func goesOn() throws {
        let script = Script()
        let seen = Mutex<[Int]>([])
        script.change.withLock {
            $0 = { parkedRequest in
                parkedRequest.changed { response in
                    var changed = response
                    changed.status += 1
                    return changed
                }.observed { response in seen.withLock { $0.append(response?.status ?? 0) } }
            }
        }
        let stage = try Stage(script)
        defer { stage.stop() }
        let client = try stage.client()
        func parked(_ count: Int) throws -> ResponseHandle {
            client.write(Wire.request([("PATH_INFO", "/park")]))
            #expect(eventually { script.replies.withLock { $0.count } == count })
            return script.replies.withLock { $0[count - 1] }
        }
        let reply = try parked(1)
        #expect(reply.goOn { .now(text("went on")) })
        #expect(!reply.goOn { .now(text("again")) })
        var answer = try client.answer()
        #expect(answer.text == "went on" && answer.status == 201)
        // Parked again, and once more: answered while parking, by its deadline.
        for (end, wait) in [("sent", Duration.seconds(20)), ("ended", .milliseconds(10))] {
            let count = script.replies.withLock { $0.count } + 1
            #expect(
                try parked(count).goOn {
                    .parked(
                        ParkedRequest(
                            deadline: SystemClock().monotonic + wait, parked: { if end == "sent" { $0.send(text("sent")) } },
                            ended: { _ in text("ended") }))
                })
            answer = try client.answer()
            #expect(answer.text == end && answer.status == 201)
        }
        #expect(seen.withLock { $0 } == [201, 201, 201])
        #expect(stage.loop.statistics.parked == 0)
    }

    @Test("whoever leaves in the second wait is told of once, too")
    func leavesLater() throws {
        let script = Script()
        let seen = Mutex<[Int]>([])
        script.change.withLock { $0 = { $0.observed { response in seen.withLock { $0.append(response?.status ?? 0) } } } }
        let stage = try Stage(script)
        defer { stage.stop() }
        let client = try stage.client()
        client.write(Wire.request([("PATH_INFO", "/park")]))
        #expect(eventually { script.replies.withLock { $0.count } == 1 })
        let endings = Mutex<[ParkedRequest.Ending]>([])
        let second = ParkedRequest(
            deadline: SystemClock().monotonic + .seconds(20), parked: { _ in },
            ended: { ending in
                endings.withLock { $0.append(ending) }
                return text("ended")
            })
        #expect(script.replies.withLock { $0[0] }.goOn { .parked(second) })
        usleep(20_000)
        client.endSending()
        #expect(eventually { endings.withLock { $0 } == [.clientLeft] })
        #expect(eventually { seen.withLock { $0 } == [0] })
        #expect(script.endings.withLock { $0.isEmpty })
    }

    @Test("the deadline ends the wait with the ticket's answer, and no reply comes after it")
    func deadline() throws {
        let script = Script(wait: .milliseconds(30))
        let stage = try Stage(script)
        defer { stage.stop() }
        let client = try stage.client()
        let start = SystemClock().monotonic
        #expect(try client.get("/park").text == "ended: deadline")
        #expect(SystemClock().monotonic - start >= .milliseconds(30))
        #expect(script.replies.withLock { !$0[0].send(text("late")) })
        #expect(try client.get("/x").text == "none")
        #expect(stage.loop.statistics.parked == 0)
    }

    @Test("500 callers parked hold no thread; all get their answer at one reply each")
    func manyParked() throws {
        let script = Script()
        let stage = try Stage(script, threads: 2)
        defer { stage.stop() }
        let clients = try (0..<500).map { _ in try stage.client() }
        for client in clients { client.write(Wire.request([("PATH_INFO", "/park")])) }
        #expect(eventually { stage.loop.statistics.parked == 500 })
        #expect(try stage.client().get("/x").text == "none")
        for reply in script.replies.withLock({ $0 }) { reply.send(text("here")) }
        for client in clients { #expect(try client.answer().text == "here") }
        #expect(stage.loop.statistics.parked == 0)
    }

    @Test("a caller that leaves ends its own wait and no other")
    func leaving() throws {
        let script = Script()
        let stage = try Stage(script)
        defer { stage.stop() }
        var leaver: Client? = try stage.client()
        let stayer = try stage.client()
        leaver?.write(Wire.request([("PATH_INFO", "/park")]))
        #expect(eventually { stage.loop.statistics.parked == 1 })
        stayer.write(Wire.request([("PATH_INFO", "/park")]))
        #expect(eventually { stage.loop.statistics.parked == 2 })
        leaver = nil
        #expect(eventually { script.endings.withLock { $0 } == [.clientLeft] })
        #expect(script.replies.withLock { !$0[0].send(text("nobody")) })
        #expect(script.replies.withLock { $0[1].send(text("you")) })
        #expect(try stayer.answer().text == "you")
        #expect(eventually { stage.loop.statistics == EventLoopStatistics(connections: 1, parked: 0, answered: 1) })
    }

    @Test("beyond the limit a ticket ends as refused")
    func refused() throws {
        var limits = Limits()
        limits.parked = 1
        let script = Script()
        let stage = try Stage(script, limits: limits)
        defer { stage.stop() }
        let first = try stage.client()
        first.write(Wire.request([("PATH_INFO", "/park")]))
        #expect(eventually { stage.loop.statistics.parked == 1 })
        #expect(try stage.client().get("/park").text == "ended: refused")
        #expect(script.replies.withLock { $0[0].send(text("first")) })
        #expect(try first.answer().text == "first")
    }

    @Test("replies, deadlines and leaving callers race without losing or doubling an answer")
    func race() throws {
        let script = Script(wait: .milliseconds(2))
        let stage = try Stage(script, threads: 4)
        defer { stage.stop() }
        let done = Flag()
        let replier = try WorkerThread.start(named: "replier") {
            while !done.isRaised {
                for reply in script.replies.withLock({ replies in
                    defer { replies = [] }
                    return replies
                }) { reply.send(text("sent")) }
            }
        }
        let answers = Counter()
        let threads = try (0..<8).map { number in
            try WorkerThread.start(named: "client") { [path = stage.path] in
                for round in 0..<100 {
                    guard let client = try? Client(path: path) else { continue }
                    client.write(Wire.request([("PATH_INFO", "/park")]))
                    if (round + number) % 3 == 0 { continue }
                    if let answer = try? client.answer(), ["sent", "ended: deadline"].contains(answer.text) { answers.add() }
                    if (try? client.get("/x"))?.text == "none" { answers.add() }
                }
            }
        }
        threads.forEach { $0.join() }
        done.raise()
        replier.join()
        let left = (0..<8).reduce(0) { sum, number in sum + (0..<100).filter { ($0 + number) % 3 == 0 }.count }
        #expect(answers.value == 2 * (800 - left))
        #expect(eventually { stage.loop.statistics.connections == 0 && stage.loop.statistics.parked == 0 })
    }
}
