import CSystem
import Glibc
import Logging
import Testing

@testable import FastCGI

@Suite("Answers on their way out") struct ResponseWriterTests {
    private let log: Logger = {
        var log = Logger(label: "test")
        log.logLevel = .critical
        return log
    }()

    /// Sends an answer through a socket that is read in small pieces, and answers all bytes.
    private func sent(_ response: Response, _ ending: ResponseWriter.Ending = .asAsked, reading piece: Int = 1 << 20) throws -> [UInt8] {
        var pair: [CInt] = [-1, -1]
        try #require(socketpair(AF_UNIX, csys_stream_socket, 0, &pair) == 0)
        defer { pair.forEach { _ = close($0) } }
        let writer = ResponseWriter(log: log)
        var progress = writer.write(response, to: 0x0102, ending, on: pair[0])
        var bytes: [UInt8] = []
        var room = [UInt8](repeating: 0, count: piece)
        while true {
            while case let count = recv(pair[1], &room, room.count, CInt(MSG_DONTWAIT)), count > 0 { bytes += room[..<count] }
            switch progress {
            case .done: return bytes
            case .blocked(let unsent): progress = writer.write(unsent, on: pair[0])
            case .failed: throw Client.Failure.closed
            }
        }
    }

    /// Type and content of each record; all must be of the one request, whole, and end where the bytes end.
    private func records(_ bytes: [UInt8]) throws -> [(type: UInt8, content: [UInt8])] {
        var records: [(type: UInt8, content: [UInt8])] = []
        var position = 0
        while position < bytes.count {
            let record = bytes.withUnsafeBytes { RecordHeader($0, at: position) }
            let end = position + 8 + record.contentLength
            try #require(end <= bytes.count && record.paddingLength == 0)
            #expect(record.request == (record.type == RecordHeader.unknownType ? 0 : 0x0102))
            records.append((record.type, Array(bytes[(position + 8)..<end])))
            position = end
        }
        return records
    }

    private func content(_ records: [(type: UInt8, content: [UInt8])]) -> [UInt8] {
        records.filter { $0.type == RecordHeader.standardOutput }.flatMap(\.content)
    }

    @Test(
        "bodies of every size arrive whole, however the socket takes them", arguments: [0, 1, 65_400, 65_528, 65_529, 200_000, 1_000_000])
    func sizes(_ size: Int) throws {
        let body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let bytes = try sent(Response(status: 200, contentType: "a/b", body: body), reading: 10_007)
        let records = try records(bytes)
        let head = Array("Status: 200 OK\r\nContent-Type: a/b\r\nContent-Length: \(size)\r\n\r\n".utf8)
        #expect(content(records) == head + body)
        #expect(records.dropLast(2).allSatisfy { $0.type == RecordHeader.standardOutput && !$0.content.isEmpty })
        #expect(records.suffix(2).map(\.type) == [RecordHeader.standardOutput, RecordHeader.endRequest])
        #expect(records.last?.content == [UInt8](repeating: 0, count: 8))
        #expect(records.count == 2 + (head.count + size + 65_527) / 65_528)
    }

    @Test("neither 304 nor HEAD has a body, and only HEAD has its length")
    func bodiless() throws {
        var head = Response(status: 200, body: [1, 2, 3])
        head.omitsBody = true
        #expect(String(decoding: content(try records(try sent(head))), as: UTF8.self) == "Status: 200 OK\r\nContent-Length: 3\r\n\r\n")
        let unchanged = Response(status: 304, body: [1, 2, 3])
        #expect(String(decoding: content(try records(try sent(unchanged))), as: UTF8.self) == "Status: 304 Not Modified\r\n\r\n")
    }

    @Test("a connection that is left has one more record after its last answer")
    func leaving() throws {
        #expect(
            try records(try sent(Response(status: 204), .leaving)).map(\.type) == [
                RecordHeader.standardOutput, RecordHeader.standardOutput, RecordHeader.endRequest, RecordHeader.unknownType,
            ])
    }

    @Test("header lines that no record takes make no answer")
    func monstrous() throws {
        var response = Response(status: 200)
        response.add("X", String(repeating: "x", count: 65_528))
        #expect(UnsentResponse(response, to: 1, .asAsked) == nil)
        #expect(throws: Client.Failure.closed) { try sent(response) }
    }

    @Test("a caller that is gone is noticed, without a signal")
    func gone() throws {
        var pair: [CInt] = [-1, -1]
        try #require(socketpair(AF_UNIX, csys_stream_socket, 0, &pair) == 0)
        close(pair[1])
        defer { close(pair[0]) }
        let writer = ResponseWriter(log: log)
        guard case .failed = writer.write(Response(status: 200), to: 1, .asAsked, on: pair[0]) else { throw Client.Failure.protocolError }
    }
}
