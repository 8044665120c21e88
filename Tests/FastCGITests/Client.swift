import CLibFCGI
import CSystem
import Glibc

/// A FastCGI web server's side of one connection, as small as the tests need it. Blocking, with a receive timeout of 5 s.
final class Client {
    struct Answer: Equatable {
        var head: [String] = []
        var body: [UInt8] = []
        var request: UInt16 = 0
        /// Bytes that came after END_REQUEST in the same read.
        var trailing: [UInt8] = []

        var status: Int { header("Status").flatMap { Int($0.prefix(3)) } ?? 0 }
        var text: String { String(decoding: body, as: UTF8.self) }

        func header(_ name: String) -> String? {
            head.first { $0.hasPrefix("\(name): ") }.map { String($0.dropFirst(name.utf8.count + 2)) }
        }
    }

    /// A record as it came, without its padding.
    struct Record: Equatable {
        let type: UInt8
        let id: UInt16
        let content: [UInt8]

        init(_ type: CInt, id: UInt16 = UInt16(FCGI_NULL_REQUEST_ID), _ content: [UInt8]) {
            (self.type, self.id, self.content) = (UInt8(type), id, content)
        }

        /// Takes the first record; nil while it is not whole.
        init?(_ bytes: inout [UInt8]) {
            let size = MemoryLayout<FCGI_Header>.size
            guard bytes.count >= size else { return nil }
            let header = bytes.withUnsafeBytes { $0.loadUnaligned(as: FCGI_Header.self) }
            let length = Int(header.contentLengthB1) << 8 | Int(header.contentLengthB0)
            guard bytes.count >= size + length + Int(header.paddingLength) else { return nil }
            type = header.type
            id = UInt16(header.requestIdB1) << 8 | UInt16(header.requestIdB0)
            content = Array(bytes[size..<(size + length)])
            bytes.removeFirst(size + length + Int(header.paddingLength))
        }
    }

    enum Failure: Error, Equatable {
        case connect(CInt)
        case closed, timedOut, protocolError
    }

    let descriptor: CInt
    private var buffer: [UInt8] = []

    /// The next bytes as they come.
    func bytes(_ count: Int) throws -> [UInt8] {
        while buffer.count < count { try fill() }
        defer { buffer.removeFirst(count) }
        return Array(buffer.prefix(count))
    }

    convenience init(path: String) throws {
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        try self.init(name, AF_UNIX)
    }

    /// A port on 127.0.0.1.
    convenience init(port: UInt16) throws {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        try self.init(name, AF_INET)
    }

    private init<Name>(_ name: Name, _ family: CInt) throws {
        descriptor = socket(family, csys_stream_socket, 0)
        let result = withUnsafePointer(to: name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<Name>.size))
            }
        }
        guard result == 0 else { throw Failure.connect(errno) }
        var timeout = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    func exchange(_ parameters: [(String, String)], body: [UInt8] = [], keep: Bool = true, id: UInt16 = 1) throws -> Answer {
        write(Wire.request(parameters, body: body, keep: keep, id: id))
        return try answer()
    }

    func get(_ path: String, keep: Bool = true) throws -> Answer {
        try exchange([("REQUEST_METHOD", "GET"), ("PATH_INFO", path)], keep: keep)
    }

    /// Sends bytes as they are; false when the other side has closed.
    @discardableResult
    func write(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress! + sent, bytes.count - sent, CInt(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// Reads up to END_REQUEST.
    /// - Parameter more: what comes after it in the same read is left for the next.
    func answer(more: Bool = false) throws -> Answer {
        var answer = Answer()
        var output: [UInt8] = []
        while true {
            let record = try nextRecord()
            answer.request = record.id
            switch CInt(record.type) {
            case FCGI_STDOUT: output += record.content
            case FCGI_END_REQUEST:
                if more { return split(output, into: answer) }
                answer.trailing = buffer
                buffer = []
                return split(output, into: answer)
            default: throw Failure.protocolError
            }
        }
    }

    /// True when the other side closes without another byte.
    func seesEnd() throws -> Bool {
        if !buffer.isEmpty { return false }
        do { try fill() } catch Failure.closed { return true }
        return false
    }

    /// Nothing more will be sent (half-closes the connection).
    func endSending() { shutdown(descriptor, CInt(SHUT_WR)) }

    func nextRecord() throws -> Record {
        while true {
            if let record = Record(&buffer) { return record }
            try fill()
        }
    }

    private func fill() throws {
        var chunk = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        if count < 0, errno == EAGAIN { throw Failure.timedOut }
        guard count > 0 else { throw Failure.closed }
        buffer += chunk[..<count]
    }

    private func split(_ output: [UInt8], into answer: Answer) -> Answer {
        var answer = answer
        var rest = output[...]
        while let end = rest.firstIndex(of: 0x0a) {
            let line = String(decoding: rest[..<end].dropLast(), as: UTF8.self)
            rest = rest[(end + 1)...]
            if line.isEmpty { break }
            answer.head.append(line)
        }
        answer.body = Array(rest)
        return answer
    }
}
