import CSystem
import FastCGI
import Glibc

/// Asks a running program one question over FastCGI, as nginx would.
enum HealthProbe {
    enum Failure: Error {
        case nobodyListens(String)
        case silent
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
            throw .silent
        }
        guard let status = FastCGIText.status(of: try receive(descriptor)) else { throw .foreign }
        return status
    }

    private static func receive(_ descriptor: CInt) throws(Failure) -> [UInt8] {
        var all: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 4096)
        while all.count < 1 << 16 {
            let count = recv(descriptor, &part, part.count, 0)
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
            throw .nobodyListens(String(cString: strerror(reason)))
        }
        return descriptor
    }
}
