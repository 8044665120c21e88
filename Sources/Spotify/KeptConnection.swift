import CSystem

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

    /// Open, as far as can be seen from here.
    var isAlive: Bool {
        socket >= 0 && csys_monotonic_ns() - since < Self.longestIdle && csys_has_hung_up(socket) == 0
    }
}
