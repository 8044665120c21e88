import CLibFCGI
import CSystem
import Glibc
import Testing

@testable import FastCGI

@Suite("Reading a request") struct RequestReaderTests {
    /// What a reader made of bytes: the request's own memory is the reader's.
    private struct Read: Equatable {
        var path: String?
        var long: String?
        var body: Body
        var id: UInt16
        var isKept: Bool
        var hasMore: Bool

        init(_ whole: RequestReader.Whole) {
            path = whole.request.parameter("PATH_INFO")
            long = whole.request.parameter("LONG")
            (body, id, isKept, hasMore) = (whole.request.body, whole.id, whole.isKept, whole.hasMore)
        }
    }

    private enum Failure: Error, Equatable { case ended(Fault?), unfinished }

    /// Sends bytes in pieces of that size, each when the one before was looked at, and answers what the reader makes of them.
    private func read(
        _ bytes: [UInt8], piece: Int = 1 << 20, hangsUp: Bool = false,
        _ policy: @escaping (Request) -> BodyPolicy = { _ in .read(limit: 65_536) }
    ) throws -> Read {
        var pair: [CInt] = [-1, -1]
        try #require(socketpair(AF_UNIX, csys_stream_socket, 0, &pair) == 0)
        defer { pair.forEach { _ = close($0) } }
        let reader = RequestReader(limits: Limits(), bodyPolicy: policy)
        var partial: RequestReader.Partial?
        var position = 0
        while true {
            if position < bytes.count {
                let sent = bytes[position...].prefix(piece).withUnsafeBytes { send(pair[0], $0.baseAddress, $0.count, CInt(MSG_DONTWAIT)) }
                try #require(sent > 0)
                position += sent
                if position == bytes.count, hangsUp { shutdown(pair[0], CInt(SHUT_WR)) }
            }
            switch reader.read(from: pair[1], after: partial) {
            case .nothing: throw Failure.unfinished
            case .part(let more):
                if position == bytes.count, !hangsUp { throw Failure.unfinished }
                partial = more
            case .request(let whole): return Read(whole)
            case .replies: throw Failure.unfinished
            case .end(let fault): throw Failure.ended(fault)
            }
        }
    }

    private static let parameters = [("PATH_INFO", "/x"), ("LONG", String(repeating: "y", count: 300))]

    @Test("a request is the same in whatever pieces and records it comes", arguments: [1, 2, 7, 8, 9, 500, 1 << 20], [65535, 60])
    func pieces(_ piece: Int, _ chunk: Int) throws {
        let body = (0..<2000).map { UInt8(truncatingIfNeeded: $0) }
        for (bytes, wanted) in [
            (Wire.request(Self.parameters, keep: false, id: 0x0102, chunk: chunk, padding: 3), Body.none),
            (Wire.request(Self.parameters, body: body, keep: false, id: 0x0102, chunk: chunk, padding: 3), .bytes(body)),
        ] {
            let read = try read(bytes, piece: piece)
            #expect(read.path == "/x" && read.long == Self.parameters[1].1)
            #expect(read.body == wanted)
            #expect(read.id == 0x0102 && !read.isKept && !read.hasMore)
        }
    }

    @Test("a body is read, ignored or refused by what is said of its request, and it is known whether there is more of it")
    func policies() throws {
        let bytes = Wire.request(Self.parameters, body: [UInt8](repeating: 1, count: 1000))
        let cut = Array(bytes.dropLast(100))
        #expect(try read(bytes) { $0.parameter("PATH_INFO") == "/x" ? .read(limit: 1000) : .ignore }.body.count == 1000)
        for (bytes, hasMore) in [(bytes, false), (cut, true)] {
            let ignored = try read(bytes) { _ in .ignore }
            #expect(ignored.body == .ignored && ignored.hasMore == hasMore)
            let refused = try read(bytes) { _ in .read(limit: 999) }
            #expect(refused.body == .tooLarge && refused.hasMore == hasMore)
        }
        #expect(throws: Failure.self) { try read(cut) }
        // Nothing is asked about a request that has no body and announces none.
        #expect(try read(Wire.request(Self.parameters)) { _ in .read(limit: -1) }.body == .none)
        // One that turns out longer than it was said to be.
        let unannounced =
            Wire.begin() + Wire.stream(FCGI_PARAMS, Wire.pairs(Self.parameters))
            + Wire.stream(FCGI_STDIN, [UInt8](repeating: 1, count: 1000), chunk: 50)
        let refused = try read(unannounced, piece: 600) { _ in .read(limit: 400) }
        #expect(refused.body == .tooLarge && refused.hasMore)
    }

    @Test("a request that is taken back is held to the rules of one that is read, in whatever pieces it comes", arguments: [1, 8, 1 << 20])
    func takenBack(_ piece: Int) throws {
        let stray = Wire.record(FCGI_PARAMS, [1], id: 7)
        let cut = Wire.record(FCGI_PARAMS, [14, 59, 65]) + Wire.record(FCGI_PARAMS)
        let bytes = Wire.begin() + stray + cut + Wire.record(FCGI_ABORT_REQUEST) + Wire.request(Self.parameters)
        #expect(throws: Failure.ended(.parameters)) { try read(bytes, piece: piece) }
    }

    @Test("a body is refused at the head of the record that makes it too long, in whatever pieces it comes", arguments: [1, 8, 1 << 20])
    func announced(_ piece: Int) throws {
        let head = Wire.record(FCGI_STDIN, [UInt8](repeating: 1, count: 101)).prefix(8)
        let bytes = Wire.begin() + Wire.stream(FCGI_PARAMS, Wire.pairs(Self.parameters)) + head
        let refused = try read(bytes, piece: piece) { _ in .read(limit: 100) }
        #expect(refused.body == .tooLarge && refused.hasMore)
    }

    @Test("a caller that hangs up, and one that sends no request, are told apart", arguments: [1, 1 << 20])
    func ends(_ piece: Int) throws {
        func end(_ bytes: [UInt8], hangsUp: Bool = false) -> Fault?? {
            do { _ = try read(bytes, piece: piece, hangsUp: hangsUp) } catch Failure.ended(let fault) { return .some(fault) } catch {}
            return .none
        }
        let whole = Wire.request(Self.parameters, body: [1, 2, 3])
        for count in [1, 20, whole.count - 1] { #expect(end(Array(whole[..<count]), hangsUp: true) == .some(nil)) }
        #expect(end(Array("GET / HTTP/1.1\r\n".utf8)) == .version(0x47))
        #expect(end(Wire.record(FCGI_STDOUT)) == .unexpectedRecord(type: 6))
        // Padding is framing: what is worth no parameter must not fill the memory.
        #expect(end(Wire.begin() + (0..<900).flatMap { _ in Wire.record(FCGI_PARAMS, [65], padding: 255) }) != .none)
    }

    @Test("what a caller still sends is thrown away until it hangs up")
    func discards() throws {
        var pair: [CInt] = [-1, -1]
        try #require(socketpair(AF_UNIX, csys_stream_socket, 0, &pair) == 0)
        defer { pair.forEach { _ = close($0) } }
        let reader = RequestReader(limits: Limits()) { _ in .ignore }
        try #require(send(pair[0], [1, 2, 3], 3, 0) == 3)
        #expect(reader.discard(from: pair[1]))
        var waiting: CInt = 0
        #expect(ioctl(pair[1], UInt(FIONREAD), &waiting) == 0 && waiting == 0)
        shutdown(pair[0], CInt(SHUT_WR))
        #expect(!reader.discard(from: pair[1]))
    }

    @Test("input is collected from pieces of any size", arguments: [1, 2, 3, 7, 8, 9, 1000])
    func input(_ piece: Int) throws {
        let content = (0..<500).map { UInt8(truncatingIfNeeded: $0) }
        let bytes = Wire.stream(FCGI_STDIN, content, id: 9, chunk: 77, padding: 3)
        var input = StandardInput(request: 9, Limits(), limit: 500, expecting: 500)
        var progress = StandardInput.Progress.wants(8)
        var position = 0
        while case .wants(let wanted) = progress {
            #expect(wanted > 0 && wanted <= bytes.count - position)
            let end = min(position + piece, position + wanted)
            progress = try bytes[position..<end].withUnsafeBytes { try input.feed($0) }
            position = end
        }
        #expect(progress == .complete)
        #expect(position == bytes.count)
        #expect(input.content == content)
    }

    @Test("input over the limit, what is no input, and what comes behind it are noticed")
    func wrongInput() throws {
        var input = StandardInput(request: 1, Limits(), limit: 3, expecting: 0)
        #expect(try Wire.stream(FCGI_STDIN, [1, 2, 3, 4]).withUnsafeBytes { try input.feed($0) } == .overLimit)
        var other = StandardInput(request: 1, Limits(), limit: 3, expecting: 0)
        #expect(throws: Fault.unexpectedRecord(type: 8)) { try Wire.stream(FCGI_DATA, [1]).withUnsafeBytes { try other.feed($0) } }
        var more = StandardInput(request: 1, Limits(), limit: 3, expecting: 0)
        #expect(try (Wire.stream(FCGI_STDIN, [1]) + [1, 2]).withUnsafeBytes { try more.feed($0) } == .complete)
        #expect(more.content == [1] && more.ahead == [1, 2])
    }
}

extension Body {
    fileprivate var count: Int { if case .bytes(let bytes) = self { bytes.count } else { 0 } }
}
