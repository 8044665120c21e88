import GRDB
import Platform
import RESP
import TestServers
import Testing

@testable import RateLimiting

/// What hosts tell each other of calls that were made over no store, or over one that has forgotten them.
@Suite("Calls that hosts tell of", .enabled(if: RedisServer.isInstalled))
struct CallLedgerTests {
    private let rateLimit = RateLimit(interval: .milliseconds(200), callsPerWindow: 20)
    private let server: RedisServer

    init() throws { server = try RedisServer() }

    private struct Line: Equatable {
        var secondsAgo: Int64
        var isBackground: Bool
        /// Whose it was by its name; nil: it is only assumed.
        var host: String?
        var name: String
    }

    private func lines(_ folder: Folder) throws -> [Line] {
        let now = SystemClock().boot
        return try folder.raw().read { db in
            let ids = try Int64.fetchAll(db, sql: "SELECT id FROM grants ORDER BY id")
            #expect(zip(ids, ids.dropFirst()).allSatisfy { $1 == $0 + 1 }, "ids have no gaps: \(ids)")
            return try Row.fetchAll(db, sql: "SELECT instant, background, caller, turn FROM grants ORDER BY id").map { row in
                let caller = row[2] as String? ?? "?"
                // Rounded: a test takes a moment.
                let ago = now - (row[0] as BootTime)
                return Line(
                    secondsAgo: (ago + .seconds(5)).wholeSeconds / 10 * 10, isBackground: row[1],
                    host: caller.isEmpty ? nil : CallName.host(of: caller), name: "\(caller) \(row[3] as Int64? ?? 0)")
            }
        }
    }

    /// A host's folder with calls that it made alone, so many seconds ago.
    private func folder(calls: [Int64]) throws -> Folder {
        let folder = try Folder()
        _ = try folder.open(rateLimit: rateLimit).status()
        let now = SystemClock().boot
        try folder.raw().write { db in
            for (place, ago) in calls.enumerated() {
                try db.execute(
                    sql: "INSERT INTO grants (id, instant, background, worker) VALUES (?, ?, ?, 'w')",
                    arguments: [place + 1, now - .seconds(ago), place == 0])
            }
        }
        return folder
    }

    @Test("Each has the time that it had, whenever the others hear of it; and nothing is told twice")
    func times() throws {
        let one = try folder(calls: [3000, 1000])
        let two = try folder(calls: [2000, 100])
        let three = try Folder()
        func open(_ folder: Folder, _ name: String) throws -> SharedRateLimiter {
            try folder.open(rateLimit: rateLimit).shared(name, over: server)
        }
        // It founds, and knows of nothing.
        let third = try open(three, "three")
        let first = try open(one, "one")
        let second = try open(two, "two")
        for limiter in [first, second, third] { try limiter.look() }
        func told(_ folder: Folder) throws -> [Line] { try lines(folder).filter { $0.host != nil } }
        let expected = try told(one)
        #expect(expected.map(\.secondsAgo) == [3000, 2000, 1000, 100])
        #expect(expected.map(\.host) == ["one", "two", "one", "two"])
        #expect(expected.map(\.isBackground) == [true, true, false, false])
        #expect(Set(expected.map(\.name)).count == 4)
        #expect(try told(two) == expected)
        #expect(try told(three) == expected)
        let turn = try third.status().shared?.turn
        let again = try open(one, "one")
        try again.look()
        #expect(try again.status().shared?.turn == turn)
        // All of it is one window's.
        #expect(try [one, two, three].allSatisfy { try lines($0).count <= 4 + 4 })
    }

    @Test("A store that has forgotten is told by each host of what it knows, those that are gone included, once")
    func forgotten() throws {
        let one = try folder(calls: [3000, 1000])
        var first: SharedRateLimiter? = try one.open(rateLimit: rateLimit).shared("one", over: server)
        let two = try Folder()
        let second = try two.open(rateLimit: rateLimit).shared("two", over: server)
        first?.close()
        first = nil
        server.command("FLUSHALL")
        let three = try Folder()
        let third = try three.open(rateLimit: rateLimit).shared("three", over: server)
        try second.look()
        try third.look()
        let told = try lines(three).filter { $0.host != nil }
        #expect(told.map(\.host) == ["one", "one"] && told.map(\.secondsAgo) == [3000, 1000])
        #expect(try lines(two).filter { $0.host != nil } == told)
    }

    @Test("What counts no more has no number, and takes nobody's place; what counts is told however many the others' list has")
    func expired() throws {
        let one = try folder(calls: [9000, 8000, 7000, 100])
        let two = try Folder()
        let second = try two.open(rateLimit: rateLimit).shared("two", over: server)
        try second.look()
        let before = try #require(try second.status().shared?.turn)
        let first = try one.open(rateLimit: rateLimit).shared("one", over: server)
        try first.look()
        try second.look()
        #expect(try #require(try second.status().shared?.turn) == before + 1, "the list counts as one")
        #expect(try lines(two).filter { $0.host == "one" }.map(\.secondsAgo) == [100])
    }

    @Test("Nothing counts twice where the answer to the telling was lost, nor where the host is called otherwise since")
    func twice() throws {
        let one = try folder(calls: [3000, 1000])
        let two = try Folder()
        let second = try two.open(rateLimit: rateLimit).shared("two", over: server)
        let limiter = try one.open(rateLimit: rateLimit)
        // As `SharedRateLimiter.tell`, but that it does not hear that it was told.
        try limiter.file.write { try $0.beginSharing(as: "one", isListed: false, rateLimit: rateLimit) }
        let report = try second.state.withLock { try $0.store.look(from: nil, most: 60).report }
        _ = try limiter.file.write { try $0.observe(report, as: "one", rateLimit: rateLimit) }
        let draft = try #require(
            try limiter.file.write { try $0.draft(report, as: "one", isFollowed: true, rateLimit: rateLimit, word: "w") })
        #expect(try second.state.withLock { try $0.store.found(draft.telling, inPlaceOf: report) })
        let first = try limiter.shared("one", over: server)
        try first.look()
        first.close()
        let renamed = try one.open(rateLimit: rateLimit).shared("uno", over: server)
        try renamed.look()
        try second.look()
        for folder in [one, two] {
            #expect(try lines(folder).compactMap(\.host) == ["one", "one"])
            #expect(try lines(folder).filter { $0.host != nil }.map(\.secondsAgo) == [3000, 1000])
        }
    }

    @Test("Who is made anew under an old name calls by other names, and the others count what it calls")
    func anew() throws {
        let two = try Folder()
        var second: SharedRateLimiter? = try two.open(rateLimit: rateLimit).shared("two", over: server)
        func come(_ calls: [Int64]) throws {
            let one = try folder(calls: calls)
            let first = try one.open(rateLimit: rateLimit).shared("one", over: server)
            first.close()
        }
        try come([3000])
        try second?.look()
        second?.close()
        second = nil
        server.command("FLUSHALL")
        try come([1000])
        second = try two.open(rateLimit: rateLimit).shared("two", over: server)
        try second?.look()
        #expect(try lines(two).filter { $0.host == "one" }.map(\.secondsAgo) == [3000, 1000])
    }

    @Test("What `restore` assumes is told to the others, but where the host had not said goodbye: they know its calls")
    func restored() throws {
        for hadLeft in [true, false] {
            server.command("FLUSHALL")
            let two = try Folder()
            let second = try two.open(rateLimit: rateLimit).shared("two", over: server)
            let before = try Folder()
            let old = try before.open(rateLimit: rateLimit).shared("one", over: server)
            if hadLeft { old.close() }
            let one = try Folder()
            let restored = try one.open(rateLimit: rateLimit)
            try restored.spendWindow()
            let first = try restored.shared("one", over: server)
            try first.look()
            try second.look()
            #expect(try (second.status().callsInWindow >= 20) == hadLeft)
            // The list counts as one, too.
            #expect(try lines(two).count { $0.host == "one" } == (hadLeft ? 19 : 0))
            #expect(try first.status().callsInWindow >= 20)
        }
    }

    @Test("A host that comes to others who have not called for hours does not take their last busy hour for this one")
    func idle() throws {
        let one = try folder(calls: [300, 200, 100])
        let first = try one.open(rateLimit: rateLimit).shared("one", over: server)
        try first.look()
        first.state.withLock { $0.lull = $0.lull.map { .init(epoch: $0.epoch, turn: $0.turn, since: $0.since - .seconds(7200)) } }
        try first.look()
        let two = try Folder()
        let second = try two.open(rateLimit: rateLimit).shared("two", over: server)
        #expect(try second.status().callsInWindow == 1, "a call just now")
    }

    @Test("Who is first at a store that was started anew with what it had goes by what it lists")
    func startedAnew() throws {
        let one = try folder(calls: [30, 20, 10])
        let first = try one.open(rateLimit: rateLimit).shared("one", over: server)
        first.close()
        for calls in [[], [5]] as [[Int64]] {
            server.command("HSET", first.state.withLock { $0.store.keys.state }, "server", "another")
            let two = try folder(calls: calls)
            let second = try two.open(rateLimit: rateLimit).shared("two", over: server)
            #expect(try lines(two).compactMap(\.host).sorted() == ["one", "one", "one"] + calls.map { _ in "two" })
            second.close()
        }
    }

    @Test("Who was not the first to tell tells at its next look")
    func again() throws {
        let one = try Folder()
        let first = try one.open(rateLimit: rateLimit).shared("one", over: server)
        try first.look()
        #expect(first.state.withLock { $0.hasCompared })
        let two = try folder(calls: [30, 20, 10])
        let second = try two.open(rateLimit: rateLimit).shared("two", over: server)
        try first.look()
        second.close()
        // It knows of them, and the store does not any more; and it cannot tell, whoever is first.
        server.command("FLUSHALL")
        let three = try Folder()
        let third = try three.open(rateLimit: rateLimit).shared("three", over: server)
        server.command("ACL", "SETUSER", "default", "-del")
        try? first.look()
        server.command("ACL", "SETUSER", "default", "+del")
        try first.look()
        try third.look()
        #expect(try lines(three).count { $0.host == "two" } == 3)
    }

    @Test("A cooldown that is heard of late ends when it ends")
    func cooldown() throws {
        let one = try Folder()
        let first = try one.open(rateLimit: rateLimit).shared("one", over: server)
        _ = try first.coolDown(.seconds(100), quotaExceeded: false)
        try first.look()
        let (state, name) = first.state.withLock { ($0.store.keys.state, $0.toldCooldown?.name) }
        first.close()
        // As it says when 70 s of them are over.
        server.command("HSET", state, "left", "\(try #require(name)) 30000")
        let two = try Folder()
        let second = try two.open(rateLimit: rateLimit).shared("two", over: server)
        try second.look()
        let left = try #require(try second.status().cooldown).endsAt - SystemClock().wall.milliseconds
        #expect((28_000...31_000).contains(left))
    }

    @Test("A number that no script has written is no store to take turns from, for `check` as well")
    func otherwise() throws {
        let one = try Folder()
        let first = try one.open(rateLimit: rateLimit).shared("one", over: server)
        let state = first.state.withLock { $0.store.keys.state }
        server.command("HSET", state, "n", "007")
        #expect(throws: RateLimiterError.self) { try first.look() }
        #expect(try #require(first.fault).contains("that is of no host"))
        let account = SharedAccount(
            endpoint: RedisEndpoint(host: "unix:" + server.socket, timeout: .seconds(1)), host: "one", clientID: "test", secret: "secret",
            apiURL: "https://api.spotify.com")
        #expect(throws: StoreFault.self) { try HostList(of: account, rateLimit: rateLimit, watching: .zero) }
    }

    @Test("A call that is made alone while the host shares turns, too, is told at the next look")
    func besides() throws {
        let one = try Folder()
        let first = try one.open(rateLimit: rateLimit).shared("one", over: server)
        try first.look()
        let before = try #require(try first.status().shared?.turn)
        try one.raw().write { db in
            try db.execute(
                sql: "INSERT INTO grants (id, instant, background, worker) SELECT max(id) + 1, ?, 0, 'w' FROM grants",
                arguments: [SystemClock().boot])
        }
        try first.look()
        #expect(try #require(try first.status().shared?.turn) == before + 1, "the list counts as one")
        #expect(try lines(one).contains { $0.host == "one" && $0.name.hasSuffix("-1 0") })
    }
}
