import CSystem
import Glibc
import Platform

/// A socket that listens, bound here or handed over by whoever started the process.
public struct ListeningSocket: Sendable {
    public let descriptor: CInt

    /// As many as a process may listen on.
    public static let most = 8

    /// Descriptor 0 (`FCGI_LISTENSOCK_FILENO`) or another one, when it is a listening socket (`SO_ACCEPTCONN`, socket(7)); else nil.
    public static func inherited(_ descriptor: CInt = 0) -> ListeningSocket? {
        var listening: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0, listening != 0 else { return nil }
        return ListeningSocket(descriptor: descriptor)
    }

    /// Binds and listens. A socket file that nobody answers on is replaced, one that is in use is refused.
    /// - Parameters:
    ///   - mode: permissions of the Unix socket's file, set before it listens, so that nobody connects under looser ones.
    ///   - group: name of the group the file is given to; nil leaves it.
    ///   - isPrivate: by TCP it listens on an address of a private network or not at all.
    ///   - backlog: connections that may wait; the kernel caps it at `net.core.somaxconn`. nginx answers 502 beyond it.
    public static func bind(
        _ address: ListenAddress, mode: mode_t, group: String?, isPrivate: Bool = false, backlog: CInt = 4096
    ) throws(ListenError) -> ListeningSocket {
        let descriptor =
            switch address {
            case .unix(let path): try UnixBinding(path: path).listen(mode: mode, group: group, backlog: backlog)
            case .tcp(let host, let port): try InternetBinding(host: host, port: port, isPrivate: isPrivate).listen(backlog: backlog)
            }
        return ListeningSocket(descriptor: descriptor)
    }

    /// Not TCP.
    public var isUnix: Bool {
        var family: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &size)
        return family == AF_UNIX
    }

    /// Where it listens (getsockname(2)); nil for a socket without a name, and of another kind.
    public var address: ListenAddress? {
        var name = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &name) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                guard getsockname(descriptor, name, &size) == 0 else { return nil }
                return name.pointee.sa_family == sa_family_t(AF_UNIX) ? Self.path(storage, size) : Self.hostAndPort(name, size)
            }
        }
    }

    private static func path(_ storage: UnsafePointer<sockaddr_storage>, _ size: socklen_t) -> ListenAddress? {
        guard let start = MemoryLayout<sockaddr_un>.offset(of: \.sun_path), Int(size) > start else { return nil }
        let bytes = UnsafeRawBufferPointer(start: storage, count: Int(size)).dropFirst(start).prefix { $0 != 0 }
        return ListenAddress(String(decoding: bytes, as: UTF8.self))
    }

    private static func hostAndPort(_ name: UnsafePointer<sockaddr>, _ size: socklen_t) -> ListenAddress? {
        var (host, port) = ([CChar](repeating: 0, count: Int(NI_MAXHOST)), [CChar](repeating: 0, count: 32))
        let flags = NI_NUMERICHOST | NI_NUMERICSERV
        guard getnameinfo(name, size, &host, socklen_t(host.count), &port, socklen_t(port.count), flags) == 0 else { return nil }
        let texts = [host, port].map { text in String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) }
        return UInt16(texts[1]).map { .tcp(host: texts[0], port: $0) }
    }

    /// Closes this process's copy of the descriptor; a Unix socket's file stays.
    public func close() { _ = Glibc.close(descriptor) }
}

/// Where a FastCGI responder listens.
public enum ListenAddress: Sendable, Equatable, CustomStringConvertible {
    case unix(path: String)
    case tcp(host: String, port: UInt16)

    /// Reads `/path/to.sock`, `host:port` or `[::1]:port`; nil for anything else. Port 0 and an empty host are refused.
    public init?(_ text: String) {
        if text.hasPrefix("/") {
            guard !text.hasSuffix("/"), !text.utf8.contains(0) else { return nil }
            self = .unix(path: text)
            return
        }
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let port = UInt16(digits), port > 0
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("[") {
            guard host.hasSuffix("]") else { return nil }
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        let isPlain = host.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "[") && $0 != UInt8(ascii: "]") }
        guard !host.isEmpty, isPlain else { return nil }
        self = .tcp(host: String(host), port: port)
    }

    /// Whether nobody on the Internet can send there; nil for the name of a host, which has to be looked up.
    public var isPrivate: Bool? {
        switch self {
        case .unix: true
        case .tcp(let host, _): InternetAddress(host).map(\.isPrivate)
        }
    }

    /// Nobody but this host reaches it, as far as its text tells.
    public var isLoopback: Bool {
        guard case .tcp(let host, _) = self else { return false }
        return host == "localhost" || host.hasPrefix("127.") || host == "::1"
    }

    public var isUnix: Bool { if case .unix = self { true } else { false } }

    /// The single texts of a list by comma, without spaces around them.
    public static func texts(of list: String) -> [String] {
        list.split(separator: ",", omittingEmptySubsequences: false).map { text in
            String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
    }

    public var description: String {
        switch self {
        case .unix(let path): path
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }
}

/// Why a listening socket could not be had.
public enum ListenError: Error, Equatable, CustomStringConvertible {
    /// `sun_path` holds 107 bytes and a NUL (unix(7)).
    case pathTooLong(String)
    /// Something that is no socket is at the path; it is left alone.
    case notASocket(String)
    /// Somebody answers there.
    case inUse(ListenAddress)
    case unknownHost(String, reason: String)
    case unknownGroup(String)
    /// The host's addresses are none of a private network.
    case notPrivate(ListenAddress)
    /// A system call failed with this `errno`.
    case system(call: String, on: ListenAddress, errno: CInt)

    /// What is said of an address that is not private.
    public static let isPublic =
        "is no private address (RFC 1918, RFC 4193, link-local, loopback, 100.64.0.0/10), and beside another address TCP is opened on such alone"

    public var description: String {
        switch self {
        case .pathTooLong(let path): "socket path is longer than 107 bytes: \(path)"
        case .notASocket(let path): "\(path) exists and is not a socket"
        case .inUse(let address): "\(address) is in use by another process"
        case .unknownHost(let host, let reason): "cannot resolve \(host): \(reason)"
        case .unknownGroup(let group): "no such group: \(group)"
        case .notPrivate(let address): "\(address) \(Self.isPublic)"
        case .system(let call, let address, let error): "\(call) for \(address): \(String(cString: strerror(error)))"
        }
    }
}

/// How a Unix socket comes to listen at a path (unix(7)).
private struct UnixBinding {
    let path: String
    private var address: ListenAddress { .unix(path: path) }

    /// The descriptor of a socket that listens.
    func listen(mode: mode_t, group: String?, backlog: CInt) throws(ListenError) -> CInt {
        let name = try socketName()
        let groupID = try group.map { (name) throws(ListenError) in try Self.groupID(of: name) }
        try removeStale(name)
        let descriptor = socket(AF_UNIX, csys_stream_socket, 0)
        guard descriptor >= 0 else { throw failure("socket") }
        do throws(ListenError) {
            try check("bind", connectOrBind(descriptor, name, Glibc.bind))
            // Nobody can connect before listen(), so the order closes the window of looser permissions.
            if let groupID { try check("chown", chown(path, uid_t.max, groupID)) }
            try check("chmod", chmod(path, mode))
            try check("listen", Glibc.listen(descriptor, backlog))
        } catch {
            _ = close(descriptor)
            throw error
        }
        return descriptor
    }

    private func socketName() throws(ListenError) -> sockaddr_un {
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: name.sun_path) else { throw .pathTooLong(path) }
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: bytes) }
        return name
    }

    /// Removes a socket file whose owner is gone: connecting to it is refused.
    private func removeStale(_ name: sockaddr_un) throws(ListenError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path) }
        let probe = socket(AF_UNIX, csys_stream_socket | csys_nonblocking_socket, 0)
        guard probe >= 0 else { throw failure("socket") }
        defer { _ = close(probe) }
        // EAGAIN is a full backlog: somebody listens.
        guard connectOrBind(probe, name, connect) != 0, errno == ECONNREFUSED else { throw .inUse(address) }
        guard unlink(path) == 0 || errno == ENOENT else { throw failure("unlink") }
    }

    private func connectOrBind(
        _ descriptor: CInt, _ name: sockaddr_un, _ call: (CInt, UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) -> CInt {
        withUnsafePointer(to: name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                call(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    private static func groupID(of name: String) throws(ListenError) -> gid_t {
        var entry = group()
        var found: UnsafeMutablePointer<group>?
        var buffer = [CChar](repeating: 0, count: 65536)
        if getgrnam_r(name, &entry, &buffer, buffer.count, &found) == 0, found != nil { return entry.gr_gid }
        guard let number = gid_t(name) else { throw .unknownGroup(name) }
        return number
    }

    private func check(_ call: String, _ result: CInt) throws(ListenError) {
        if result != 0 { throw failure(call) }
    }

    private func failure(_ call: String) -> ListenError { .system(call: call, on: address, errno: errno) }
}

/// How a TCP socket comes to listen (ip(7), ipv6(7)).
private struct InternetBinding {
    let host: String
    let port: UInt16
    let isPrivate: Bool
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
        if isPrivate, InternetAddress(info.ai_addr)?.isPrivate != true { throw .notPrivate(address) }
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
