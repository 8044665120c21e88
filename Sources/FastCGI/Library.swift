import CLibFCGI
import CSystem
import Glibc

/// libfcgi's global state (fcgiapp.h): initialised once in a process, without what it does to signals.
enum Library {
    /// Runs FCGX_Init. It installs handlers for SIGPIPE, SIGUSR1 and SIGTERM, which belong to whoever runs the process: they are put
    /// back. SIGPIPE is ignored from now on, because libfcgi writes without MSG_NOSIGNAL.
    static let started: Bool = {
        let kept = [SIGTERM, SIGUSR1].map { number in
            var action = sigaction()
            sigaction(number, nil, &action)
            return (number, action)
        }
        signal(SIGPIPE, SIG_IGN)
        let result = FCGX_Init()
        for (number, action) in kept {
            var action = action
            sigaction(number, &action, nil)
        }
        return result == 0
    }()

    /// How many bytes libfcgi asks for in one read (8192 in 2.4.2), found out by letting it read a request with a long tail. It reads
    /// past the parameters by up to that much, and the body that it read so far must be told from the body that still waits.
    static let readSize: Int? = {
        guard started else { return nil }
        var pair: [CInt] = [-1, -1]
        guard socketpair(AF_UNIX, csys_stream_socket, 0, &pair) == 0 else { return nil }
        defer { pair.forEach { _ = close($0) } }
        let tail = 65536
        let request: [UInt8] = [1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 4, 0, 1, 0, 0, 0, 0]
        let sent = send(pair[0], request + [UInt8](repeating: 0, count: tail), request.count + tail, CInt(MSG_DONTWAIT))
        let exchange = Exchange()
        guard sent > request.count, exchange.accept(on: pair[1]) else { return nil }
        exchange.abandon()
        var left: CInt = 0
        guard ioctl(pair[1], UInt(FIONREAD), &left) == 0 else { return nil }
        let size = sent - Int(left)
        return size > request.count && size < sent ? size : nil
    }()
}
