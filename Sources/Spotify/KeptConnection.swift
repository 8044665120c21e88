import CSystem
import Glibc

/// What is known of the connection that curl kept after the last call.
struct KeptConnection {
    /// curl does not take up a connection that was idle for longer (CURLOPT_MAXAGE_CONN, 118 s), so neither count on it.
    static let longestIdle: UInt64 = 110_000_000_000

    private var socket: CInt = -1
    private var since: UInt64 = 0

    /// A call has ended; `socket` is -1 when its connection was closed.
    mutating func note(socket: CInt, now: UInt64) {
        self.socket = socket
        since = now
    }

    /// Open, and nothing has come in: an idle connection that can be read has been closed, or is about to be.
    var isAlive: Bool {
        guard socket >= 0, csys_monotonic_ns() - since < Self.longestIdle else { return false }
        var byte: UInt8 = 0
        return recv(socket, &byte, 1, CInt(MSG_PEEK) | CInt(MSG_DONTWAIT)) < 0 && errno == EAGAIN
    }
}
