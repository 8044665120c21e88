import Testing

@testable import FastCGI

/// The state machine alone: no socket, no epoll, no thread.
@Suite("A connection") struct ConnectionTests {
    private let connection: Connection = {
        let connection = Connection(descriptor: -1)
        connection.open(isTCP: false)
        return connection
    }()

    private func arrives(kept: Bool = true, more: Bool = false, ahead: [UInt8] = []) -> RequestReader.Arrival {
        .request(RequestReader.Whole(request: Request(testing: [("PATH_INFO", "/x")]), id: 7, isKept: kept, hasMore: more, ahead: ahead))
    }

    private func replies(isLast: Bool = false, rest: [UInt8]? = nil) -> RequestReader.Arrival {
        .replies(RequestReader.Replies(records: [1, 2], isLast: isLast, rest: rest.map { .parameters($0) }))
    }

    private func unsent() throws -> UnsentResponse { try #require(UnsentResponse(Response(status: 200), to: 7, .asAsked)) }

    @Test("is read, handled, answered and read again as long as it is kept")
    func kept() {
        for _ in 0..<3 {
            #expect(connection.ready().text == "read")
            #expect(connection.arrived(arrives()).text == "handle /x")
            #expect(connection.request == 7)
            #expect(connection.answering(isLeaving: false) == .asAsked)
            #expect(connection.wrote(.done).text == "wait until readable")
        }
        #expect(connection.ready().text == "read")
        #expect(connection.arrived(.nothing).text == "wait until readable")
    }

    @Test("that the caller does not want kept is closed after its answer")
    func notKept() {
        _ = connection.arrived(arrives(kept: false))
        #expect(connection.answering(isLeaving: false) == .asAsked)
        #expect(connection.wrote(.done).text == "close")
    }

    @Test("of a loop that leaves says so with its last answer, where the caller wants it kept")
    func leaving() {
        _ = connection.arrived(arrives())
        #expect(connection.answering(isLeaving: true) == .leaving)
        #expect(connection.wrote(.done).text == "close")
        _ = connection.arrived(arrives(kept: false))
        #expect(connection.answering(isLeaving: true) == .asAsked)
    }

    @Test("with half a request waits for a limited time, and reads on behind what has come")
    func parts() {
        for count in 1...3 {
            #expect(connection.arrived(.part(.parameters([UInt8](repeating: 1, count: count)))).text == "wait until readable, receive")
            #expect(connection.ready().text == "read after \(count)")
        }
        #expect(connection.arrived(arrives()).text == "handle /x")
    }

    @Test("whose caller does not read waits for a limited time until it can be written")
    func blocked() throws {
        _ = connection.arrived(arrives())
        _ = connection.answering(isLeaving: false)
        for _ in 0..<2 {
            #expect(connection.wrote(.blocked(try unsent())).text == "wait until writable, send")
            #expect(connection.ready().text == "write")
        }
        #expect(connection.wrote(.done).text == "wait until readable")
    }

    @Test("that was not read to the end lingers after its answer, until the caller has hung up")
    func lingering() {
        _ = connection.arrived(arrives(more: true))
        #expect(connection.answering(isLeaving: false) == .leaving)
        #expect(connection.wrote(.done).text == "end sending")
        for _ in 0..<2 {
            #expect(connection.discarded(mayGoOn: true).text == "wait until readable, receive")
            #expect(connection.ready().text == "discard")
        }
        #expect(connection.discarded(mayGoOn: false).text == "close")
    }

    @Test("is closed when the caller hangs up, sends what is no request, or does not take its answer")
    func ends() {
        #expect(connection.arrived(.end(nil)).text == "close")
        #expect(connection.arrived(.end(.parameters)).text == "close: parameters")
        _ = connection.arrived(arrives())
        #expect(connection.wrote(.failed).text == "close")
    }

    @Test("looks at what came behind a request when that is answered, also in a loop that leaves")
    func pipelined() {
        for isLeaving in [false, true] {
            #expect(connection.arrived(arrives(ahead: [1, 2, 3])).text == "handle /x")
            #expect(connection.answering(isLeaving: isLeaving) == .asAsked)
            #expect(connection.wrote(.done).text == "look at 3")
        }
        _ = connection.arrived(arrives())
        #expect(connection.answering(isLeaving: true) == .leaving)
    }

    @Test("that is not kept lingers when something came behind its request")
    func pipelinedLast() {
        _ = connection.arrived(arrives(kept: false, ahead: [1]))
        #expect(connection.answering(isLeaving: false) == .asAsked)
        #expect(connection.wrote(.done).text == "end sending")
    }

    @Test("answers what is no request, and then looks at what came behind it, waits, or ends")
    func replied() {
        #expect(connection.arrived(replies(rest: [1, 2])).text == "write")
        #expect(connection.wrote(.done).text == "look at 2")
        #expect(connection.arrived(replies()).text == "write")
        #expect(connection.wrote(.done).text == "wait until readable")
        #expect(connection.arrived(replies(isLast: true, rest: [1])).text == "write")
        #expect(connection.wrote(.done).text == "end sending")
    }

    @Test("knows nothing of the connection that had its number before")
    func again() {
        _ = connection.arrived(.part(.parameters([1])))
        connection.close()
        connection.open(isTCP: false)
        #expect(connection.ready().text == "read")
    }

    @Test("is had by the one that epoll woke, once for each time it was armed")
    func owner() {
        let first = connection.rest()
        #expect(!first.isWatched)
        #expect(connection.take(epoch: first.epoch &- 1).text == "stale")
        #expect(connection.take(epoch: first.epoch).text == "mine")
        #expect(connection.take(epoch: first.epoch).text == "stale")
        // With a limit what was armed before does not count any more.
        #expect(connection.renewEpoch() != first.epoch)
        let second = connection.rest()
        #expect(second.isWatched)
        #expect(connection.take(epoch: first.epoch).text == "stale")
        #expect(connection.take(epoch: second.epoch).text == "mine")
        connection.close()
        #expect(!connection.isOpen)
        #expect(connection.take(epoch: second.epoch).text == "stale")
    }

    @Test("that is parked is its reply's, whose end makes the caller's leaving stale")
    func parked() {
        let reply = ResponseHandle(timers: TimerQueue(), ended: { _ in Response(status: 503) }, deliver: { _ in })
        let (arming, _) = connection.park(reply)
        #expect(connection.parkedReply === reply)
        #expect(connection.take(epoch: arming.epoch).text == "leaving")
        connection.takeBack()
        #expect(connection.parkedReply == nil)
        #expect(connection.take(epoch: arming.epoch).text == "stale")
    }
}

extension Connection.Action {
    fileprivate var text: String {
        switch self {
        case .read: "read"
        case .readOn(after: .parameters(let bytes)): "read after \(bytes.count)"
        case .readOn(after: .body): "read after a part of the body"
        case .handle(let request): "handle \(request.parameter("PATH_INFO") ?? "")"
        case .look(at: .parameters(let bytes)): "look at \(bytes.count)"
        case .look(at: .body): "look at a part of the body"
        case .write: "write"
        case .endSending: "end sending"
        case .discard: "discard"
        case .wait(let interest, let limit): "wait until \(interest)" + (limit.map { ", \($0)" } ?? "")
        case .close(let fault): "close" + (fault.map { ": \($0)" } ?? "")
        }
    }
}

extension Connection.Taken {
    fileprivate var text: String {
        switch self {
        case .mine: "mine"
        case .leaving: "leaving"
        case .aborting: "aborting"
        case .staying: "staying"
        case .stale: "stale"
        }
    }
}
