import CSystem
import Glibc

/// How a TCP socket comes to listen (ip(7), ipv6(7)).
struct InternetBinding {
    let host: String
    let port: UInt16
    private var address: ListenAddress { .tcp(host: host, port: port) }

    /// The descriptor of a socket that listens at the first address of the host that can be bound.
    func listen(backlog: CInt) throws(ListenError) -> CInt {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE
        var first: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(host, String(port), &hints, &first)
        guard result == 0, let first else { throw .unknownHost(host, reason: String(cString: gai_strerror(result))) }
        defer { freeaddrinfo(first) }
        var failure = ListenError.unknownHost(host, reason: "no address")
        var next: UnsafeMutablePointer<addrinfo>? = first
        while let candidate = next {
            do { return try listen(at: candidate.pointee, backlog) } catch { failure = error }
            next = candidate.pointee.ai_next
        }
        throw failure
    }

    private func listen(at info: addrinfo, _ backlog: CInt) throws(ListenError) -> CInt {
        let descriptor = socket(info.ai_family, csys_stream_socket, 0)
        guard descriptor >= 0 else { throw .system(call: "socket", on: address, errno: errno) }
        var on: CInt = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
        // Accepted sockets inherit these two. Room for a whole head of parameters, which is looked at before it is read.
        var room: CInt = 256 * 1024
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &room, socklen_t(MemoryLayout<CInt>.size))
        setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
        if Glibc.bind(descriptor, info.ai_addr, info.ai_addrlen) != 0 { throw failure("bind", closing: descriptor) }
        if Glibc.listen(descriptor, backlog) != 0 { throw failure("listen", closing: descriptor) }
        return descriptor
    }

    private func failure(_ call: String, closing descriptor: CInt) -> ListenError {
        let cause = errno
        _ = close(descriptor)
        return cause == EADDRINUSE ? .inUse(address) : .system(call: call, on: address, errno: cause)
    }
}
