import CSystem
import Glibc
import Platform
import Synchronization
import Testing

@testable import FastCGI

@Suite("One leads, the others follow", .serialized) struct LeaderFollowersTests {
    /// Answers at once, but for /slow, which holds its thread until the gate opens.
    private final class Gate: Handler {
        let isOpen = Flag()
        let inside = Atomic(0)
        let threads = Mutex<Set<UInt>>([])

        func bodyPolicy(for request: Request) -> BodyPolicy { .ignore }

        func handle(_ request: Request) -> Outcome {
            _ = threads.withLock { $0.insert(UInt(pthread_self())) }
            guard request.parameter("PATH_INFO") == "/slow" else { return .now(text("fast")) }
            inside.add(1, ordering: .sequentiallyConsistent)
            _ = eventually { isOpen.isRaised }
            return .now(text("slow"))
        }
    }

    @Test("a request that holds its thread holds up nobody else, while threads are left", arguments: [1, 3])
    func slow(_ count: Int) throws {
        let gate = Gate()
        let stage = try Stage(gate, threads: count + 1)
        defer { stage.stop() }
        let slow = try (0..<count).map { _ in try stage.client() }
        for (number, client) in slow.enumerated() {
            client.write(Wire.request([("PATH_INFO", "/slow")]))
            #expect(eventually { gate.inside.load(ordering: .sequentiallyConsistent) == number + 1 })
        }
        let client = try stage.client()
        let begin = SystemClock().monotonic
        for _ in 0..<20 { #expect(try client.get("/x").text == "fast") }
        #expect(SystemClock().monotonic - begin < .milliseconds(1000))
        gate.isOpen.raise()
        for client in slow { #expect(try client.answer().text == "slow") }
    }

    @Test("what was ready together with a slow request does not wait for it")
    func rest() throws {
        let gate = Gate()
        let stage = try Stage(gate, threads: 2)
        defer { stage.stop() }
        let clients = try (0..<10).map { _ in try stage.client() }
        for client in clients { #expect(try client.get("/x").text == "fast") }
        for (number, client) in clients.enumerated() { client.write(Wire.request([("PATH_INFO", number == 3 ? "/slow" : "/x")])) }
        for (number, client) in clients.enumerated() where number != 3 { #expect(try client.answer().text == "fast") }
        gate.isOpen.raise()
        #expect(try clients[3].answer().text == "slow")
    }

    @Test("one thread serves what takes no time")
    func steady() throws {
        let gate = Gate()
        let stage = try Stage(gate, threads: 4)
        defer { stage.stop() }
        let clients = try (0..<16).map { _ in try stage.client() }
        for _ in 0..<50 {
            for client in clients { client.write(Wire.request([("PATH_INFO", "/x")])) }
            for client in clients { #expect(try client.answer().text == "fast") }
        }
        // A processor that was taken away for a moment costs a leader its lead, so not exactly one wake a burst.
        #expect(stage.loop.wakes < 50 * 16)
    }

    @Test("an action that a thread adds after it has lost the lead is carried out, though nothing more happens")
    func late() throws {
        /// Loses the lead before it adds the action.
        final class Late: Handler {
            let loop = Mutex<EventLoop?>(nil)
            let done = Flag()

            func bodyPolicy(for request: Request) -> BodyPolicy { .ignore }

            func handle(_ request: Request) -> Outcome {
                usleep(100_000)
                loop.withLock { $0 }?.atEndOfTick { [done] in done.raise() }
                return .now(text("late"))
            }
        }
        let handler = Late()
        let stage = try Stage(handler, threads: 2)
        defer { stage.stop() }
        handler.loop.withLock { $0 = stage.loop }
        defer { handler.loop.withLock { $0 = nil } }
        let client = try stage.client()
        #expect(try client.get("/x").text == "late")
        #expect(eventually { handler.done.isRaised })
        #expect(try client.get("/x").text == "late")
    }

    @Test("actions for afterwards are carried out once, after all that was ready")
    func atEndOfTick() throws {
        let actions = EndOfTickActions()
        let count = Atomic(0)
        actions.add { [actions] in
            count.add(1, ordering: .relaxed)
            actions.add { count.add(10, ordering: .relaxed) }
        }
        actions.run()
        #expect(count.load(ordering: .relaxed) == 1)
        actions.run()
        actions.run()
        #expect(count.load(ordering: .relaxed) == 11)
    }
}
