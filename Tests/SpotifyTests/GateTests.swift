import CSystem
import Testing

@testable import Spotify

@Suite struct GateTests {
    @Test("the target and token that the gate names are what is sent")
    func sends() throws {
        let caller = try Caller()
        let result = try caller.call(Caller.track + "?market=SE")
        guard case .answer(let answer) = result else {
            Issue.record("no answer: \(result)")
            return
        }
        #expect(String(decoding: answer.body, as: UTF8.self).contains("Cut To The Feeling"))
        #expect(answer.elapsed > .zero && answer.elapsed < .seconds(2))
        let calls = try caller.standIn.calls()
        #expect(calls.map(\.target) == [Caller.track + "?market=SE"])
        #expect(calls.map(\.token) == [caller.token])
        #expect(calls.map(\.userAgent) == ["tests/1"])
    }

    @Test("the connection is open when the gate is asked, and kept for the next call")
    func connectionFirst() throws {
        let caller = try Caller()
        var open: [Int] = []
        for _ in 0..<3 {
            let result = try caller.call {
                // The stand-in counts a connection when its thread has it, which may be a moment later.
                let end = csys_monotonic_ns() + 1_000_000_000
                while (try? caller.standIn.figure("connections_open")) ?? 0 < 2, csys_monotonic_ns() < end {}
                open.append((try? caller.standIn.figure("connections_open")) ?? 0)
                return .send(target: Caller.track, bearer: caller.token)
            }
            #expect(result.isAnswer)
        }
        #expect(open == [2, 2, 2], "the kept one, and the one that asks for the figure")
        #expect(Set(try caller.standIn.calls().map(\.connection)).count == 1)
    }

    @Test("hold sends nothing and keeps the connection, whether it was new or kept")
    func holds() throws {
        let caller = try Caller()
        let before = try caller.standIn.figure("connections_accepted")
        #expect(try caller.call { .hold } == .held)
        #expect(caller.client.hasWarmConnection)
        #expect(try caller.call { .hold } == .held)
        #expect(try caller.standIn.calls().isEmpty)
        #expect(try caller.call().isAnswer)
        #expect(try caller.call { .hold } == .held)
        #expect(try caller.call().isAnswer)
        #expect(try caller.standIn.calls().count == 2)
        #expect(Set(try caller.standIn.calls().map(\.connection)).count == 1)
        let controls = 4  // each figure and each list of calls is a connection of its own
        #expect(try caller.standIn.figure("connections_accepted") - before == 1 + controls)
        #expect(caller.asked == 5)
    }

    @Test("bytes arrive within milliseconds of the gate's word, on new and on kept connections")
    func immediate() throws {
        let caller = try Caller()
        for round in 0..<20 {
            if round % 5 == 0 { try caller.standIn.control("POST", "close_idle") }
            #expect(try caller.call().isAnswer)
            let arrived = try #require(try caller.standIn.calls().last?.arrived)
            #expect(arrived < caller.sentAt + 100_000_000, "\(Int64(arrived) - Int64(caller.sentAt)) ns")
        }
    }

    @Test("a kept connection that was closed while idle costs no turn: a new one is opened before the gate is asked")
    func closedWhileIdle() throws {
        let caller = try Caller()
        #expect(try caller.call().isAnswer)
        #expect(caller.client.hasWarmConnection)
        try caller.standIn.control("POST", "close_idle")
        let end = csys_monotonic_ns() + 2_000_000_000
        while caller.client.hasWarmConnection, csys_monotonic_ns() < end {}
        #expect(!caller.client.hasWarmConnection)
        #expect(try caller.call().isAnswer)
        #expect(caller.asked == 2)
        #expect(try caller.standIn.calls().count == 2)
    }

    @Test("a kept connection that dies under the request is not tried again on the same turn", arguments: ["close", "reset"])
    func noResend(how: String) throws {
        let caller = try Caller()
        #expect(try caller.call().isAnswer)
        try caller.standIn.fail(#"{"behaviour": "\#(how)", "times": 1}"#)
        guard case .failure(.cut) = try caller.call() else {
            Issue.record("it should be cut")
            return
        }
        #expect(caller.asked == 2)
        #expect(try caller.standIn.calls().count == 2)
        #expect(try caller.call().isAnswer)
        #expect(try caller.standIn.calls().count == 3)
    }

    @Test("a kept connection that the server closes while the gate thinks is not tried again either")
    func closedInTheGate() throws {
        let caller = try Caller()
        #expect(try caller.call().isAnswer)
        let result = try caller.call {
            _ = try? caller.standIn.control("POST", "close_idle")
            return .send(target: Caller.track, bearer: caller.token)
        }
        #expect(result == .failure(.cut("the kept connection had died")))
        #expect(caller.asked == 2)
        #expect(try caller.standIn.calls().count == 1)
    }

    @Test(
        "a target or token that cannot be sent as it is sends nothing", arguments: ["", "v1", "/v1/a b", "/v1/a\r\nX: y", "/v1/é", "/v1#x"])
    func malformed(target: String) throws {
        let caller = try Caller()
        guard case .failure(.badRequest) = try caller.call(target) else {
            Issue.record("\(target) should be refused")
            return
        }
        guard case .failure(.badRequest) = try caller.call(bearer: "a\r\nX: y") else {
            Issue.record("the token should be refused")
            return
        }
        #expect(try caller.standIn.calls().isEmpty)
        #expect(try caller.call().isAnswer)
    }

    @Test("a completion may begin the next call, and several calls run side by side")
    func several() throws {
        let caller = try Caller()
        try caller.standIn.fail(#"{"behaviour": "delay", "ms": 200}"#)
        var ended = 0
        for _ in 0..<3 {
            caller.client.begin(gate: { .send(target: Caller.track, bearer: caller.token) }) { first in
                ended += first.isAnswer ? 1 : 0
                caller.client.begin(gate: { .send(target: Caller.track, bearer: caller.token) }) { ended += $0.isAnswer ? 1 : 0 }
            }
        }
        #expect(caller.client.active == 3)
        let start = csys_monotonic_ns()
        caller.drive { caller.client.active > 0 }
        #expect(ended == 6)
        #expect(csys_monotonic_ns() - start < 1_000_000_000)
    }
}

extension CallResult {
    var isAnswer: Bool {
        if case .answer = self { true } else { false }
    }
}
