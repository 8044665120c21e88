import Dispatch
import Glibc
import Platform
import Synchronization
import Testing

@testable import Caching

@Suite("What is asked of DragonflyDB without waiting", .enabled(if: RedisServer.isInstalled))
struct RedisPipelineTests {
    @Test("many questions at once are each answered with their own entry, from the store")
    func many() throws {
        let house = try Household()
        let worker = try house.worker()
        for number in 0..<50 { try worker.put(.spotify, bytes("k\(number)"), bytes("v\(number)")) }
        let right = Atomic(0)
        let done = DispatchSemaphore(value: 0)
        let threads = 4
        DispatchQueue.concurrentPerform(iterations: threads) { thread in
            for number in 0..<50 {
                let asking = worker.ask(for: bytes("k\(number)")) { answer in
                    let found = try? answer.get()
                    if found?.tier == .dragonfly, found?.entry.value == bytes("v\(number)") { right.add(1, ordering: .relaxed) }
                    done.signal()
                }
                if asking != .asked {
                    right.add(1, ordering: .relaxed)
                    done.signal()
                }
            }
        }
        for _ in 0..<(50 * threads) { #expect(done.wait(timeout: .now() + 10) == .success) }
        #expect(right.load(ordering: .relaxed) == 50 * threads)
    }

    @Test("a store that freezes costs its deadline once: SQLite answers what was asked, and at once what is asked next")
    func frozen() throws {
        // Long enough for a store that a busy machine holds up.
        let house = try Household(timeout: .seconds(1))
        let worker = try house.worker()
        try worker.put(.spotify, bytes("k"), bytes("v"))
        #expect(try tier(worker, .spotify, "k") == .dragonfly)
        house.server.freeze()
        defer { house.server.thaw() }
        let start = worker.clock.monotonic
        #expect(try tier(worker, .spotify, "k") == .sqlite)
        #expect(worker.clock.monotonic - start >= .milliseconds(990))
        // Whoever got that answer may ask again at once: the store is out of use by then.
        #expect(worker.store?.isAnswering == false)
        #expect(worker.ask(for: bytes("k")) { _ in } == .impossible)
        #expect(house.log.count(containing: "does not answer within") == 1)
    }

    @Test("a store that dies leaves no question unanswered, and is used again when it is back")
    func killed() throws {
        let house = try Household()
        let worker = try house.worker()
        try worker.put(.spotify, bytes("k"), bytes("v"))
        house.server.freeze()
        let answers = Atomic(0)
        for _ in 0..<10 {
            _ = worker.ask(for: bytes("k")) { answer in
                if (try? answer.get())?.tier == .sqlite { answers.add(1, ordering: .relaxed) }
            }
        }
        house.server.kill()
        try wait(for: "all answers") { answers.load(ordering: .relaxed) == 10 }
        try house.server.start()
        try wait(for: "the store in use") { try tier(worker, .spotify, "k") == .dragonfly }
    }

    @Test("more than a pipeline holds is refused, not queued without end, and SQLite has it at once")
    func full() throws {
        let house = try Household(timeout: .seconds(30))
        let worker = try house.worker()
        try worker.put(.spotify, bytes("k"), bytes("v"))
        house.server.freeze()
        var taken = 0
        while taken < 1000, worker.ask(for: bytes("k"), then: { _ in }) == .asked { taken += 1 }
        #expect(taken == RedisPipeline.mostAsked)
        #expect(worker.ask(for: bytes("k")) { _ in } == .full)
        let found = try #require(try worker.kept(bytes("k")))
        #expect(found.tier == .sqlite && found.entry.value == bytes("v"))
        #expect(try worker.kept(bytes("unknown")) == nil)
        house.server.thaw()
        // What was full is good for more when it has been answered.
        try wait(for: "room") { worker.ask(for: bytes("k")) { _ in } == .asked }
        #expect(worker.store?.pipelines.idle.count == 2)
    }

    @Test("a value that is no copy is as good as none, an error that the store answers is its fault")
    func foreign() throws {
        let house = try Household()
        let worker = try house.worker()
        try worker.put(.spotify, bytes("k"), bytes("v"))
        let key = copyKey(worker, .spotify, "k")
        for command in [["SET", key, "somebody's"], ["DEL", key], ["RPUSH", key, "a"]] {
            _ = house.server.command("DEL", key)
            switch command[0] {
            case "SET": house.server.command("SET", key, "somebody's")
            case "RPUSH": house.server.command("RPUSH", key, "a")
            default: break
            }
            #expect(try value(worker, .spotify, "k") == "v")
            #expect(worker.store?.isAnswering == true)
        }
        #expect(worker.store?.figures.wrongCopies ?? 0 >= 2)
        house.server.command("CONFIG", "SET", "requirepass", "secret")
        house.server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")
        #expect(try value(worker, .spotify, "k") == "v")
    }
}
