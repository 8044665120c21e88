import CLibFCGI
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

    private struct Read: Equatable {
        var parameters: [String]
        var body: [UInt8]
        var request: UInt16
        var isKept: Bool
    }

    private func byLibrary(_ bytes: [UInt8]) throws -> Read {
        try #require(Self.isStarted)
        var pair: [CInt] = [-1, -1]
        try #require(socketpair(AF_UNIX, csys_stream_socket, 0, &pair) == 0)
        defer { pair.forEach { _ = close($0) } }
        try #require(send(pair[0], bytes, bytes.count, CInt(MSG_DONTWAIT)) == bytes.count)
        var request = FCGX_Request()
        FCGX_InitRequest(&request, -1, 0)
        request.ipcFd = pair[1]
        request.keepConnection = 1
        request.detached = 1
        try #require(FCGX_Accept_r(&request) == 0)
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
        return Read(parameters: parameters, body: body, request: UInt16(request.requestId), isKept: request.keepConnection != 0)
    }

    private func byLoop(_ bytes: [UInt8], names: [String]) throws -> Read {
        try bytes.withUnsafeBytes { raw in
            let scan = try #require(try RequestScan.look(at: raw, limits: Limits()))
            let pairs = scan.joinedPairs(raw)
            if let place = scan.pairs { #expect(Array(raw[place]) == pairs) }
            var input = StandardInput(request: scan.request, limit: 1 << 20, expecting: scan.inputLength)
            #expect(try input.feed(UnsafeRawBufferPointer(rebasing: raw[scan.parametersEnd...])) == .complete)
            let parameters = pairs.withUnsafeBytes { pairs in
                var position = 0
                return names.map { name in
                    var length = 0
                    let value = csys_parameter(pairs.baseAddress, pairs.count, &position, name, name.utf8.count, &length)
                    return "\(name)="
                        + (value.map { String(decoding: UnsafeBufferPointer(start: $0, count: length), as: UTF8.self) } ?? "?")
                }
            }
            return Read(parameters: parameters, body: input.content, request: scan.request, isKept: scan.isKept)
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
            let names = parameters.map(\.0) + (body.isEmpty ? [] : ["CONTENT_LENGTH"])
            #expect(try byLoop(bytes, names: names) == byLibrary(bytes))
        }
    }
}
