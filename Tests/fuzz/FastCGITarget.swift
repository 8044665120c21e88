import CLibFCGI
import CLibFCGIApplication
import CSystem
import Glibc

@testable import FastCGI

/// What comes on a connection. The first byte says how it is cut: in any pieces it is read as in one; and a request that is read at all is
/// what libfcgi, the protocol's reference, reads.
@Sendable func fuzzFastCGI(_ bytes: [UInt8]) {
    var choices = Choices(bytes)
    let piece = Int(choices.next())
    let connection = Array(choices.rest)
    let whole = Conversation(connection, piece: connection.count)
    let cut = Conversation(connection, piece: 1 + piece % 40)
    if connection.contains([UInt8(FCGI_VERSION_1), UInt8(FCGI_ABORT_REQUEST)]) {
        // Where the end of a request comes with it, it is not read; where it comes later, it was read by then.
        expect(whole.requests.allSatisfy(cut.requests.contains), "pieces are read as the whole is, and what is taken back in it")
    } else if cut.requests.last?.body == .tooLarge, whole.requests.count < cut.requests.count {
        // What came with a body that is too large is looked at, and may be wrong or not whole; what has not come yet is not waited for.
        expect(whole.requests == cut.requests.dropLast(), "pieces are read as the whole is, up to a body that is too large")
    } else {
        expect(whole.requests == cut.requests, "pieces are read as the whole is")
        expect(whole.isRefused == cut.isRefused && whole.isOver == cut.isOver, "pieces end as the whole does")
        // Where a connection ends for what it sent, nothing more need be said on it.
        let isEnded = whole.isRefused || whole.requests.last?.body == .tooLarge
        expect(isEnded || whole.said == cut.said, "pieces are answered as the whole is")
    }
    // What comes before anything has begun ends a connection of libfcgi's; the specification has it ignored.
    let begins = connection.starts(with: [UInt8(FCGI_VERSION_1), UInt8(FCGI_BEGIN_REQUEST)])
    if let first = whole.requests.first, whole.isPlain, begins, !isMisreadByLibrary(connection, request: first.request) {
        expect(readByLibrary(connection) == first, "libfcgi reads the same")
    }
}

private struct ReadRequest: Equatable {
    var parameters: [[UInt8]]
    var body: Body
    var request: UInt16
    var isKept: Bool
}

/// A connection, from its first byte to the last that was sent.
private struct Conversation {
    private(set) var requests: [ReadRequest] = []
    private(set) var said: [UInt8] = []
    private(set) var isRefused = false
    /// It ends before all has been read.
    private(set) var isOver = false
    /// The first request began at once, was whole, and nothing else came before its end.
    private(set) var isPlain = false

    /// `nonisolated(unsafe)`: libFuzzer calls from one thread.
    nonisolated(unsafe) private static let reader = RequestReader(limits: limits) { _ in .read(limit: 512) }
    private static let limits: Limits = {
        var limits = Limits()
        (limits.parameterBytes, limits.parameterCount, limits.connections, limits.parked) = (2048, 40, 100, 50)
        return limits
    }()

    init(_ bytes: [UInt8], piece: Int) {
        guard let pair = socketPair() else { return }
        defer { pair.close() }
        var partial: RequestReader.Partial?
        for start in stride(from: 0, to: bytes.count, by: max(1, piece)) {
            send(pair.far, Array(bytes[start..<min(start + piece, bytes.count)]))
            take(from: pair.near, &partial)
            if isOver { return }
        }
    }

    /// Reads on until nothing is left to read.
    private mutating func take(from descriptor: CInt, _ partial: inout RequestReader.Partial?) {
        var arrival = Self.reader.read(from: descriptor, after: partial)
        partial = nil
        while !isOver {
            switch arrival {
            case .nothing: return
            case .part(let rest):
                partial = rest
                return
            case .request(let whole):
                add(whole)
                let ahead: RequestReader.Partial? = whole.ahead.isEmpty ? nil : .parameters(whole.ahead)
                arrival = ahead.map { look(at: $0, descriptor) } ?? Self.reader.read(from: descriptor, after: nil)
            case .replies(let replies):
                said += replies.records
                isOver = replies.isLast
                arrival = replies.rest.map { look(at: $0, descriptor) } ?? Self.reader.read(from: descriptor, after: nil)
            case .end(let fault): (isRefused, isOver) = (fault != nil, true)
            }
        }
    }

    /// What has come already; and where it is not enough, what comes next.
    private func look(at rest: RequestReader.Partial, _ descriptor: CInt) -> RequestReader.Arrival {
        guard case .part(let rest) = Self.reader.look(at: rest) else { return Self.reader.look(at: rest) }
        return Self.reader.read(from: descriptor, after: rest)
    }

    private mutating func add(_ whole: RequestReader.Whole) {
        if requests.isEmpty { isPlain = said.isEmpty && whole.request.body != .tooLarge }
        let pairs = ParameterPairs(whole.request.kept.pairs)
        expect(pairs.isWhole, "the parameters of a request are whole")
        for (name, value) in pairs.all {
            let isClear = !name.isEmpty && !name.contains(0) && !name.contains(UInt8(ascii: "=")) && !value.contains(0)
            expect(isClear, "no parameter reads in two ways")
        }
        requests.append(
            ReadRequest(
                parameters: pairs.all.map { $0.name + [UInt8(ascii: "=")] + $0.value }, body: whole.request.body, request: whole.id,
                isKept: whole.isKept))
        // What is not read of a body that is too large ends the connection.
        isOver = !whole.isKept || whole.request.body == .tooLarge
    }
}

/// Name-value pairs (FastCGI Specification 1.0, section 3.4), read once more and in another way.
private struct ParameterPairs {
    private(set) var all: [(name: [UInt8], value: [UInt8])] = []
    private(set) var isWhole = true
    private var rest: ArraySlice<UInt8>

    init(_ pairs: [UInt8]) {
        rest = pairs[...]
        while !rest.isEmpty, isWhole {
            let (name, value) = (length(), length())
            guard isWhole, name + value <= rest.count else {
                isWhole = false
                return
            }
            all.append((Array(rest.prefix(name)), Array(rest.dropFirst(name).prefix(value))))
            rest = rest.dropFirst(name + value)
        }
    }

    private mutating func length() -> Int {
        guard let first = rest.popFirst() else { return 0 }
        guard first & 0x80 != 0 else { return Int(first) }
        let bytes = rest.prefix(3)
        if bytes.count < 3 { isWhole = false }
        rest = rest.dropFirst(3)
        return bytes.reduce(Int(first & 0x7F)) { $0 << 8 | Int($1) }
    }
}

// MARK: Sockets

private func socketPair() -> (near: CInt, far: CInt, close: () -> Void)? {
    var pair: [CInt] = [-1, -1]
    guard socketpair(AF_UNIX, csys_stream_socket, 0, &pair) == 0 else { return nil }
    let (near, far) = (pair[0], pair[1])
    return (near, far, { _ = (close(near), close(far)) })
}

private func send(_ descriptor: CInt, _ bytes: [UInt8]) {
    expect(send(descriptor, bytes, bytes.count, CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL)) == bytes.count, "a socket takes an input")
}

// MARK: The reference

/// FCGX_Init handles signals, which are libFuzzer's.
private let isStarted: Bool = {
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

/// The first request that libfcgi reads in the bytes.
private func readByLibrary(_ bytes: [UInt8]) -> ReadRequest? {
    guard isStarted, let pair = socketPair() else { return nil }
    defer { pair.close() }
    send(pair.far, bytes)
    shutdown(pair.far, CInt(SHUT_WR))  // it would wait for more
    var request = FCGX_Request()
    FCGX_InitRequest(&request, -1, 0)
    (request.ipcFd, request.keepConnection, request.detached) = (dup(pair.near), 1, 1)
    guard FCGX_Accept_r(&request) == 0 else { return nil }
    defer { FCGX_Free(&request, 1) }
    var parameters: [[UInt8]] = []
    var next = request.envp
    while let text = next?.pointee {
        parameters.append(Array(UnsafeRawBufferPointer(start: text, count: strlen(text))))
        next = next?.advanced(by: 1)
    }
    parameters.removeAll { $0.elementsEqual("FCGI_ROLE=RESPONDER".utf8) }  // libfcgi's own
    var body: [UInt8] = []
    while case let byte = FCGX_GetChar(request.in), byte >= 0 { body.append(UInt8(truncatingIfNeeded: byte)) }
    return ReadRequest(
        parameters: parameters, body: body.isEmpty ? .none : .bytes(body), request: UInt16(truncatingIfNeeded: request.requestId),
        isKept: request.keepConnection != 0)
}

/// Where libfcgi 2.4.2 does not read what the specification says (`FillBuffProc` in its fcgiapp.c). It takes padding behind
/// FCGI_BEGIN_REQUEST, and behind the empty record that ends the parameters, for what follows; and after an empty record of another
/// request it passes over the content of the next one.
private func isMisreadByLibrary(_ bytes: [UInt8], request: UInt16) -> Bool {
    var position = 0
    while position + RecordHeader.headerLength <= bytes.count {
        let header = bytes.withUnsafeBytes { RecordHeader($0, at: position) }
        let isEmpty = header.contentLength == 0
        let endsParameters = header.type == RecordHeader.parameters && isEmpty
        if header.type == RecordHeader.beginRequest || endsParameters, header.paddingLength > 0 { return true }
        if isEmpty, header.type != RecordHeader.beginRequest, ![request, RecordHeader.noRequest].contains(header.request) { return true }
        position += header.recordLength
    }
    return false
}
