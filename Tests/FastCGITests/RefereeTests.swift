import CLibFCGI
import CLibFCGIApplication
import CSystem
import Glibc
import Testing

@testable import FastCGI

/// libfcgi is the protocol's reference: what it reads in a request, the event loop has to read, too.
@Suite("libfcgi as referee", .serialized) struct RefereeTests {
    /// FCGX_Init handles signals, which belong to the tests.
    private static let isStarted: Bool = {
        let kept = [SIGTERM, SIGUSR1, SIGPIPE].map { number in
            var action = sigaction()
            sigaction(number, nil, &action)
            return (number, action)
        }
        let result = FCGX_Init()
        for (number, action) in kept {
            var action = action
            sigaction(number, &action, nil)
        }
        return result == 0
    }()

    private let reader = RequestReader(limits: Limits()) { _ in .read(limit: 1 << 20) }

    private struct Read: Equatable {
        var parameters: [String]
        var body: [UInt8]
        var request: UInt16
        var isKept: Bool

        init(parameters: [String], body: [UInt8], request: UInt16, isKept: Bool) {
            (self.parameters, self.body, self.request, self.isKept) = (parameters, body, request, isKept)
        }

        init(_ whole: RequestReader.Whole) {
            parameters = Wire.texts(whole.request.kept.pairs).map { "\($0.0)=\($0.1)" }
            body = if case .bytes(let bytes) = whole.request.body { bytes } else { [] }
            (request, isKept) = (whole.id, whole.isKept)
        }
    }

    /// - Parameter said: is given what libfcgi has written while it read.
    private func byLibrary(_ bytes: [UInt8], said: ([UInt8]) -> Void = { _ in }) throws -> Read? {
        try #require(Self.isStarted)
        var pair: [CInt] = [-1, -1]
        try #require(socketpair(AF_UNIX, csys_stream_socket, 0, &pair) == 0)
        defer { pair.forEach { _ = close($0) } }
        try #require(send(pair[0], bytes, bytes.count, CInt(MSG_DONTWAIT)) == bytes.count)
        shutdown(pair[0], CInt(SHUT_WR))  // it would wait for more
        var request = FCGX_Request()
        FCGX_InitRequest(&request, -1, 0)
        request.ipcFd = pair[1]
        request.keepConnection = 1
        request.detached = 1
        guard FCGX_Accept_r(&request) == 0 else {
            pair[1] = -1  // it has closed it
            return nil
        }
        defer { FCGX_Free(&request, 0) }
        var parameters: [String] = []
        var next = request.envp
        while let text = next?.pointee {
            parameters.append(String(cString: text))
            next = next?.advanced(by: 1)
        }
        parameters.removeAll { $0 == "FCGI_ROLE=RESPONDER" }  // libfcgi's own
        var body: [UInt8] = []
        while case let byte = FCGX_GetChar(request.in), byte >= 0 { body.append(UInt8(byte)) }
        var room = [UInt8](repeating: 0, count: 65536)
        let count = recv(pair[0], &room, room.count, CInt(MSG_DONTWAIT))
        said(Array(room.prefix(max(0, count))))
        return Read(parameters: parameters, body: body, request: UInt16(request.requestId), isKept: request.keepConnection != 0)
    }

    /// What the reader makes of bytes that come at once, and what it has said meanwhile; nil when it makes no request of them.
    private func byLoop(_ bytes: [UInt8]) throws -> (read: Read, said: [UInt8])? {
        var pair: [CInt] = [-1, -1]
        try #require(socketpair(AF_UNIX, csys_stream_socket, 0, &pair) == 0)
        defer { pair.forEach { _ = close($0) } }
        try #require(send(pair[0], bytes, bytes.count, CInt(MSG_DONTWAIT)) == bytes.count)
        var said: [UInt8] = []
        var arrival = reader.read(from: pair[1], after: nil)
        while true {
            switch arrival {
            case .replies(let replies):
                said += replies.records
                guard !replies.isLast, let rest = replies.rest else { return nil }
                arrival = reader.look(at: rest)
            case .request(let whole): return (Read(whole), said)
            case .nothing, .part, .end: return nil
            }
        }
    }

    @Test("500 requests of any shape are read alike")
    func alike() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<500 {
            let parameters = (0..<Int.random(in: 0...60, using: &random)).map { place in
                let name = String(repeating: "N", count: Int.random(in: 1...(place % 20 == 0 ? 300 : 30), using: &random))
                return (name, String(repeating: "v", count: Int.random(in: 0...(place % 7 == 0 ? 3000 : 60), using: &random)))
            }
            let body = [UInt8](repeating: 7, count: Int.random(in: 0...3, using: &random) * Int.random(in: 0...6000, using: &random))
            // No padding after the empty record that ends the parameters: libfcgi would read it as the body's beginning.
            let bytes = Wire.request(
                parameters, body: body, keep: Bool.random(using: &random), id: UInt16.random(in: 1...65535, using: &random),
                chunk: Int.random(in: 1...3, using: &random) == 1 ? Int.random(in: 7...500, using: &random) : 65535)
            #expect(try byLoop(bytes)?.read == byLibrary(bytes))
        }
    }

    @Test("of 20,000 random and mutated requests, those that are answered are read as libfcgi reads them")
    func corpus() throws {
        var random = SystemRandomNumberGenerator()
        var read = 0
        for round in 0..<20_000 {
            let bytes = GarbageTests.corpus(round, &random)
            // What is said to a management record is written by libfcgi into 64 bytes, however long it is.
            // What comes before anything has begun ends a connection of libfcgi's; the specification has it ignored.
            guard bytes.starts(with: [UInt8(FCGI_VERSION_1), UInt8(FCGI_BEGIN_REQUEST)]) else { continue }
            guard let ours = try byLoop(bytes), ours.said.isEmpty, !hasPaddingThatLibraryReads(bytes) else { continue }
            read += 1
            #expect(try ours.read == byLibrary(bytes), "\(bytes)")
        }
        #expect(read > 50)
    }

    /// libfcgi takes padding behind FCGI_BEGIN_REQUEST, and behind the empty record that ends the parameters, for what follows.
    private func hasPaddingThatLibraryReads(_ bytes: [UInt8]) -> Bool {
        var position = 0
        while position + 8 <= bytes.count {
            let header = bytes.withUnsafeBytes { RecordHeader($0, at: position) }
            let isRead = header.type == RecordHeader.beginRequest || header.type == RecordHeader.parameters && header.contentLength == 0
            if isRead, header.paddingLength > 0 { return true }
            position += header.recordLength
        }
        return false
    }

    @Test("management records and a second request are answered in the same form")
    func management() throws {
        let get = [("REQUEST_METHOD", "GET"), ("PATH_INFO", "/x")]
        let parameters = Wire.stream(FCGI_PARAMS, Wire.pairs(get))
        // Unknown types without content: libfcgi goes on with it as if it were the request's.
        let all = [FCGI_MAX_CONNS, FCGI_MAX_REQS, FCGI_MPXS_CONNS]
        for record in [
            Wire.question(all), Wire.question(all.reversed(), padding: 5), Wire.question([FCGI_MPXS_CONNS]), Wire.question(["A"]),
            Wire.question([]), Wire.management(99), Wire.management(FCGI_STDIN), Wire.management(FCGI_UNKNOWN_TYPE),
            Wire.begin(id: 2), Wire.begin(role: FCGI_FILTER, id: 0x0302),
        ] {
            let isBegin = record[1] == UInt8(FCGI_BEGIN_REQUEST)
            for bytes in [
                (isBegin ? [] : record) + Wire.request(get), Wire.begin() + record + parameters + Wire.stream(FCGI_STDIN, []),
                Wire.begin() + parameters + record + Wire.stream(FCGI_STDIN, [1, 2]),
                Wire.begin() + parameters + Wire.record(FCGI_STDIN, [1, 2]) + record + Wire.stream(FCGI_STDIN, [3]),
            ] where bytes.count != Wire.request(get).count {
                var theirs: [UInt8] = []
                let read = try byLibrary(bytes) { theirs = $0 }
                let ours = try #require(try byLoop(bytes))
                #expect(ours.read == read)
                #expect(try forms(ours.said) == forms(theirs), "\(bytes)")
            }
        }
    }

    /// Type, request and content of each record; of FCGI_GET_VALUES_RESULT the names alone, since the numbers are each program's own.
    private func forms(_ bytes: [UInt8]) throws -> [Client.Record] {
        var rest = bytes
        var records: [Client.Record] = []
        while !rest.isEmpty {
            let record = try #require(Client.Record(&rest))
            let isValues = record.type == UInt8(FCGI_GET_VALUES_RESULT)
            records.append(
                isValues ? Client.Record(FCGI_GET_VALUES_RESULT, Wire.texts(record.content).map(\.0).sorted().flatMap(\.utf8)) : record)
        }
        return records
    }
}
