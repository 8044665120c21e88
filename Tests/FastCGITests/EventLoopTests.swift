import CLibFCGI
import CSystem
import Glibc
import Platform
import Synchronization
import Testing

@testable import FastCGI

@Suite("Event loop") struct EventLoopTests {
    @Test("a kept connection is answered again and again, one of another id too")
    func kept() throws {
        let stage = try Stage(Script())
        defer { stage.stop() }
        let client = try stage.client()
        for round in 1...50 {
            let answer = try client.exchange([("REQUEST_METHOD", "GET"), ("PATH_INFO", "/x")], id: UInt16(round * 300))
            #expect(answer.status == 200)
            #expect(answer.text == "none")
            #expect(answer.request == UInt16(round * 300))
            #expect(answer.header("Content-Length") == "4")
            #expect(answer.trailing.isEmpty)
        }
        #expect(eventually { stage.loop.statistics == EventLoopStatistics(connections: 1, parked: 0, answered: 50) })
    }

    @Test("a connection that is not to be kept is closed after its answer")
    func notKept() throws {
        let stage = try Stage(Script())
        defer { stage.stop() }
        let client = try stage.client()
        #expect(try client.get("/x", keep: false).text == "none")
        #expect(try client.seesEnd())
        #expect(eventually { stage.loop.statistics.connections == 0 })
    }

    @Test("many connections at once, each with many requests")
    func many() throws {
        let stage = try Stage(Script(), threads: 4)
        defer { stage.stop() }
        let counter = Counter()
        let threads = try (0..<16).map { _ in
            try WorkerThread.start(named: "client") { [path = stage.path] in
                guard let client = try? Client(path: path) else { return }
                for _ in 0..<100 where (try? client.get("/x"))?.text == "none" { counter.add() }
            }
        }
        threads.forEach { $0.join() }
        #expect(counter.value == 1600)
    }

    @Test("a body arrives whole, whatever its records, its padding and its pauses")
    func bodies() throws {
        let stage = try Stage(Script())
        defer { stage.stop() }
        let client = try stage.client()
        for size in [1, 100, 8192, 40_000, 65_536] {
            let body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            for (chunk, padding) in [(65535, 0), (1000, 7), (77, 255)] {
                let post = [("REQUEST_METHOD", "POST"), ("PATH_INFO", "/echo")]
                client.write(Wire.request(post, body: body, chunk: chunk, padding: padding))
                #expect(try client.answer().body == body)
            }
        }
        #expect(stage.loop.statistics.connections == 1)
    }

    @Test("a body of 1 MiB, more than the socket holds, is read without holding a thread")
    func largeBody() throws {
        let stage = try Stage(Script(), threads: 1)
        defer { stage.stop() }
        let slow = try stage.client()
        let body = [UInt8](repeating: 7, count: 1 << 20)
        let bytes = Wire.request([("REQUEST_METHOD", "PUT"), ("PATH_INFO", "/big")], body: body, chunk: 30_000, padding: 3)
        for start in stride(from: 0, to: bytes.count, by: 200_000) {
            slow.write(Array(bytes[start..<min(start + 200_000, bytes.count)]))
            #expect(try stage.client().get("/x").text == "none")
        }
        #expect(try slow.answer().body == body)
        #expect(try slow.get("/x").text == "none")
    }

    @Test("a body over the limit is answered as too large, whether announced or not, and the connection ends")
    func tooLarge() throws {
        let stage = try Stage(Script())
        defer { stage.stop() }
        let body = [UInt8](repeating: 1, count: 3_000_000)
        let post = [("REQUEST_METHOD", "POST"), ("PATH_INFO", "/echo")]
        let announced = try stage.client()
        announced.write(Wire.request(post, body: body))
        #expect(try announced.answer().status == 413)
        let unannounced = try stage.client()
        unannounced.write(Wire.begin() + Wire.stream(FCGI_PARAMS, Wire.pairs(post)) + Wire.stream(FCGI_STDIN, body))
        #expect(try unannounced.answer().status == 413)
        #expect(eventually { stage.loop.statistics.connections <= 2 })
        #expect(try stage.client().get("/x").text == "none")
    }

    @Test("a small body over the limit leaves the connection open")
    func slightlyTooLarge() throws {
        let stage = try Stage(Script())
        defer { stage.stop() }
        let client = try stage.client()
        let body = [UInt8](repeating: 1, count: 65_537)
        #expect(try client.exchange([("REQUEST_METHOD", "POST"), ("PATH_INFO", "/echo")], body: body).status == 413)
        #expect(try client.get("/x").text == "none")
    }

    @Test("an ignored body may be announced and never come, or come and be thrown away")
    func ignored() throws {
        let stage = try Stage(Script())
        defer { stage.stop() }
        let client = try stage.client()
        let announced = [("REQUEST_METHOD", "POST"), ("PATH_INFO", "/verify"), ("CONTENT_LENGTH", "99999999999999999999")]
        client.write(Wire.begin() + Wire.stream(FCGI_PARAMS, Wire.pairs(announced)) + Wire.stream(FCGI_STDIN, []))
        #expect(try client.answer().text == "ignored")
        #expect(try client.exchange([("PATH_INFO", "/verify")], body: [1, 2, 3]).text == "ignored")
        #expect(try client.get("/x").text == "none")
    }

    @Test("an answer of 3 MB arrives whole, and a caller that does not read it holds no thread")
    func largeAnswer() throws {
        let stage = try Stage(Script(), threads: 1)
        defer { stage.stop() }
        let slow = try stage.client()
        slow.write(Wire.request([("REQUEST_METHOD", "GET"), ("PATH_INFO", "/large")]))
        #expect(try stage.client().get("/x").text == "none")
        #expect(try slow.answer().body.count == 3_000_000)
        #expect(try slow.get("/x").text == "none")
    }

    @Test("a caller that does not read its answer is closed after the send timeout")
    func unread() throws {
        var limits = Limits()
        limits.sendTimeout = .milliseconds(100)
        let stage = try Stage(Script(), threads: 1, limits: limits)
        defer { stage.stop() }
        let slow = try stage.client()
        slow.write(Wire.request([("PATH_INFO", "/large")]))
        #expect(eventually { stage.loop.statistics.connections == 1 })
        #expect(eventually { stage.loop.statistics.connections == 0 })
        #expect(throws: Client.Failure.closed) { try slow.answer() }
    }

    @Test("beyond the limit of connections a new one waits until another ends")
    func limitOfConnections() throws {
        var limits = Limits()
        limits.connections = 2
        let stage = try Stage(Script(), limits: limits)
        defer { stage.stop() }
        var first: Client? = try stage.client()
        let (second, third) = (try stage.client(), try stage.client())
        #expect(try first?.get("/x").text == "none")
        #expect(try second.get("/x").text == "none")
        third.write(Wire.request([("PATH_INFO", "/x")]))
        usleep(20_000)
        #expect(stage.loop.statistics.connections == 2)
        first = nil
        #expect(try third.answer().text == "none")
    }

    @Test("an idle loop sleeps")
    func idleLoop() throws {
        let stage = try Stage(Script(), threads: 4)
        defer { stage.stop() }
        let client = try stage.client()
        #expect(try client.get("/x").text == "none")
        #expect(eventually { stage.loop.statistics.answered == 1 })
        let before = stage.loop.wakes
        usleep(200_000)
        #expect(stage.loop.wakes - before < 10)  // a thread may still look for a second connection; a spin is thousands
    }

    @Test("HEAD has the length of the body it does not have; 304 has neither")
    func bodiless() throws {
        let stage = try Stage(Script())
        defer { stage.stop() }
        let client = try stage.client()
        let head = try client.get("/head")
        #expect(head.header("Content-Length") == "6")
        #expect(head.body.isEmpty)
        let notModified = try client.get("/304")
        #expect(notModified.status == 304)
        #expect(notModified.header("Content-Length") == nil)
    }

    @Test("two parameters of one name arrive as two")
    func cookies() throws {
        let stage = try Stage(Script())
        defer { stage.stop() }
        let answer = try stage.client().exchange([("HTTP_COOKIE", "a=1"), ("PATH_INFO", "/cookies"), ("HTTP_COOKIE", "b=2")])
        #expect(answer.text == "a=1|b=2")
    }

    @Test("a request in pieces is served when it is whole, and holds no thread until then")
    func pieces() throws {
        let stage = try Stage(Script(), threads: 1)
        defer { stage.stop() }
        let client = try stage.client()
        let bytes = Wire.request([("REQUEST_METHOD", "POST"), ("PATH_INFO", "/echo")], body: [1, 2, 3], padding: 5)
        for byte in bytes {
            client.write([byte])
            if byte == 3 { #expect(try stage.client().get("/x").text == "none") }
        }
        #expect(try client.answer().body == [1, 2, 3])
        #expect(try client.get("/x").text == "none")
    }

    @Test("half a request is closed after the receive timeout, and at once when its caller leaves")
    func half() throws {
        var limits = Limits()
        limits.receiveTimeout = .milliseconds(100)
        let stage = try Stage(Script(), limits: limits)
        defer { stage.stop() }
        let silent = try stage.client()
        silent.write(Wire.begin() + [1, 4, 0])
        #expect(try silent.seesEnd())
        let bodiless = try stage.client()
        bodiless.write(Wire.begin() + Wire.stream(FCGI_PARAMS, Wire.pairs([("CONTENT_LENGTH", "5")])))
        #expect(try bodiless.seesEnd())
        var gone: Client? = try stage.client()
        gone?.write(Wire.begin())
        #expect(eventually { stage.loop.statistics.connections > 0 })
        gone = nil
        #expect(eventually { stage.loop.statistics.connections == 0 })
    }
}

final class Counter: Sendable {
    private let count = Atomic(0)
    func add() { count.add(1, ordering: .relaxed) }
    var value: Int { count.load(ordering: .relaxed) }
}
