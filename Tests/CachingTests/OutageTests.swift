import Foundation
import Glibc
import Platform
import Testing

@testable import Caching

@Suite("DragonflyDB goes and comes back", .enabled(if: RedisServer.isInstalled), .serialized)
struct OutageTests {
    @Test("killed: no call fails or waits, and it is used again within 3 s of its return", arguments: CacheName.allCases)
    func killed(_ cache: CacheName) throws {
        let house = try Household()
        let worker = try house.worker()
        try worker.put(cache, bytes("k"), bytes("1"))
        #expect(try tier(worker, cache, "k") == .dragonfly)
        house.server.kill()
        #expect(try value(worker, cache, "k") == "1")
        try worker.put(cache, bytes("k"), bytes("2"))
        #expect(try tier(worker, cache, "k") == .sqlite)
        try house.server.start()
        try wait(for: "its return", seconds: 3) { try tier(worker, cache, "k") == .dragonfly }
        #expect(try value(worker, cache, "k") == "2")
        #expect(house.log.count(containing: "is not used") == 1)
    }

    @Test("frozen: a call takes one deadline, the next ones none; a delete meanwhile holds after the thaw", arguments: CacheName.allCases)
    func frozen(_ cache: CacheName) throws {
        // So long that what a busy machine holds up is little beside it.
        let timeout = Duration.seconds(2)
        let house = try Household(timeout: timeout)
        let (one, two) = (try house.worker(), try house.worker())
        try one.put(cache, bytes("k"), bytes("1"))
        try one.put(cache, bytes("d"), bytes("1"))
        house.server.freeze()
        let begin = SystemClock().monotonic
        #expect(try value(one, cache, "k") == "1")
        #expect(SystemClock().monotonic - begin < timeout * 2)
        let then = SystemClock().monotonic
        for _ in 0..<100 { _ = try look(one, cache, bytes("k")) }
        #expect(SystemClock().monotonic - then < timeout)
        // The other worker has not noticed: its command waits in the store's socket.
        try two.put(cache, bytes("k"), bytes("2"))
        try two.delete(cache, bytes("d"))
        house.server.thaw()
        for _ in 0..<300 {
            #expect(try value(one, cache, "k") == "2")
            #expect(try value(two, cache, "k") == "2")
            for worker in [one, two] {
                if let found = try look(worker, cache, bytes("d")) {
                    #expect(cache == .spotify && found.entry.expiresAt <= SystemClock().now)
                }
            }
            usleep(5000)
        }
        #expect(try tier(one, cache, "k") == .dragonfly)
        #expect(house.log.count(containing: "does not answer within") == 2)
    }

    @Test("back with an old snapshot: nothing of it shows, in no worker", arguments: CacheName.allCases)
    func snapshot(_ cache: CacheName) throws {
        let house = try Household(["--dbfilename", "dump.rdb"])
        let (one, two) = (try house.worker(), try house.worker())
        try one.put(cache, bytes("changed"), bytes("old"))
        try one.put(cache, bytes("deleted"), bytes("old"))
        try one.put(cache, bytes("same"), bytes("same"))
        house.server.command("SAVE")
        try one.put(cache, bytes("changed"), bytes("new"))
        try one.delete(cache, bytes("deleted"))
        house.server.kill()
        try house.server.start()
        #expect(house.server.command("EXISTS", copyKey(one, cache, "deleted")) == "1")
        for _ in 0..<250 {
            for worker in [one, two] {
                #expect(try value(worker, cache, "changed") == "new")
                #expect(try value(worker, cache, "same") == "same")
                if let found = try look(worker, cache, bytes("deleted")) {
                    #expect(cache == .spotify && found.entry.expiresAt <= SystemClock().now)
                }
            }
            usleep(5000)
        }
        #expect(try tier(two, cache, "changed") == .dragonfly)
        #expect(try tier(one, cache, "same") == .dragonfly)
    }

    @Test("a worker that was idle through a restart with an old snapshot is not fooled by it", arguments: CacheName.allCases)
    func unnoticed(_ cache: CacheName) throws {
        let house = try Household(["--dbfilename", "dump.rdb"])
        let (one, idle) = (try house.worker(), try house.worker())
        try one.put(cache, bytes("k"), bytes("old"))
        #expect(try value(idle, cache, "k") == "old")
        house.server.command("SAVE")
        try one.put(cache, bytes("k"), bytes("new"))
        house.server.kill()
        try house.server.start()
        #expect(try value(idle, cache, "k") == "new")
        #expect(try value(one, cache, "k") == "new")
        let fresh = try house.worker()
        #expect(try value(fresh, cache, "k") == "new")
        #expect(try value(idle, cache, "k") == "new")
    }

    @Test("out of memory: refused copies are counted, and an older copy is not served", arguments: CacheName.allCases)
    func outOfMemory(_ cache: CacheName) throws {
        let house = try Household()
        let worker = try house.worker()
        try worker.put(cache, bytes("k"), bytes("old"))
        house.server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        house.server.command("CONFIG", "SET", "maxmemory", "1")
        for number in 0..<5 {
            try worker.put(cache, bytes("k"), bytes("\(number)"))
            #expect(try value(worker, cache, "k") == "\(number)")
        }
        let figures = try #require(worker.statistics().store)
        #expect(figures.isUsed && figures.refusedCopies > 0 && figures.writeRefusal?.hasPrefix("OOM") == true)
        #expect(house.log.count(containing: "takes no copies") == 1)
        house.server.command("CONFIG", "SET", "maxmemory", "0")
        try wait(for: "copies again", seconds: 3) { try tier(worker, cache, "k") == .dragonfly }
        #expect(house.log.count(containing: "takes copies again") == 1)
    }

    @Test("a read-only replica serves SQLite's word", arguments: CacheName.allCases)
    func replica(_ cache: CacheName) throws {
        let house = try Household()
        let worker = try house.worker()
        try worker.put(cache, bytes("k"), bytes("old"))
        house.server.command("REPLICAOF", "127.0.0.1", "1")
        house.server.command("CONFIG", "SET", "replica-serve-stale-data", "yes")
        for number in 0..<5 {
            try worker.put(cache, bytes("k"), bytes("\(number)"))
            #expect(try value(worker, cache, "k") == "\(number)")
        }
        #expect(try worker.delete(cache, bytes("k")))
        if let found = try look(worker, cache, bytes("k")) { #expect(cache == .spotify && found.entry.expiresAt <= SystemClock().now) }
        #expect(house.log.count(containing: "takes no copies") == 1)
    }

    @Test("a password that is missing is named once; with it the store is used")
    func password() throws {
        let house = try Household(["--requirepass", "secret word"])
        let worker = try house.worker(ready: false)
        try worker.put(.temp, bytes("k"), bytes("v"))
        try wait(for: "the log") { house.log.count(containing: "password is missing or wrong") == 1 }
        #expect(try tier(worker, .temp, "k") == .sqlite)
        let wrong = try house.worker(password: "guess", ready: false)
        try wait(for: "the log") { house.log.count(containing: "password is missing or wrong") == 2 }
        #expect(try tier(wrong, .temp, "k") == .sqlite)
        let right = try house.worker(password: "secret word")
        _ = try right.get(.temp, bytes("k"))
        #expect(try tier(right, .temp, "k") == .dragonfly)
        #expect(house.log.lines.allSatisfy { !$0.contains("secret word") && !$0.contains("guess") })
    }

    @Test("one that hangs up on idle connections is not a failure")
    func idle() throws {
        let house = try Household()
        let worker = try house.worker()
        try worker.put(.temp, bytes("k"), bytes("v"))
        house.server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        usleep(1_100_000)
        #expect(try value(worker, .temp, "k") == "v")
        try wait(for: "new connections", seconds: 2) { try tier(worker, .temp, "k") == .dragonfly }
        #expect(house.log.count(containing: "is not used") == 0)
    }
}

/// Something that listens where DragonflyDB should.
final class Impostor: @unchecked Sendable {
    // Used by one test; the thread ends when the socket is closed.
    private let descriptor: CInt
    let port: UInt16

    init(answer: String?) throws {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                Glibc.bind(descriptor, pointer, length) == 0 && listen(descriptor, 64) == 0
                    && getsockname(descriptor, pointer, &length) == 0
            }
        }
        guard isBound else { throw NeverCame(description: "a port") }
        port = UInt16(bigEndian: address.sin_port)
        guard let answer else { return }
        Thread {
            while true {
                let client = accept(descriptor, nil, nil)
                guard client >= 0 else { return }
                var bytes = [UInt8](repeating: 0, count: 512)
                _ = read(client, &bytes, 512)
                _ = answer.utf8.withContiguousStorageIfAvailable { write(client, $0.baseAddress, $0.count) }
                close(client)
            }
        }.start()
    }

    deinit {
        shutdown(descriptor, CInt(SHUT_RDWR))
        close(descriptor)
    }
}

@Suite("What answers there is not DragonflyDB")
struct ImpostorTests {
    private func check(_ answer: String?, says words: String) throws {
        let impostor = try Impostor(answer: answer)
        try check(port: impostor.port, says: words)
        withExtendedLifetime(impostor) {}
    }

    private func check(port: UInt16, says words: String) throws {
        let (folder, log) = (TemporaryFolder(), LogLines())
        let worker = try Caches(
            CachesConfiguration(
                path: folder.file("cache.db"),
                dragonfly: DragonflyConfiguration(host: "127.0.0.1", port: port, timeout: .milliseconds(400))),
            log: log.logger)
        var lengths: [Duration] = []
        for number in 0..<9 {
            let begin = SystemClock().monotonic
            try worker.put(.session, bytes("k"), bytes("\(number)"))
            #expect(try value(worker, .session, "k") == "\(number)")
            lengths.append(SystemClock().monotonic - begin)
        }
        // The median: a busy machine may hold up one of them.
        #expect(lengths.sorted()[4] < .milliseconds(380))
        try wait(for: "the log") { log.count(containing: words) == 1 }
        usleep(1_600_000)
        #expect(log.count(containing: "is not used") == 1)
        #expect(worker.storeHealth()?.isConnected == false)
        worker.close()
    }

    @Test("an HTTP server") func http() throws {
        try check("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", says: "something else than DragonflyDB")
    }
    @Test("one that accepts and never answers") func silent() throws {
        try check(nil, says: "does not answer within the deadline")
    }
    @Test("one that is loading") func loading() throws {
        try check("-LOADING Dragonfly is loading the dataset in memory\r\n", says: "loading a snapshot")
    }
    @Test("one that hangs up") func hangsUp() throws { try check("", says: "closed the connection") }
    @Test("nobody") func nobody() throws { try check(port: 1, says: "cannot be reached") }
    @Test("one that answers more than it was asked") func talks() throws {
        try check("+PONG\r\n+PONG\r\n", says: "something else than DragonflyDB")
    }
}
