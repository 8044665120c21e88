import CLibFCGI
import CSystem
import Glibc
import Platform
import Synchronization
import Testing

@testable import FastCGI

/// What interrupts a request or comes between two (FastCGI Specification 1.0, sections 3.3, 4, 5.1, 5.4 and 5.5). The numbers in the
/// expectations are the specification's own (section 8), written out.
@Suite("Management records and what else is no request") struct ManagementTests {
    private static let get = [("REQUEST_METHOD", "GET"), ("PATH_INFO", "/x")]
    private static let parameters = Wire.stream(FCGI_PARAMS, Wire.pairs(get))
    private static let post = Wire.stream(FCGI_PARAMS, Wire.pairs([("PATH_INFO", "/echo"), ("CONTENT_LENGTH", "4")]))
    private static let noInput = Wire.record(FCGI_STDIN)

    /// Where a record may come: what is sent before it, and behind it, and the body of the answer.
    struct Place: CustomTestStringConvertible {
        let testDescription: String
        let before: [UInt8]
        let behind: [UInt8]
        let body: String
    }

    static let between = Place(testDescription: "before a request", before: [], behind: Wire.request(get), body: "none")
    static let inside = [
        Place(testDescription: "before the parameters", before: Wire.begin(), behind: parameters + noInput, body: "none"),
        Place(
            testDescription: "between parameters", before: Wire.begin() + Wire.record(FCGI_PARAMS, Wire.pairs([("A", "b")]), padding: 3),
            behind: parameters + noInput, body: "none"),
        Place(
            testDescription: "before the input", before: Wire.begin() + post, behind: Wire.stream(FCGI_STDIN, Array("abcd".utf8)),
            body: "abcd"),
        Place(
            testDescription: "between input", before: Wire.begin() + post + Wire.record(FCGI_STDIN, Array("ab".utf8), padding: 9),
            behind: Wire.stream(FCGI_STDIN, Array("cd".utf8)), body: "abcd"),
        Place(
            testDescription: "before the end of the input", before: Wire.begin() + post + Wire.record(FCGI_STDIN, Array("abcd".utf8)),
            behind: noInput, body: "abcd"),
    ]
    static let everywhere = [between] + inside

    private func served<R>(limits: Limits = Limits(), _ body: (Client, Stage, Script) throws -> R) throws -> R {
        let script = Script()
        let stage = try Stage(script, threads: 1, limits: limits)
        defer { stage.stop() }
        return try body(try stage.client(), stage, script)
    }

    /// Sends it in one piece and byte by byte; each time that answer comes first, and then the request's own.
    private func expect(_ answer: [Client.Record], to record: [UInt8], at place: Place) throws {
        try served { (client, stage, _) throws in
            for isCut in [false, true] {
                let bytes = place.before + record + place.behind
                if isCut { for byte in bytes { client.write([byte]) } } else { client.write(bytes) }
                for expected in answer { #expect(try client.nextRecord() == expected) }
                #expect(try client.answer().text == place.body)
            }
            #expect(try client.get("/x").text == "none")
            #expect(eventually { stage.loop.statistics == EventLoopStatistics(connections: 1, parked: 0, answered: 3) })
        }
    }

    // MARK: FCGI_GET_VALUES (section 4.1)

    @Test("FCGI_GET_VALUES is answered with FCGI_GET_VALUES_RESULT wherever it comes", arguments: everywhere)
    func values(_ place: Place) throws {
        let result = Client.Record(10, Wire.pairs([("FCGI_MPXS_CONNS", "0")]))
        try expect([result], to: Wire.question(["FCGI_MPXS_CONNS"], padding: 7), at: place)
    }

    @Test("those of the three variables are said that were asked for, each once, and no other")
    func variables() throws {
        var limits = Limits()
        limits.connections = 123
        let known = [("FCGI_MAX_CONNS", "123"), ("FCGI_MAX_REQS", "123"), ("FCGI_MPXS_CONNS", "0")]
        try served(limits: limits) { (client, _, _) throws in
            for (asked, said) in [
                (known.map(\.0), known), (["FCGI_MAX_REQS", "FCGI_MAX"], [known[1]]), ([], []),
                (["A", "FCGI_MAX_CONNS ", ""].dropLast(), []),
                ([String](repeating: "FCGI_MPXS_CONNS", count: 500), [known[2]]),
            ] {
                client.write(Wire.question(Array(asked)))
                #expect(try client.nextRecord() == Client.Record(10, Wire.pairs(said)))
            }
            // Bytes as they travel: section 3.3 recommends to pad to a multiple of eight.
            client.write(Wire.question(["FCGI_MPXS_CONNS"]))
            let expected = [1, 10, 0, 0, 0, 18, 6, 0, 15, 1] + Array("FCGI_MPXS_CONNS0".utf8) + [0, 0, 0, 0, 0, 0]
            #expect(try client.bytes(expected.count) == expected)
        }
    }

    // MARK: FCGI_UNKNOWN_TYPE (section 4.2)

    @Test("any other management type is answered with FCGI_UNKNOWN_TYPE, which names it")
    func unknown() throws {
        try served { (client, _, _) throws in
            for type in (0...255).map(CInt.init) where ![1, 9].contains(type) {
                client.write(Wire.management(type, [1, 2, 3], padding: Int(type)))
                #expect(try client.nextRecord() == Client.Record(11, [UInt8(type), 0, 0, 0, 0, 0, 0, 0]))
            }
            #expect(try client.get("/x").text == "none")
        }
    }

    @Test("an unknown management type is answered wherever it comes", arguments: everywhere)
    func unknown(_ place: Place) throws {
        try expect([Client.Record(11, [200, 0, 0, 0, 0, 0, 0, 0])], to: Wire.management(200, [UInt8](repeating: 1, count: 300)), at: place)
    }

    // MARK: FCGI_BEGIN_REQUEST that begins nothing (sections 5.1 and 5.5)

    @Test("a role that is not Responder ends with FCGI_UNKNOWN_ROLE, and its other records are ignored", arguments: [0, 2, 3, 0x0101])
    func roles(_ role: CInt) throws {
        try served { (client, _, _) throws in
            for _ in 0..<3 {
                client.write(Wire.begin(role: role, id: 0x0203) + Wire.stream(FCGI_PARAMS, Wire.pairs(Self.get), id: 0x0203))
                client.write(Wire.stream(FCGI_STDIN, [1, 2], id: 0x0203) + Wire.stream(FCGI_DATA, [3], id: 0x0203))
                #expect(try client.nextRecord() == Client.Record(3, id: 0x0203, [0, 0, 0, 0, 3, 0, 0, 0]))
                #expect(try client.get("/x").text == "none")
            }
        }
    }

    @Test("after an unknown role a connection that is not to be kept ends, and the answer is not lost")
    func lastRole() throws {
        try served { (client, _, _) throws in
            client.write(Wire.begin(role: FCGI_AUTHORIZER, keep: false) + Self.parameters + Self.noInput)
            #expect(try client.nextRecord() == Client.Record(3, id: 1, [0, 0, 0, 0, 3, 0, 0, 0]))
            #expect(try client.seesEnd())
        }
    }

    @Test(
        "a request that begins before the one before it was read ends with FCGI_CANT_MPX_CONN, and the first is answered", arguments: inside
    )
    func multiplexed(_ place: Place) throws {
        let second = Wire.begin(id: 2) + Wire.stream(FCGI_PARAMS, Wire.pairs(Self.get), id: 2) + Wire.stream(FCGI_STDIN, [7], id: 2)
        try expect([Client.Record(3, id: 2, [0, 0, 0, 0, 1, 0, 0, 0])], to: second, at: place)
    }

    @Test("padding of FCGI_BEGIN_REQUEST is skipped as any other")
    func padded() throws {
        try served { (client, _, _) throws in
            client.write(Wire.begin(padding: 5) + Self.post + Wire.stream(FCGI_STDIN, Array("abcd".utf8)))
            #expect(try client.answer().text == "abcd")
        }
    }

    @Test("records of a request that is not under way are ignored", arguments: everywhere)
    func stray(_ place: Place) throws {
        let records =
            Wire.record(FCGI_ABORT_REQUEST, id: 9) + Wire.stream(FCGI_PARAMS, [1, 2, 3], id: 9) + Wire.stream(FCGI_STDIN, [1], id: 9)
            + Wire.record(FCGI_DATA, id: 9)
        try expect([], to: records, at: place)
    }

    // MARK: FCGI_ABORT_REQUEST (section 5.4)

    private static let aborted = Client.Record(3, id: 1, [0, 0, 0, 0, 0, 0, 0, 0])

    @Test("FCGI_ABORT_REQUEST ends its request, whatever has come of it, and the connection serves the next", arguments: inside)
    func abort(_ place: Place) throws {
        try served { (client, stage, _) throws in
            for isCut in [false, true] {
                let bytes = place.before + Wire.record(FCGI_ABORT_REQUEST, padding: 2) + Wire.request(Self.get, id: 2)
                if isCut { for byte in bytes { client.write([byte]) } } else { client.write(bytes) }
                #expect(try client.nextRecord() == Self.aborted)
                #expect(try client.answer().request == 2)
            }
            #expect(eventually { stage.loop.statistics == EventLoopStatistics(connections: 1, parked: 0, answered: 2) })
        }
    }

    @Test("an aborted request whose connection is not to be kept takes it along")
    func lastAbort() throws {
        for post in [[], Self.post] {
            try served { (client, _, _) throws in
                client.write(Wire.begin(keep: false) + post + Wire.record(FCGI_ABORT_REQUEST))
                #expect(try client.nextRecord() == Self.aborted)
                #expect(try client.seesEnd())
            }
        }
    }

    @Test("a parked request that is aborted ends at once, as if its caller had left, and the connection serves the next")
    func abortParked() throws {
        try served { (client, stage, script) throws in
            for round in 1...3 {
                client.write(Wire.request([("PATH_INFO", "/park")]))
                #expect(eventually { stage.loop.statistics.parked == 1 })
                client.write(Wire.record(FCGI_ABORT_REQUEST))
                #expect(try client.nextRecord() == Self.aborted)
                #expect(script.endings.withLock { $0 } == [ParkedRequest.Ending](repeating: .clientLeft, count: round))
                #expect(script.replies.withLock { $0.last?.send(text("late")) } == false)
                #expect(try client.get("/x").text == "none")
            }
            // One that was aborted in the same breath is not begun.
            client.write(Wire.request([("PATH_INFO", "/park")]) + Wire.record(FCGI_ABORT_REQUEST) + Wire.request(Self.get))
            #expect(try client.nextRecord() == Self.aborted)
            #expect(try client.answer().text == "none")
            #expect(script.replies.withLock { $0.count } == 3)
        }
    }

    /// What may come before the end of a request that is parked, with what it is answered after that.
    private static let beforeEnd: [(records: [UInt8], answers: [Client.Record])] = [
        ([], []),
        (Wire.record(FCGI_STDIN, id: 9), []),
        (Wire.record(FCGI_ABORT_REQUEST, id: 9) + Wire.stream(FCGI_PARAMS, [1, 2, 3], id: 9), []),
        (Wire.record(FCGI_DATA), []),
        (Wire.question([FCGI_MPXS_CONNS]), [Client.Record(10, Wire.pairs([("FCGI_MPXS_CONNS", "0")]))]),
    ]

    @Test("the end of a parked request may come in any pieces, and behind what is no part of it", arguments: 0..<beforeEnd.count)
    func abortParkedInPieces(_ number: Int) throws {
        let (records, answers) = Self.beforeEnd[number]
        let bytes = records + Wire.record(FCGI_ABORT_REQUEST, padding: 3)
        try served { (client, stage, script) throws in
            var rounds = 0
            for cut in 0...bytes.count {
                for isInOneBreath in [false, true] {
                    let request = Wire.request([("PATH_INFO", "/park")])
                    let (now, later) = (Array(bytes[..<cut]), Array(bytes[cut...]))
                    client.write(isInOneBreath ? request + now : request)
                    // Its end may have been there already.
                    let isHere = isInOneBreath && cut >= bytes.count - 3
                    if !isHere {
                        rounds += 1
                        #expect(eventually { stage.loop.statistics.parked == 1 })
                    }
                    if !isInOneBreath, cut > 0 {
                        client.write(now)
                        usleep(3000)
                    }
                    client.write(later)
                    #expect(try client.nextRecord() == Self.aborted)
                    for answer in answers { #expect(try client.nextRecord() == answer) }
                    #expect(script.endings.withLock { $0.count } == rounds)
                    #expect(try client.get("/x").text == "none")
                }
            }
        }
    }

    @Test("an end behind the next request of the same number is that one's")
    func abortNext() throws {
        try served { (client, stage, script) throws in
            client.write(Wire.request([("PATH_INFO", "/park")]))
            #expect(eventually { stage.loop.statistics.parked == 1 })
            client.write(Wire.request([("PATH_INFO", "/park")]) + Wire.record(FCGI_ABORT_REQUEST) + Wire.request(Self.get))
            usleep(20_000)
            #expect(stage.loop.statistics.parked == 1)
            #expect(script.replies.withLock { $0.last?.send(text("first")) } == true)
            #expect(try client.answer(more: true).text == "first")
            #expect(try client.nextRecord() == Self.aborted)
            #expect(try client.answer().text == "none")
            #expect(script.endings.withLock { $0.isEmpty })
        }
    }

    @Test("what comes while a request is parked is taken in up to a bound, and nothing of what follows is lost")
    func floodParked() throws {
        try served { (client, stage, script) throws in
            client.write(Wire.request([("PATH_INFO", "/park")]))
            #expect(eventually { stage.loop.statistics.parked == 1 })
            for _ in 0..<40 { client.write(Wire.record(FCGI_STDIN, [UInt8](repeating: 7, count: 1000), id: 9)) }
            client.write(Wire.record(FCGI_ABORT_REQUEST) + Wire.request(Self.get, id: 2))
            usleep(20_000)
            #expect(stage.loop.statistics.parked == 1)
            #expect(script.replies.withLock { $0.last?.send(text("first")) } == true)
            #expect(try client.answer(more: true).text == "first")
            #expect(try client.answer().request == 2)
        }
        var ends: [CInt] = [0, 0]
        try #require(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
        defer { for end in ends { close(end) } }
        let flood = Wire.record(FCGI_STDIN, [UInt8](repeating: 7, count: 40_000), id: 9)
        #expect(write(ends[0], flood, flood.count) == flood.count)
        var search = AbortSearch(for: 1, behind: [])
        while !search.isOver, search.receive(from: ends[1]) > 0 {}
        #expect(search.isOver && !search.isFound && search.bytes == Array(flood.prefix(AbortSearch.most)))
    }

    @Test("a parked request is not ended by the abort of another, and notices all the same when its caller leaves")
    func abortOther() throws {
        let script = Script()
        let stage = try Stage(script, threads: 1)
        defer { stage.stop() }
        var client: Client? = try stage.client()
        client?.write(Wire.request([("PATH_INFO", "/park")]))
        #expect(eventually { stage.loop.statistics.parked == 1 })
        client?.write(Wire.record(FCGI_ABORT_REQUEST, id: 2))
        usleep(20_000)
        #expect(stage.loop.statistics.parked == 1)
        client = nil
        #expect(eventually { script.endings.withLock { $0 } == [.clientLeft] && stage.loop.statistics.connections == 0 })
    }

    // MARK: Requests that follow a whole one

    @Test("requests that come before the answer to the one before them are answered in turn", arguments: [1, 7, 100_000])
    func pipelined(_ piece: Int) throws {
        try served { (client, stage, _) throws in
            // In one piece more than the stack would take one inside the other; in small pieces no more than the sockets hold.
            let count = piece > 1000 ? 1500 : 20
            let body = Array("some".utf8)
            var bytes: [UInt8] = []
            for number in 1...count {
                bytes += Wire.request([("PATH_INFO", "/echo")], body: number % 2 == 0 ? body : [], id: UInt16(number))
            }
            for start in stride(from: 0, to: bytes.count, by: piece) { client.write(Array(bytes[start..<min(start + piece, bytes.count)])) }
            for number in 1...count {
                let answer = try client.answer(more: true)
                #expect(answer.request == UInt16(number))
                #expect(answer.text == (number % 2 == 0 ? "some" : "none"))
            }
            #expect(eventually { stage.loop.statistics.answered == count })
        }
    }

    @Test("a request that follows a parked one, at once or later, is answered after it")
    func pipelinedParked() throws {
        try served { (client, stage, script) throws in
            for isLater in [false, true] {
                let (first, second) = (
                    Wire.request([("PATH_INFO", "/park")]), Wire.question([FCGI_MPXS_CONNS]) + Wire.request(Self.get, id: 2)
                )
                client.write(isLater ? first : first + second)
                #expect(eventually { stage.loop.statistics.parked == 1 })
                if isLater { client.write(second) }
                usleep(20_000)
                #expect(script.replies.withLock { $0.last?.send(text("first")) } == true)
                #expect(try client.answer(more: true).text == "first")
                #expect(try client.nextRecord() == Client.Record(10, Wire.pairs([("FCGI_MPXS_CONNS", "0")])))
                #expect(try client.answer().request == 2)
            }
        }
    }

    @Test("garbage behind a whole request ends the connection after its answer")
    func garbageBehind() throws {
        try served { (client, _, _) throws in
            client.write(Wire.request(Self.get) + Array("GET / HTTP/1.1".utf8))
            #expect(try client.answer().text == "none")
            #expect(try client.seesEnd())
        }
    }

    @Test("a stop answers what has come on a connection, and says so with the last answer")
    func stopped() throws {
        let script = Script()
        let stage = try Stage(script, threads: 1)
        let client = try stage.client()
        client.write(Wire.request([("PATH_INFO", "/park")]) + Wire.request(Self.get, id: 2) + Wire.request(Self.get, id: 3))
        #expect(eventually { stage.loop.statistics.parked == 1 })
        stage.loop.stop(within: .seconds(5))
        #expect(try client.answer(more: true).text == "ended: stopping")
        #expect(try client.answer(more: true).request == 2)
        let last = try client.answer()
        #expect(last.request == 3 && last.trailing.count == 16)
        #expect(try client.seesEnd())
        stage.finish()
    }

    // MARK: Peers that want too much

    @Test("a peer that does not read what it is told holds no thread, and is closed after the send timeout")
    func unread() throws {
        var limits = Limits()
        limits.sendTimeout = .milliseconds(200)
        try served(limits: limits) { (client, stage, _) throws in
            let many = [UInt8]((0..<4000).flatMap { _ in Wire.management(99) })
            let descriptor = client.descriptor
            let writer = try WorkerThread.start(named: "writer") {
                // Until the socket takes no more because the other side does not read either, and then ends.
                while send(descriptor, many, many.count, CInt(MSG_NOSIGNAL)) > 0 {}
            }
            for _ in 0..<20 { #expect(try stage.client().get("/x").text == "none") }
            writer.join()
            #expect(eventually { stage.loop.statistics.connections == 0 })
        }
    }

    @Test("half a request ends in time, whatever management records come with it")
    func slow() throws {
        var limits = Limits()
        limits.receiveTimeout = .milliseconds(100)
        try served(limits: limits) { (_, stage, _) throws in
            for begin in [Wire.begin(), Wire.begin() + Self.post] {
                let half = try stage.client()
                half.write(begin)
                var said = 0
                while half.write(Wire.management(99)), (try? half.nextRecord()) != nil, said < 1000 {
                    said += 1
                    usleep(10_000)
                }
                #expect(said < 100)
            }
        }
    }
}
