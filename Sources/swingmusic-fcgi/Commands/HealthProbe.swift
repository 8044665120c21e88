import CLibFCGI
import CSystem
import FastCGI
import Glibc

/// Asks a running program one question over FastCGI, as nginx would.
enum HealthProbe {
    enum Failure: Error {
        case nobodyListens(String)
        /// This user may not connect: whether anybody listens is not known.
        case forbidden
        case silent
        /// The other end hung up before it said anything.
        case closed
        case foreign
    }

    /// How long each step may take, seconds.
    private static let patience = 3

    /// The status of `GET /swingmusic-fcgi/healthz`.
    static func ask(_ address: ListenAddress) throws(Failure) -> Int {
        let descriptor = try connect(address)
        defer { close(descriptor) }
        let request = FastCGIText.request("/swingmusic-fcgi/healthz")
        guard request.withUnsafeBytes({ send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }) == request.count else {
            throw errno == EPIPE || errno == ECONNRESET ? .closed : .silent
        }
        let answer = try receive(descriptor)
        if answer.isEmpty { throw .closed }
        guard let status = FastCGIText.status(of: answer) else { throw .foreign }
        return status
    }

    private static func receive(_ descriptor: CInt) throws(Failure) -> [UInt8] {
        var all: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 4096)
        while all.count < 1 << 16 {
            let count = recv(descriptor, &part, part.count, 0)
            if count < 0, errno == ECONNRESET, all.isEmpty { throw .closed }
            if count < 0 { throw errno == EAGAIN ? .silent : .foreign }
            if count == 0 { break }
            all += part[..<count]
        }
        return all
    }

    private static func connect(_ address: ListenAddress) throws(Failure) -> CInt {
        switch address {
        case .unix(let path):
            var name = sockaddr_un()
            name.sun_family = sa_family_t(AF_UNIX)
            guard path.utf8.count < MemoryLayout.size(ofValue: name.sun_path) else { throw .nobodyListens("the path is too long") }
            withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
            let size = socklen_t(MemoryLayout<sockaddr_un>.size)
            return try withUnsafeBytes(of: &name) { raw throws(Failure) in
                try connect(AF_UNIX, raw.baseAddress?.assumingMemoryBound(to: sockaddr.self), size)
            }
        case .tcp(let host, let port):
            var hints = addrinfo()
            hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
            var first: UnsafeMutablePointer<addrinfo>?
            let result = getaddrinfo(host, String(port), &hints, &first)
            guard result == 0, let first else { throw .nobodyListens(String(cString: gai_strerror(result))) }
            defer { freeaddrinfo(first) }
            return try connect(first.pointee.ai_family, first.pointee.ai_addr, first.pointee.ai_addrlen)
        }
    }

    private static func connect(_ family: CInt, _ name: UnsafePointer<sockaddr>?, _ size: socklen_t) throws(Failure) -> CInt {
        let descriptor = socket(family, csys_stream_socket, 0)
        guard descriptor >= 0, let name else { throw .nobodyListens(String(cString: strerror(errno))) }
        // SO_SNDTIMEO bounds connect(2) as well (socket(7)).
        var limit = timeval(tv_sec: patience, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        guard Glibc.connect(descriptor, name, size) == 0 else {
            let reason = errno
            close(descriptor)
            if reason == EINPROGRESS || reason == EAGAIN { throw .silent }
            if reason == EACCES || reason == EPERM { throw .forbidden }
            throw .nobodyListens(String(cString: strerror(reason)))
        }
        return descriptor
    }
}

/// As much of the FastCGI protocol as one question needs (FastCGI Specification 1.0, sections 3 to 5; numbers and layouts are those of
/// libfcgi's fastcgi.h).
private enum FastCGIText {
    private static let headerLength = MemoryLayout<FCGI_Header>.size

    /// A GET; the connection is closed after the answer.
    static func request(_ path: String) -> [UInt8] {
        let pairs = [
            ("REQUEST_METHOD", "GET"), ("DOCUMENT_URI", path), ("QUERY_STRING", ""), ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("REMOTE_ADDR", "127.0.0.1"),
        ]
        let encoded = pairs.flatMap { [UInt8($0.0.utf8.count), UInt8($0.1.utf8.count)] + Array($0.0.utf8) + Array($0.1.utf8) }
        var begin = FCGI_BeginRequestBody()
        begin.roleB0 = UInt8(FCGI_RESPONDER)
        return record(FCGI_BEGIN_REQUEST, withUnsafeBytes(of: begin) { Array($0) }) + record(FCGI_PARAMS, encoded)
            + record(FCGI_PARAMS, []) + record(FCGI_STDIN, [])
    }

    /// The status of an answer; nil when it is none, or is not whole.
    static func status(of answer: [UInt8]) -> Int? {
        var rest = answer[...]
        var text: [UInt8] = []
        while rest.count >= headerLength {
            let header = rest.withUnsafeBytes { $0.loadUnaligned(as: FCGI_Header.self) }
            let length = Int(header.contentLengthB1) << 8 | Int(header.contentLengthB0)
            let whole = headerLength + length + Int(header.paddingLength)
            guard CInt(header.version) == FCGI_VERSION_1, rest.count >= whole else { return nil }
            switch CInt(header.type) {
            case FCGI_STDOUT: text += rest.dropFirst(headerLength).prefix(length)
            case FCGI_END_REQUEST: return status(in: String(decoding: text, as: UTF8.self))
            default: break
            }
            rest = rest.dropFirst(whole)
        }
        return nil
    }

    /// RFC 3875, 6.3.3: no Status line means 200.
    private static func status(in head: String) -> Int? {
        guard let line = head.split(whereSeparator: \.isNewline).first(where: { $0.hasPrefix("Status:") }) else {
            return head.isEmpty ? nil : 200
        }
        return Int(line.dropFirst(7).drop { $0 == " " }.prefix { $0 != " " })
    }

    private static func record(_ type: CInt, _ content: [UInt8]) -> [UInt8] {
        var header = FCGI_Header()
        (header.version, header.type, header.requestIdB0) = (UInt8(FCGI_VERSION_1), UInt8(type), 1)
        (header.contentLengthB1, header.contentLengthB0) = (UInt8(content.count >> 8), UInt8(content.count & 0xff))
        return withUnsafeBytes(of: header) { Array($0) } + content
    }
}
