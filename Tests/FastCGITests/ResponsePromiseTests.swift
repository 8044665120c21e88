import CSystem
import Glibc
import Platform
import Synchronization
import Testing

@testable import FastCGI

/// Lets go of every request and answers it with what the test writes into a pipe.
private final class Courier: Handler {
    /// Who waits, in the order in which they came.
    let waiting = Mutex<[ResponsePromise]>([])
    let outcome: @Sendable (String) -> Outcome

    init(_ outcome: @escaping @Sendable (String) -> Outcome = { .now(Response(status: 200, body: Array($0.utf8))) }) {
        self.outcome = outcome
    }

    func bodyPolicy(for request: Request) -> BodyPolicy { .read(limit: 65536) }

    func handle(_ request: Request) -> Outcome {
        if request.parameter("PATH_INFO") == "/at-once" { return .pending(PendingResponse { [self] _ in outcome("at once") }) }
        return .pending(
            PendingResponse { [self] promise in
                waiting.withLock { $0.append(promise) }
                return nil
            })
    }

    /// Reads one byte a request: it is the answer. False at the end.
    func deliver(from descriptor: CInt) -> Bool {
        var byte: UInt8 = 0
        guard read(descriptor, &byte, 1) == 1 else { return false }
        let promise = waiting.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        promise?.keep(outcome(String(UnicodeScalar(byte))))
        return true
    }
}

@Suite struct ResponsePromiseTests {
    private func pipe() -> (out: CInt, in: CInt) {
        var ends: [CInt] = [-1, -1]
        _ = csys_pipe(&ends)
        return (ends[0], ends[1])
    }

    private func write(_ text: String, _ descriptor: CInt) { _ = text.withCString { Glibc.write(descriptor, $0, strlen($0)) } }

    @Test("Requests that were let go of are answered in any number, without a thread, when a watched descriptor brings what they need")
    func answers() throws {
        let courier = Courier()
        let stage = try Stage(courier, threads: 1)
        defer { stage.stop() }
        let (out, into) = pipe()
        defer { close(into) }
        #expect(stage.loop.watch(out) { courier.deliver(from: out) })
        let clients = try (0..<5).map { _ in try stage.client() }
        for client in clients { client.write(Wire.request([("PATH_INFO", "/wait")])) }
        #expect(eventually { courier.waiting.withLock { $0.count } == 5 })
        // The one thread is free meanwhile.
        #expect(try stage.client().get("/at-once").text == "at once")
        write("abcde", into)
        #expect(Set(try clients.map { try $0.answer().text }) == Set("abcde".map(String.init)))
        // And the connections are good for more.
        clients[0].write(Wire.request([("PATH_INFO", "/wait")]))
        #expect(eventually { courier.waiting.withLock { $0.count } == 1 })
        write("f", into)
        #expect(try clients[0].answer().text == "f")
    }

    @Test("What was let go of may be parked after all")
    func parks() throws {
        let courier = Courier { text in
            .parked(
                ParkedRequest(
                    deadline: SystemClock().monotonic + .milliseconds(20), parked: { _ in },
                    ended: { _ in Response(status: 503, body: Array(text.utf8)) }))
        }
        let stage = try Stage(courier)
        defer { stage.stop() }
        let (out, into) = pipe()
        defer { close(into) }
        #expect(stage.loop.watch(out) { courier.deliver(from: out) })
        let client = try stage.client()
        client.write(Wire.request([("PATH_INFO", "/wait")]))
        #expect(eventually { courier.waiting.withLock { $0.count } == 1 })
        write("x", into)
        let answer = try client.answer()
        #expect(answer.status == 503 && answer.text == "x")
    }

    @Test("A descriptor is looked at until its owner has enough of it")
    func ends() throws {
        let stage = try Stage(Courier())
        defer { stage.stop() }
        let (out, into) = pipe()
        let looks = Atomic(0)
        #expect(
            stage.loop.watch(out) {
                var byte: UInt8 = 0
                looks.add(1, ordering: .relaxed)
                if read(out, &byte, 1) == 1 { return true }
                close(out)
                return false
            })
        write("ab", into)
        close(into)
        #expect(eventually { looks.load(ordering: .relaxed) == 3 })
        usleep(20_000)
        #expect(looks.load(ordering: .relaxed) == 3)
        #expect(stage.loop.watch(-1) { false } == false)
    }

    @Test("A stop waits for what was let go of")
    func stops() throws {
        let courier = Courier()
        let stage = try Stage(courier)
        let (out, into) = pipe()
        defer { close(into) }
        #expect(stage.loop.watch(out) { courier.deliver(from: out) })
        let client = try stage.client()
        client.write(Wire.request([("PATH_INFO", "/wait")]))
        #expect(eventually { courier.waiting.withLock { $0.count } == 1 })
        stage.loop.stop(within: .seconds(5))
        usleep(20_000)
        write("z", into)
        #expect(try client.answer().text == "z")
        stage.finish()
    }
}
