import Glibc

/// A socket that listens, bound here or handed over by whoever started the process.
public struct ListeningSocket: Sendable {
    public let descriptor: CInt

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
    ///   - backlog: connections that may wait; the kernel caps it at `net.core.somaxconn`. nginx answers 502 beyond it.
    public static func bind(
        _ address: ListenAddress, mode: mode_t, group: String?, backlog: CInt = 4096
    ) throws(ListenError) -> ListeningSocket {
        let descriptor =
            switch address {
            case .unix(let path): try UnixBinding(path: path).listen(mode: mode, group: group, backlog: backlog)
            case .tcp(let host, let port): try InternetBinding(host: host, port: port).listen(backlog: backlog)
            }
        return ListeningSocket(descriptor: descriptor)
    }

    /// Closes this process's copy of the descriptor; a Unix socket's file stays.
    public func close() { _ = Glibc.close(descriptor) }
}
