import Platform
import RESP
import TestServers
import Testing

@testable import RateLimiting

/// The scripts alone, in Debian's redis-server.
@Suite("Scripts", .enabled(if: RedisServer.isInstalled))
struct SharedScriptTests {
    private let server: RedisServer
    private let connection: RedisConnection

    init() throws {
        server = try RedisServer()
        connection = try RedisConnection(RedisEndpoint(host: "unix:" + server.socket, timeout: .seconds(5)), longestReply: 1 << 20)
    }

    /// Refuses whatever is asked for under a key that was not given to the script, as DragonflyDB does.
    private static let check = """
        local server = redis
        local redis = {call = function(command, key, ...)
          local isGiven = command == 'PUBLISH'
          for i = 1, #KEYS do isGiven = isGiven or KEYS[i] == key end
          if not isGiven then error('the key ' .. tostring(key) .. ' was not given') end
          return server.call(command, key, ...)
        end}

        """

    private func run(_ text: String, _ keys: [String], _ arguments: [String]) throws -> RedisValue {
        var commands = CommandBuffer()
        let parts = ["EVAL", Self.check + text, "\(keys.count)"] + keys + arguments
        commands.begin(parts.count)
        for part in parts { commands.part(Array(part.utf8)) }
        return try connection.ask(commands)[0]
    }

    private func turn(
        _ number: String, of epoch: String = "e", host: String = "one", lookup: String, over: String = "", seen: String = "",
        others: [String] = []
    ) throws -> [String] {
        let said = try run(
            SharedScript.turn.text, ["s", "t", "l", "w", "r"] + others.map { "record \($0)" },
            [epoch, number, host, lookup, over, "2000", "0", "0", "3", "c", seen, "\(host).w"] + others.flatMap { [$0, ""] })
        return said.items?.map { $0.text ?? "" } ?? ["\(said)"]
    }

    private func found(_ epoch: String = "e", turn: String = "5", in place: (String, String) = ("", "")) throws -> RedisValue {
        try run(SharedScript.found.text, ["s", "t"], [place.0, place.1, epoch, turn, "run", "1", "c", "5 0 0 ", "4 2000 1 "])
    }

    private func look(from epoch: String = "", _ number: String = "0", idle: String = "") throws -> [RedisValue] {
        try run(SharedScript.look.text, ["s", "t", "h", "d"], ["one", epoch, number, "3", "card", idle, "", "", "secret"]).items ?? []
    }

    @Test("A key that was not given is refused by the check that the others run under")
    func check() throws {
        guard case .error(let text) = try run("return redis.call('GET', 'x')", ["y"], []) else { throw Bench.Stuck() }
        #expect(text.contains("was not given"))
    }

    @Test("An epoch is founded by the first, in the place of what it saw and nothing else")
    func founding() throws {
        #expect(try found() == .integer(1))
        #expect(try found("f") == .integer(0))
        #expect(try found("f", turn: "9", in: ("e", "4")) == .integer(0))
        #expect(try found("f", turn: "9", in: ("e", "5")) == .integer(1))
        let state = try look()[0].items?.map { $0.text ?? "" }
        #expect(state == ["1", "f", "9", "run", "", "", "", ""])
    }

    @Test("A turn is the one after the number that the host knows, in the epoch that it knows, and no other; the newest turns are kept")
    func turns() throws {
        _ = try found()
        #expect(try turn("5", of: "d", lookup: "a") == ["foreign"])
        #expect(try turn("4", lookup: "a") == ["late"])
        #expect(try turn("6", lookup: "a") == ["late"])
        #expect(try turn("5", lookup: "a") == ["granted", "6", "one"])
        #expect(try turn("5", lookup: "b") == ["late"])
        #expect(try turn("6", lookup: "b") == ["granted", "7", "one"])
        #expect(try look()[1].items?.map { $0.text ?? "" } == ["7 2000 0 one.w", "6 2000 0 one.w", "5 0 0 "])
        #expect(try look(from: "e", "6")[1].items?.map { $0.text ?? "" } == ["7 2000 0 one.w"])
        #expect(try look(from: "e", "7")[1] == .array([]))
    }

    @Test("A number of more than 32 bits goes on by one, as text")
    func large() throws {
        _ = try found(turn: "4503599627370496")
        #expect(try turn("4503599627370496", lookup: "a") == ["granted", "4503599627370497", "one"])
        #expect(try look(from: "e", "4503599627370497")[1] == .array([]))
    }

    @Test("A lookup that one host has is no other's, unless that one knows whose lease it takes over; its holder alone ends it")
    func leases() throws {
        _ = try found()
        #expect(try turn("5", host: "one", lookup: "a")[0] == "granted")
        #expect(try turn("6", host: "two", lookup: "a") == ["taken", "6 one"])
        #expect(try turn("6", host: "two", lookup: "a", over: "6 one")[1] == "7")
        func finish(_ lease: String, record: String = "") throws -> RedisValue {
            try run(SharedScript.finish.text, ["s", "l", "r"], ["a", lease, record, "1000", "1", "c"])
        }
        #expect(try finish("6 one", record: "late") == .integer(0))
        #expect(try run("return redis.call('GET', KEYS[1])", ["r"], []) == .none)
        #expect(try finish("7 two", record: "bytes") == .integer(1))
        #expect(try run("return redis.call('GET', KEYS[1])", ["r"], []).text == "bytes")
        #expect(try finish("7 two", record: "again") == .integer(0))
    }

    @Test("A lookup that was ended since the host looked for its record is no turn's; one whose record it has seen is")
    func answered() throws {
        _ = try found()
        _ = try turn("5", host: "one", lookup: "a")
        let record = String(repeating: "c", count: 32) + "record"
        _ = try run(SharedScript.finish.text, ["s", "l", "r"], ["a", "6 one", record, "1000", "1", "c"])
        #expect(try turn("6", host: "two", lookup: "a") == ["answered"])
        #expect(try turn("6", host: "two", lookup: "a", seen: String(repeating: "c", count: 32))[1] == "7")
    }

    @Test("Of lookups that may share a call those are the host's that no other has")
    func companions() throws {
        _ = try found()
        _ = try turn("5", host: "two", lookup: "b")
        #expect(try turn("6", host: "one", lookup: "a", others: ["b", "c"]) == ["granted", "7", "one", "c"])
        #expect(try turn("7", host: "two", lookup: "c")[0] == "taken")
        _ = try run("return redis.call('SET', KEYS[1], 'news')", ["record d"], [])
        let granted = try turn("7", host: "one", lookup: "e", others: ["d"])
        #expect(granted.first == "granted" && granted.count == 3, "its record is one that the host has not seen")
    }

    @Test("Who only looks is no host; who looks is told what it had said of itself before, and what all have said")
    func cards() throws {
        _ = try found()
        func look(_ host: String, _ card: String) throws -> [RedisValue] {
            try run(SharedScript.look.text, ["s", "t", "h", "d"], [host, "", "0", "3", card, "", "", "", "secret"]).items ?? []
        }
        #expect(try look("", "")[2] == .array([]))
        #expect(try look("one", "x")[4].text == "")
        #expect(try look("one", "y")[4].text == "x")
        #expect(try look("two", "z")[3].items?.map { $0.text ?? "" } == ["one", "y", "one!", "secret", "two", "z", "two!", "secret"])
    }

    @Test("For how long nobody has called is said of the number that is the last, and the longest counts")
    func idle() throws {
        _ = try found()
        func said() throws -> String? { try look()[0].items?[6].text }
        _ = try look(from: "d", "5", idle: "70000")
        _ = try look(from: "e", "4", idle: "70000")
        #expect(try said() == "")
        _ = try look(from: "e", "5", idle: "70000")
        _ = try look(from: "e", "5", idle: "61000")
        #expect(try said() == "5 70000")
        _ = try look(from: "e", "5", idle: "80000")
        #expect(try said() == "5 80000")
        _ = try turn("5", lookup: "a")
        _ = try look(from: "e", "6", idle: "60001")
        #expect(try said() == "6 60001")
    }

    @Test("How much is left of a cooldown is said of the one that there is, and the least counts")
    func left() throws {
        _ = try found()
        func said(_ name: String, _ left: String) throws -> String? {
            try run(SharedScript.look.text, ["s", "t", "h", "d"], ["one", "", "0", "3", "card", "", name, left, "secret"]).items?[0].items?[
                7
            ].text
        }
        #expect(try said("x", "5000") == "", "there is none")
        _ = try run(SharedScript.pause.text, ["s"], ["x", "9000", "0", "c"])
        #expect(try said("w", "5000") == "")
        for left in ["5000", "6000", "4500"] { _ = try said("x", left) }
        #expect(try said("", "") == "x 5000", "a second is too little to write it")
        _ = try said("x", "3900")
        #expect(try said("", "") == "x 3900")
        #expect(try run(SharedScript.pause.text, ["s"], ["y", "3000", "0", "c"]) == .integer(0))
        #expect(
            try run(SharedScript.pause.text, ["s"], ["y", "8000", "0", "c"]) == .integer(1),
            "shorter than that one was, and longer than it is")
        _ = try run(SharedScript.pause.text, ["s"], ["y", "20000", "0", "c"])
        _ = try said("y", "19000")
        #expect(try said("", "") == "y 19000")
    }

    @Test("The next turn is first of the host that is most urgent, then of the one that has waited longest")
    func order() throws {
        _ = try found()
        func want(_ host: String, _ rank: String) throws -> String {
            #expect(try run(SharedScript.want.text, ["s", "w"], ["e", host, rank, "c"]) == .integer(1))
            return try look()[0].items?[4].text ?? ""
        }
        #expect(try want("two", "2") == "two")
        #expect(try want("one", "0") == "one")
        #expect(try want("two", "0") == "one")
        #expect(try turn("5", host: "one", lookup: "a")[2] == "two")
        // It was passed over: another is before it now.
        #expect(try turn("6", host: "one", lookup: "b")[2] == "one")
        #expect(try want("one", "") == "two")
        #expect(try run(SharedScript.want.text, ["s", "w"], ["d", "one", "0", "c"]) == .integer(0))
    }

    @Test("The longer cooldown stays until a call that began after it was answered")
    func pauses() throws {
        _ = try found()
        func pause(_ name: String, _ length: String) throws -> RedisValue {
            try run(SharedScript.pause.text, ["s"], [name, length, "0", "c"])
        }
        _ = try run("return redis.call('HSET', KEYS[1], 'cooldown', 'evil 5 9223372036854775807 1')", ["s"], [])
        #expect(try pause("x", "5000") == .integer(1), "one that nobody believes is none")
        #expect(try pause("y", "4000") == .integer(0))
        #expect(try pause("z", "6000") == .integer(1))
        #expect(try look()[0].items?[5].text == "z 5 6000 0")
        _ = try turn("5", lookup: "a")
        _ = try run(SharedScript.finish.text, ["s", "l", "r"], ["a", "6 one", "", "1000", "0", "c"])
        #expect(try look()[0].items?[5].text == "z 5 6000 0")
        _ = try turn("6", lookup: "b")
        _ = try run(SharedScript.finish.text, ["s", "l", "r"], ["b", "7 one", "", "1000", "1", "c"])
        #expect(try look()[0].items?[5].text == "")
    }

    @Test("The token is kept as it is given")
    func token() throws {
        #expect(try run(SharedScript.token.text, ["t"], ["sealed", "c"]) == .integer(1))
        #expect(try run("return redis.call('GET', KEYS[1])", ["t"], []).text == "sealed")
    }
}
