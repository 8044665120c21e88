import GRDB
import Platform
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
        var worker: String
        var turn: Int64?
    }

    private func lines(_ folder: Folder) throws -> [Line] {
        let now = SystemClock().boot
        return try folder.raw().read { db in
            let ids = try Int64.fetchAll(db, sql: "SELECT id FROM grants ORDER BY id")
            #expect(zip(ids, ids.dropFirst()).allSatisfy { $1 == $0 + 1 }, "ids have no gaps: \(ids)")
            return try Row.fetchAll(db, sql: "SELECT instant, background, worker, turn FROM grants ORDER BY id").map { row in
                // Rounded: a test takes a moment.
                let ago = now - (row[0] as BootTime)
                return Line(secondsAgo: (ago + .seconds(5)).wholeSeconds / 10 * 10, isBackground: row[1], worker: row[2], turn: row[3])
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
        #expect(try lines(one).filter { $0.worker == "w" }.allSatisfy { $0.turn != nil })
        let second = try open(two, "two")
        for limiter in [first, second, third] { try limiter.look() }
        func told(_ folder: Folder, as host: String) throws -> [Line] {
            try lines(folder).filter { !$0.worker.isEmpty }.map { line in
                var line = line
                if line.worker == "w" { line.worker = "@\(host)" }
                return line
            }
        }
        let expected = try told(one, as: "one")
        #expect(expected.map(\.secondsAgo) == [3000, 2000, 1000, 100])
        #expect(expected.map(\.worker) == ["@one", "@two", "@one", "@two"])
        #expect(expected.map(\.isBackground) == [true, true, false, false])
        #expect(Set(expected.map(\.turn)).count == 4)
        #expect(try told(two, as: "two") == expected)
        #expect(try told(three, as: "three") == expected)
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
        let told = try lines(three).filter { !$0.worker.isEmpty }
        #expect(told.map(\.worker) == ["@one", "@one"] && told.map(\.secondsAgo) == [3000, 1000])
        #expect(try lines(two).filter { !$0.worker.isEmpty } == told)
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
        #expect(try #require(try second.status().shared?.turn) == before + 2, "its number, and one more for the list")
        #expect(try lines(two).filter { $0.worker == "@one" }.map(\.secondsAgo) == [100])
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
        #expect(try #require(try first.status().shared?.turn) == before + 2, "its number, and one more for the list")
        #expect(try lines(one).contains { $0.worker == "w" && $0.turn == before + 1 })
    }
}
