/// A body that does not fit the socket at once.
struct Outgoing {
    let body: ArraySlice<UInt8>
    private(set) var sent = 0

    /// What one write may take without asking the socket again. A writable Unix socket has more room than this (net/unix/af_unix.c:
    /// writable means that three quarters of the send buffer are free).
    static let burst = 64 * 1024

    init(_ body: ArraySlice<UInt8>) {
        self.body = body
    }

    var isDone: Bool { sent == body.count }

    /// Hands on the next piece.
    mutating func advance<R>(_ put: (UnsafeRawBufferPointer) -> R) -> R {
        let end = min(sent + Self.burst, body.count)
        defer { sent = end }
        return body.withUnsafeBytes { put(UnsafeRawBufferPointer(rebasing: $0[sent..<end])) }
    }
}
